"""A program: the FastAPI example in uvicorn, and the server it talks to, in a time that jumps.

`python -X dev -W error town.py` prints its address, serves until SIGTERM, then prints what there was. Only
both in one process can have their time jump; the customers, who wait for nothing but answers, are elsewhere.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from pathlib import Path

import uvicorn
from applications import EXAMPLES

from eversince_async import Eversince, Limits
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator import Limits as EmulatedLimits
from eversince_async.testing import run

os.environ.update(FILMS_EACH="1000", FILMS_IN_ALL="1000")  # the crowd comes from one address
sys.path.insert(0, str(EXAMPLES))
import fastapi_app

# Requests are what is short then, rather than slots; both are used to the full.
BRIEF = Scenario(queued=2, running=5, images=10, videos=15, rendering=10)
# A day's limits would keep most of a crowd for tomorrow, which is another test's.
ALLOWED = Limits(projects_per_day=None, renders_per_day=None)
ALLOWED_THERE = EmulatedLimits(projects_per_day=None, renders_per_day=None)


class Server(uvicorn.Server):
    """As uvicorn's, but looks every 5 s whether to end, not every 0.1 s, which is 80,000 times a test."""

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            await asyncio.sleep(5)


def open_sockets() -> int:
    folder = Path("/proc/self/fd")  # elsewhere than on Linux only warnings tell
    if not folder.exists():
        return 0
    return sum(os.readlink(each).startswith("socket:") for each in folder.iterdir() if each.exists())


async def main() -> None:
    asyncio.get_running_loop().set_debug(False)  # of -X dev: it costs more than all else
    fastapi_app.Eversince = lambda: Eversince(limits=ALLOWED)
    async with Emulator(scenario=BRIEF, limits=ALLOWED_THERE, credits=1e9) as emulator:
        os.environ["EVERSINCE_API_KEY"] = emulator.connection["api_key"]
        os.environ["EVERSINCE_BASE_URL"] = emulator.connection["base_url"]
        sockets, tasks = open_sockets(), len(asyncio.all_tasks())
        server = Server(
            uvicorn.Config(
                fastapi_app.app, port=0, log_level="error", access_log=False, timeout_graceful_shutdown=5
            )
        )
        signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again when all is done
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        print(server.servers[0].sockets[0].getsockname()[1], flush=True)  # noqa: T201 - the test reads it
        await serving
        gc.collect()  # whatever was not closed says so now
        await asyncio.sleep(1)
        world = emulator.world
        told = {
            "sockets left": open_sockets() - sockets,
            "tasks left": len(asyncio.all_tasks()) - tasks,
            "projects": world.counts["projects"],
            "most active": world.most_active,
            "most requests a minute": world.log.most_requests_in_window(60.0),
            "refused": world.log.statuses()[429],
        }
        print(json.dumps(told), flush=True)  # noqa: T201 - likewise


run(main())
