"""However many wait, no callback keeps the loop from its other work for long."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from eversince_async import Eversince
from eversince_async.emulator import Emulator, Scenario

pytestmark = pytest.mark.usefixtures("no_long_hold")

CROWD = 10_000
ENDLESS = Scenario(walk={"running": 1e6})


async def test_one_opened_workflow_beside_a_crowd_that_is_awaited():
    async with Emulator(scenario=ENDLESS) as emulator, Eversince(**emulator.connection) as eversince:
        crowd = [asyncio.ensure_future(eversince.produce(f"Film {number}")) for number in range(CROWD)]
        await asyncio.sleep(60)
        async with eversince.produce("The one that is followed") as events:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(120):
                    async for _ in events:
                        pass
            for each in crowd:
                each.cancel()
            await asyncio.gather(*crowd, return_exceptions=True)


async def test_what_a_crowd_waits_for_is_told_while_it_waits():
    async with Emulator(scenario=ENDLESS) as emulator, Eversince(**emulator.connection) as eversince:
        crowd = [asyncio.ensure_future(eversince.produce(f"Film {number}")) for number in range(CROWD)]
        for _ in range(10):
            await asyncio.sleep(30)
            eversince.governor.snapshot()
        for each in crowd:
            each.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
