"""The same application with aiohttp.web: `python examples/web/aiohttp_app.py`."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Handler
from film import Film, Order
from films import STREAM, Films
from guard import HEADERS, LARGEST, WEBHOOKS, Refused, check, customer_of
from page import PAGE, page_headers
from run_local import HOST, PATIENCE, PORT, serve
from storage import FilmStorage

from eversince_async import Eversince, WebhookReceiver

FILMS = web.AppKey("films", Films)

routes = web.RouteTableDef()


@routes.get("/")
async def page(request: web.Request) -> web.Response:
    return web.Response(body=PAGE, headers=page_headers(request.headers.get("Cookie")))


@routes.get("/pulse")
async def pulse(request: web.Request) -> web.Response:
    return web.json_response(request.app[FILMS].pulse())


@routes.post("/films")
async def order(request: web.Request) -> web.Response:
    customer = customer_of(request.headers.get("Cookie"), request.remote)
    film = request.app[FILMS].order(customer, Order.of(await request.read()))
    return web.json_response(film.to_json(), status=201)


@routes.get("/films/{film_id}")
async def show(request: web.Request) -> web.Response:
    return web.json_response(film_of(request).to_json())


@routes.get("/films/{film_id}/events")
async def events(request: web.Request) -> web.StreamResponse:
    film, films, last_seen = film_of(request), request.app[FILMS], request.headers.get("Last-Event-ID")
    if not films.is_news(film, last_seen):
        return web.Response(status=204)  # tells a browser not to come back
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **STREAM})
    await response.prepare(request)
    async for event in films.watch(film, last_seen):
        await response.write(event.encode())
    return response


def film_of(request: web.Request) -> Film:
    return request.app[FILMS].find(request.match_info["film_id"])


@web.middleware
async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        check(request.method, request.path, request.headers)
        return await handler(request)
    except Refused as refused:
        return web.json_response(refused.to_json(), status=refused.status)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def application() -> web.Application:
    """Build the application; `lifetime` creates the client in its event loop."""
    receiver: WebhookReceiver | None = None

    async def lifetime(app: web.Application) -> AsyncIterator[None]:
        nonlocal receiver
        eversince = Eversince()
        app[FILMS] = Films(eversince, FilmStorage.from_environment())
        if secret := os.environ.get("EVERSINCE_WEBHOOK_SECRET"):
            receiver = WebhookReceiver(eversince, secret=secret)
        yield
        await app[FILMS].aclose()

    async def end_streams(app: web.Application) -> None:
        app[FILMS].end_streams()

    async def webhook(request: web.Request) -> web.StreamResponse:
        if receiver is None:
            raise web.HTTPNotFound
        return await receiver.aiohttp_handler(request)

    app = web.Application(middlewares=[guarded], client_max_size=LARGEST)
    app.add_routes(routes)
    app.router.add_post(WEBHOOKS, webhook)
    app.on_response_prepare.append(add_headers)
    app.cleanup_ctx.append(lifetime)
    app.on_shutdown.append(end_streams)  # before aiohttp waits for open requests
    return app


async def serving() -> None:
    """Serve as `web.run_app(application())` does, in the present event loop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(application(), shutdown_timeout=PATIENCE)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, PORT).start()
        print(f"http://{HOST}:{PORT}")
        await stop.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    serve(serving)
