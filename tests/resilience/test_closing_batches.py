"""Closing a client while a batch is at work: it is left, waited for, or cancelled, as productions are."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from eversince_async import ClientClosed, Eversince
from eversince_async.emulator import Emulator, Scenario

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ITEMS = [f"Film {number}" for number in range(12)]


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(scenario=Scenario(walk={"queued": 10, "running": 50}, rendering=20)) as emulator:
        yield emulator


async def under_way(eversince: Eversince, seconds: float = 30, **options: Any) -> asyncio.Task[Any]:
    """A batch with five projects at work."""

    async def outcome() -> Any:
        try:
            return await eversince.batch(ITEMS, **options)
        except ClientClosed as closed:
            return closed

    task = asyncio.create_task(outcome())
    await asyncio.sleep(seconds)
    return task


def statuses(emulator: Emulator) -> list[str]:
    return [project.status for project in emulator.world.projects.values() if not project.studio]


async def test_who_awaits_a_batch_is_told_and_what_has_begun_is_handed_out(
    emulator: Emulator, eversince: Eversince
) -> None:
    """Also what waits for a slot: it is created by whoever takes it up."""
    batch = await under_way(eversince)
    left = await eversince.aclose()

    assert "the client was closed while this was waited for" == str(await batch)
    assert not eversince._transport.is_open
    assert ["running"] * 5 == statuses(emulator)
    assert 5 == len([handle for handle in left if handle.project_id is not None])
    async with Eversince(**emulator.connection) as another:
        await asyncio.gather(*(another.resume(handle) for handle in left))
    assert ["idle"] * len(left) == statuses(emulator)


async def test_what_a_journal_remembers_is_gone_on_with_by_the_same_batch(
    emulator: Emulator, eversince: Eversince, tmp_path: Path
) -> None:
    """So it is not handed out, or it might be done twice."""
    batch = await under_way(eversince, journal=tmp_path / "films.db")

    assert () == await eversince.aclose()
    assert isinstance(await batch, ClientClosed)
    async with Eversince(**emulator.connection) as another:
        report = await another.batch(ITEMS, journal=tmp_path / "films.db")
    assert {"succeeded": 12} == report.counts
    assert 12 == emulator.world.counts["projects"] == emulator.world.counts["renders"]


async def test_draining_ends_what_has_begun_and_begins_nothing(
    emulator: Emulator, eversince: Eversince
) -> None:
    batch = await under_way(eversince)

    assert () == await eversince.aclose(productions="drain")
    report = await batch
    assert 5 == report.counts["succeeded"]
    assert "drained" in report.paused
    assert ["idle"] * 5 == statuses(emulator)
    assert not eversince._transport.is_open


async def test_draining_leaves_what_takes_too_long(emulator: Emulator, eversince: Eversince) -> None:
    batch = await under_way(eversince)
    left = await eversince.aclose(productions="drain", drain_timeout=10)

    assert isinstance(await batch, ClientClosed)
    assert 5 == len([handle for handle in left if handle.project_id is not None])


@pytest.mark.parametrize("journal", [False, True], ids=["no journal", "journal"])
async def test_cancelling_stops_what_is_at_work(
    emulator: Emulator, eversince: Eversince, tmp_path: Path, *, journal: bool
) -> None:
    batch = await under_way(eversince, journal=tmp_path / "films.db" if journal else None)
    left = await eversince.aclose(productions="cancel")

    assert isinstance(await batch, ClientClosed)
    assert ["cancelled"] * 5 == statuses(emulator)
    assert [] == [handle for handle in left if handle.project_id is not None]


async def test_who_follows_the_outcomes_gets_those_there_were(
    emulator: Emulator, eversince: Eversince
) -> None:
    seen = Counter[str]()

    async def follow() -> None:
        async with eversince.batch(ITEMS, render=None, share=False) as batch:
            async for outcome in batch:
                seen[outcome.status] += 1

    following = asyncio.create_task(follow())
    await asyncio.sleep(100)
    await eversince.aclose()

    with pytest.raises(ClientClosed):
        await following
    assert {"succeeded": 5} == seen
