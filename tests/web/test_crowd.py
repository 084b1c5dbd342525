"""Five hundred customers at once, each in a request of their own that awaits a production."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
from applications import SHORT, uvicorn_serving

from eversince_async import Eversince, Limits
from eversince_async.emulator import Emulator
from eversince_async.emulator import Limits as EmulatedLimits

CUSTOMERS = 500
# A day's limits would keep the later half for tomorrow, which is another test's.
ALLOWED = Limits(projects_per_day=None, renders_per_day=None)
ALLOWED_THERE = EmulatedLimits(projects_per_day=None, renders_per_day=None)


def open_files() -> Counter[str]:
    """What this process holds open, by kind."""
    folder = Path("/proc/self/fd")
    return Counter(os.readlink(each).split(":")[0] for each in folder.iterdir() if each.exists())


async def test_five_hundred_requests_each_await_a_production(example: Any, monkeypatch) -> None:
    """All are answered, all limits are kept, and shutting down leaves nothing (warnings are errors here)."""
    module = example("fastapi_app")
    monkeypatch.setattr(module, "Eversince", lambda: Eversince(limits=ALLOWED))
    async with Emulator(scenario=SHORT, limits=ALLOWED_THERE, credits=1e9) as emulator:
        monkeypatch.setenv("EVERSINCE_API_KEY", emulator.connection["api_key"])
        monkeypatch.setenv("EVERSINCE_BASE_URL", emulator.connection["base_url"])
        before = open_files()
        async with uvicorn_serving(module.app) as url, customers() as http:

            async def customer(number: int) -> tuple[int, str]:
                async with http.post(f"{url}/produce", json={"brief": f"Film {number}"}) as answer:
                    told = await answer.json()
                    return answer.status, told.get("project_id") or told["error"]

            told = await asyncio.gather(*(customer(number) for number in range(CUSTOMERS)))
        gc.collect()  # whatever was not closed says so now
        await asyncio.sleep(1)
        after, world = open_files(), emulator.world

    assert Counter({200: CUSTOMERS}) == Counter(status for status, _ in told)
    assert CUSTOMERS == len({project_id for _, project_id in told}) == world.counts["projects"]
    assert 0 == world.log.statuses()[429]
    assert 5 == world.most_active
    assert world.log.most_requests_in_window(60.0) <= 30
    assert before["socket"] == after["socket"]


def customers() -> aiohttp.ClientSession:
    """A browser for each: as many connections as there are customers, and all the patience in the world."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
    )


async def test_shutting_down_with_customers_waiting_leaves_nothing(example: Any, emulator) -> None:
    """Those who wait hear of it at once; what was ordered goes on at the server."""
    module = example("fastapi_app")
    before = open_files()
    async with customers() as http:

        async def customer(number: int) -> bool:
            try:
                async with http.post(f"{url}/produce", json={"brief": f"Film {number}"}) as answer:
                    return answer.ok
            except aiohttp.ServerDisconnectedError:
                return False

        async with uvicorn_serving(module.app) as url:
            waiting = [asyncio.create_task(customer(number)) for number in range(50)]
            await asyncio.sleep(30)
        told = await asyncio.gather(*waiting)
    gc.collect()
    await asyncio.sleep(1)

    assert [False] * 50 == told
    assert 5 == emulator.world.counts["projects"]
    assert before["socket"] == open_files()["socket"]
