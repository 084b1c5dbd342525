"""The same application with aiohttp.web: `python examples/web/aiohttp_app.py`."""

import asyncio
import os
from collections.abc import AsyncIterator

from aiohttp import web
from films import PAGE, Film, Films
from locally import HOST, PORT, kept, serve

from eversince_async import Eversince, WebhookReceiver

FILMS = web.AppKey("films", Films)

routes = web.RouteTableDef()


@routes.get("/")
async def page(request: web.Request) -> web.FileResponse:
    return web.FileResponse(PAGE)


@routes.get("/governor")
async def governor(request: web.Request) -> web.Response:
    return web.json_response(request.app[FILMS].governor())


@routes.post("/films")
async def order(request: web.Request) -> web.Response:
    wanted = await request.json()
    film = request.app[FILMS].order(wanted["brief"], wanted.get("aspect_ratio", "16:9"))
    return web.json_response(film.to_json(), status=201)


@routes.get("/films/{film_id}")
async def show(request: web.Request) -> web.Response:
    return web.json_response(film_of(request).to_json())


@routes.get("/films/{film_id}/events")
async def events(request: web.Request) -> web.StreamResponse:
    film = film_of(request)
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    async for event in request.app[FILMS].watch(film):
        await response.write(event.encode())
    return response


def film_of(request: web.Request) -> Film:
    film = request.app[FILMS].find(request.match_info["film_id"])
    if film is None:
        raise web.HTTPNotFound(text="there is no such film")
    return film


def application() -> web.Application:
    """Everything that needs the client is made in its event loop, in `lifetime`."""
    receiver: WebhookReceiver | None = None

    async def lifetime(app: web.Application) -> AsyncIterator[None]:
        nonlocal receiver
        eversince = Eversince()
        app[FILMS] = Films(eversince, kept())
        if secret := os.environ.get("EVERSINCE_WEBHOOK_SECRET"):
            receiver = WebhookReceiver(eversince, secret=secret)
        yield
        await app[FILMS].aclose()

    async def webhook(request: web.Request) -> web.StreamResponse:
        if receiver is None:
            raise web.HTTPNotFound
        return await receiver.aiohttp_handler(request)

    app = web.Application()
    app.add_routes(routes)
    app.router.add_post("/webhooks/eversince", webhook)
    app.cleanup_ctx.append(lifetime)
    return app


async def serving() -> None:
    runner = web.AppRunner(application(), shutdown_timeout=10)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, PORT).start()
        print(f"http://{HOST}:{PORT}")
        await asyncio.get_running_loop().create_future()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    serve(serving)
