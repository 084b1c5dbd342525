"""The applications of examples/web, and their real servers."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from eversince_async.emulator import Scenario
from eversince_async.testing import VirtualTimeLoop

EXAMPLES = Path(__file__).parents[3] / "examples" / "web"
SECRET = "whsec_of_these_tests"
SHORT = Scenario(queued=5, running=15, images=30, videos=60, rendering=40)

NEEDS = {
    "fastapi_app": ("fastapi", "uvicorn"),
    "starlette_app": ("starlette", "uvicorn"),
    "aiohttp_app": ("aiohttp",),
    "django_app": ("django", "uvicorn"),
    "litestar_app": ("litestar", "uvicorn"),
    "quart_app": ("quart", "uvicorn"),
}


@asynccontextmanager
async def serving(module: Any) -> AsyncIterator[str]:
    """The URL of an example that its server serves, started and shut down as it would be."""
    if module.__name__ == "aiohttp_app":
        from aiohttp import web

        runner = web.AppRunner(module.application(), shutdown_timeout=1, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
        return
    async with uvicorn_serving(module.app, in_threads=module.__name__ == "django_app") as url:
        yield url


@asynccontextmanager
async def uvicorn_serving(app: Any, *, in_threads: bool = False, **options: Any) -> AsyncIterator[str]:
    """The URL of an ASGI application in uvicorn, which is stopped as a supervisor stops it.

    Args:
        app: The application.
        in_threads: Whether its requests end in threads of its own, which virtual time does not wait for.
        options: Of uvicorn.
    """
    import uvicorn

    options = {"port": 0, "log_config": None, "access_log": False, "timeout_graceful_shutdown": 1, **options}
    server = uvicorn.Server(uvicorn.Config(app, **options))
    before = signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again when all is done
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not serving.done(), "uvicorn did not start"
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            signal.raise_signal(signal.SIGTERM)
            loop = asyncio.get_running_loop()
            with loop.paused() if in_threads and isinstance(loop, VirtualTimeLoop) else nullcontext():
                await serving
    finally:
        signal.signal(signal.SIGTERM, before)


def real_seconds() -> float:
    """Seconds of this loop in a real one."""
    return float(getattr(getattr(asyncio.get_running_loop(), "_pace", None), "_speed", 1.0))
