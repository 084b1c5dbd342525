"""An application that makes films to order. The test files beside it show how to test one.

It is as small as can be. What a product has to mind besides (customers, caps, keys, its own name) is in
`examples/web`.
"""

from collections.abc import AsyncIterator

from aiohttp import web

from eversince_async import Eversince, ProjectFailed

EVERSINCE = web.AppKey("eversince", Eversince)


async def film(eversince: Eversince, brief: str) -> str:
    """What to tell the customer in the end."""
    try:
        production = await eversince.produce(brief)
    except ProjectFailed as failed:
        return f"Sorry. {''.join(filter(str.isprintable, failed.error_message or ''))[:200]}"
    return f"Watch it at {production.share_url}"


async def order(request: web.Request) -> web.Response:
    own = f"//{request.host}"  # a foreign page can send forms and text, but no JSON in our name
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
