"""An application that makes videos to order, with tests beside it.

It is as small as possible. `examples/web` shows the other concerns of a product (customers, caps, keys, its
own host name).
"""

from collections.abc import AsyncIterator

from aiohttp import web

from eversince_async import Eversince, ProjectFailed

EVERSINCE = web.AppKey("eversince", Eversince)


async def film(eversince: Eversince, brief: str) -> str:
    """Produce a video and return the message for the customer."""
    try:
        production = await eversince.produce(brief)
    except ProjectFailed as failed:
        return f"Sorry. {''.join(filter(str.isprintable, failed.error_message or ''))[:200]}"
    return f"Watch it at {production.share_url}"


async def order(request: web.Request) -> web.Response:
    own = f"//{request.host}"  # a foreign page can send forms and text, but no JSON in this page's name
    if request.content_type != "application/json" or not request.headers.get("Origin", own).endswith(own):
        raise web.HTTPForbidden(text="orders are JSON, from our own pages")
    try:
        brief = (await request.json())["brief"]
    except (ValueError, TypeError, KeyError, RecursionError):
        brief = None
    if not isinstance(brief, str):
        raise web.HTTPBadRequest(text="an order is a JSON object with a brief")
    return web.Response(text=await film(request.app[EVERSINCE], brief))


async def lifetime(app: web.Application) -> AsyncIterator[None]:
    async with Eversince() as app[EVERSINCE]:
        yield


def application() -> web.Application:
    app = web.Application()
    app.router.add_post("/films", order)
    app.cleanup_ctx.append(lifetime)
    return app
