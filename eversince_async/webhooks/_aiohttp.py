"""The receiver as an aiohttp application."""

import functools

import aiohttp
from aiohttp import http_exceptions, web

from eversince_async.webhooks.handler import DeliveryHandler
from eversince_async.webhooks.result import DeliveryResult

_BROKEN = (
    web.RequestPayloadError,
    http_exceptions.HttpProcessingError,
    aiohttp.ClientError,
    ConnectionError,
)
"""The errors of reading a body that is malformed HTTP, or whose sender disconnects."""


def application(delivery_handler: DeliveryHandler) -> web.Application:
    """Build an application that accepts webhooks at every path."""
    app = web.Application()
    handler = functools.partial(handle, delivery_handler)
    app.router.add_route("*", "", handler)  # of a sub-application: exactly the path at which it was added
    app.router.add_route("*", "/{below:.*}", handler)

    async def close(_: web.Application) -> None:
        delivery_handler.inbox.close()

    app.on_shutdown.append(close)
    return app


async def handle(delivery_handler: DeliveryHandler, request: web.Request) -> web.Response:
    """Respond to one request."""
    delivery_handler.bind()
    verdict = await _verdict(delivery_handler, request)
    return web.Response(status=verdict.status, headers=verdict.headers, body=verdict.body)


async def _verdict(delivery_handler: DeliveryHandler, request: web.Request) -> DeliveryResult:
    if request.method != "POST":
        return delivery_handler.reject_method()
    try:
        return await delivery_handler.take(request.headers, request.content.iter_any())
    except _BROKEN:
        return delivery_handler.reject("validation_error", "the body is incomplete, or malformed HTTP")
