"""An application that makes films to order. The test files beside it show how to test one."""

from collections.abc import AsyncIterator

from aiohttp import web

from eversince_async import Eversince, ProjectFailed

EVERSINCE = web.AppKey("eversince", Eversince)


async def film(eversince: Eversince, brief: str) -> str:
    """What to tell the customer in the end."""
    try:
        production = await eversince.produce(brief)
    except ProjectFailed as failed:
        return f"Sorry. {failed.error_message}"
    return f"Watch it at {production.share_url}"


async def order(request: web.Request) -> web.Response:
    return web.Response(text=await film(request.app[EVERSINCE], await request.text()))


async def lifetime(app: web.Application) -> AsyncIterator[None]:
    async with Eversince() as app[EVERSINCE]:
        yield


def application() -> web.Application:
    app = web.Application()
    app.router.add_post("/films", order)
    app.cleanup_ctx.append(lifetime)
    return app
