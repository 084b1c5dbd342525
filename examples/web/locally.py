"""Running an application of this folder: for real, or beside a local Eversince in compressed time."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from eversince_async.emulator import Emulator
from eversince_async.testing import run

HOST: Final = "127.0.0.1"
PORT: Final = int(os.environ.get("PORT", "8000"))
SPEED: Final = 60.0  # a minute a second


def kept() -> Path | None:
    """The file for unfinished films, which FILMS names."""
    name = os.environ.get("FILMS")
    return Path(name) if name else None


def serve(serving: Callable[[], Awaitable[None]]) -> None:
    """Run what serves an application, until Ctrl-C."""
    try:
        if "EVERSINCE_API_KEY" in os.environ:
            asyncio.run(_only(serving))
        else:
            run(_beside_an_emulator(serving), speed=SPEED)
    except KeyboardInterrupt:
        pass


def serve_asgi(app: Any) -> None:
    """Serve an ASGI application with uvicorn."""
    import uvicorn

    # A stream of events never ends by itself, and uvicorn waits for it: so say for how long. It must be
    # less than whatever stops this process allows.
    config = uvicorn.Config(app, host=HOST, port=PORT, timeout_graceful_shutdown=10)
    serve(uvicorn.Server(config).serve)


async def _only(serving: Callable[[], Awaitable[None]]) -> None:
    await serving()


async def _beside_an_emulator(serving: Callable[[], Awaitable[None]]) -> None:
    async with Emulator() as emulator:
        os.environ["EVERSINCE_API_KEY"] = emulator.connection["api_key"]
        os.environ["EVERSINCE_BASE_URL"] = emulator.connection["base_url"]
        await serving()
