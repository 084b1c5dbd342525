"""The receiver as an application of aiohttp."""

import functools

import aiohttp
from aiohttp import http_exceptions, web

from eversince_async.webhooks.reception import Reception
from eversince_async.webhooks.verdict import Verdict

_BROKEN = (
    web.RequestPayloadError,
    http_exceptions.HttpProcessingError,
    aiohttp.ClientError,
    ConnectionError,
)
"""What reading a body raises when it is no HTTP, or when the sender hangs up."""


def application(reception: Reception) -> web.Application:
    """An application that takes webhooks at every path."""
    app = web.Application()
    handler = functools.partial(handle, reception)
    app.router.add_route("*", "", handler)  # as a sub-application: the very path it was added at
    app.router.add_route("*", "/{below:.*}", handler)

    async def close(_: web.Application) -> None:
        reception.inbox.end()

    app.on_shutdown.append(close)
    return app


async def handle(reception: Reception, request: web.Request) -> web.Response:
    """Answer one request."""
    reception.bind()
    verdict = await _verdict(reception, request)
    return web.Response(status=verdict.status, headers=verdict.headers, body=verdict.body)


async def _verdict(reception: Reception, request: web.Request) -> Verdict:
    if request.method != "POST":
        return reception.not_a_post()
    try:
        return await reception.take(request.headers, request.content.iter_any())
    except _BROKEN:
        return reception.refuse("validation_error", "the body breaks off, or is no HTTP")
