"""Start of an application of this folder.

It runs for real, or with a local emulator in compressed time.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final

from eversince_async.emulator import Emulator
from eversince_async.testing import run

HOST: Final = "127.0.0.1"
PORT: Final = int(os.environ.get("PORT", "8000"))
SPEED: Final = 60.0  # seconds in a second: a minute
PATIENCE: Final = 10  # seconds for open requests; with Films.aclose() less than the supervisor's timeout


def serve(serving: Callable[[], Awaitable[None]]) -> None:
    """Run an application's server until Ctrl-C."""
    speed = os.environ.get("EVERSINCE_SPEED")  # the speed of another emulator on this machine
    try:
        if "EVERSINCE_API_KEY" not in os.environ:
            run(_beside_an_emulator(serving), speed=SPEED)
        elif speed:
            run(_only(serving), speed=float(speed))
        else:
            asyncio.run(_only(serving))
    except KeyboardInterrupt:
        pass


def serve_asgi(app: Any) -> None:
    """Serve an ASGI application with uvicorn."""
    import uvicorn

    config = uvicorn.Config(app, host=HOST, port=PORT, timeout_graceful_shutdown=PATIENCE)
    serve(uvicorn.Server(config).serve)


async def _only(serving: Callable[[], Awaitable[None]]) -> None:
    await serving()


async def _beside_an_emulator(serving: Callable[[], Awaitable[None]]) -> None:
    async with Emulator() as emulator:
        os.environ["EVERSINCE_API_KEY"] = emulator.connection["api_key"]
        os.environ["EVERSINCE_BASE_URL"] = emulator.connection["base_url"]
        os.environ.setdefault("PACE", str(SPEED / 4))  # four times in a real second suffice
        await serving()
