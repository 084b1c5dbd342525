"""Two processes on one journal: neither adopts the other's pending effects.

A process is a client and an opened journal of its own, here in one event loop.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from eversince_async import Eversince
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import Latency, Stall
from eversince_async.journal import SqliteJournal

if TYPE_CHECKING:
    from eversince_async.batch.report import Report

FAST = Scenario(queued=2, running=5, images=5, videos=10, rendering=10, cycles=1, scenes=(1, 1))
SHARE = "/projects/*/share"


@pytest.fixture
async def emulator():
    async with Emulator(scenario=FAST.when("slow", rendering=40), studio_projects=False) as emulator:
        yield emulator


async def process(emulator: Emulator, path: Any, *keys: str) -> Report:
    """Run one process that makes the items with these keys."""
    async with AsyncExitStack() as stack:
        eversince = await stack.enter_async_context(Eversince(**emulator.connection))
        journal = await stack.enter_async_context(SqliteJournal(path))
        items = [{"key": key, "brief": f"Film {key}"} for key in keys]
        return await eversince.batch(items, journal=journal, drain_on_interrupt=False)


def shared_briefs(emulator: Emulator) -> dict[str, str]:
    """Return the brief of each share's project, by the share's token."""
    return {token: project.brief for token, (_, project) in emulator.world.shares.items()}


async def test_a_share_in_doubt_is_not_taken_for_one_under_way_elsewhere(emulator, tmp_path):
    """Shares are made one at a time, across all processes.

    The list of shares names no project.
    """
    path = tmp_path / "campaign.db"
    emulator.faults.once("POST", SHARE, Stall())  # the request never arrives
    dying = asyncio.create_task(process(emulator, path, "a"))
    other = asyncio.create_task(process(emulator, path, "slow"))
    while emulator.faults.pending:
        await asyncio.sleep(0.1)
    dying.cancel()
    await asyncio.wait([dying])
    emulator.faults.once("POST", SHARE, Latency(seconds=50, after_commit=True))
    reports = await asyncio.gather(process(emulator, path, "a"), other)

    shares = shared_briefs(emulator)
    assert ["Film a", "Film slow"] == sorted(shares.values())
    for report in reports:
        (outcome,) = report.outcomes
        assert "succeeded" == outcome.status, outcome.error
        assert f"Film {outcome.key}" == shares[outcome.share_url.rpartition("/")[2]]
