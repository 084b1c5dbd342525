"""Crowds of waiters: no callback keeps the event loop busy for long."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from eversince_async import Eversince, Limits, Waiting
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator import Limits as EmulatedLimits

pytestmark = [pytest.mark.usefixtures("no_long_hold"), pytest.mark.slow]

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


async def test_a_crowd_that_is_followed_is_told_what_it_waits_for():
    async with Emulator(scenario=ENDLESS) as emulator, Eversince(**emulator.connection) as eversince:
        told = set[int]()

        async def follow(number: int) -> None:
            async with eversince.produce(f"Film {number}") as events:
                async for event in events:
                    if isinstance(event, Waiting):
                        told.add(number)

        crowd = [asyncio.create_task(follow(number)) for number in range(2_000)]
        await asyncio.sleep(60)
        for each in crowd:
            each.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)

    assert len(told) > 1_900


async def test_a_crowd_of_projects_is_looked_at():
    """The projects are nudged all the time."""
    limits = EmulatedLimits.none()
    async with (
        Emulator(limits=limits, studio_projects=False) as emulator,
        Eversince(
            **emulator.connection, limits=Limits(active_projects=None, requests_per_minute=None)
        ) as eversince,
    ):
        projects = [emulator.add_project(walks={"running": 1e6}).id for _ in range(3_000)]
        poller = eversince._poller
        crowd = [asyncio.create_task(poller.next_observation(each, status="running")) for each in projects]
        for number in range(100):
            await asyncio.sleep(0.1)
            poller.nudge(projects[number])
        await asyncio.sleep(60)

        assert all(each.done() for each in crowd)
