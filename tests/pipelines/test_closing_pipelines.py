"""A client that closes leaves its pipelines in the journal.

This holds for any outcome of the projects.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from eversince_async import ClientClosed, Eversince, ProjectCancelled, Run, pipeline
from eversince_async.emulator import Emulator, Scenario

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pipeline
async def campaign(run: Run, brief: str) -> str:
    first, second = await run.gather(run.produce(brief, name="first"), run.produce(brief, name="second"))
    return f"{first.share_url} {second.share_url}"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(scenario=Scenario(walk={"queued": 10, "running": 50}, rendering=20)) as emulator:
        yield emulator


async def under_way(eversince: Eversince, journal: Path, *, in_batch: bool) -> asyncio.Task[Any]:
    async def outcome() -> Any:
        try:
            if in_batch:
                return await eversince.batch(["A film"], pipeline=campaign, journal=journal)
            return await eversince.run(campaign, "A film", key="mug", journal=journal)
        except ClientClosed as closed:
            return closed

    task = asyncio.create_task(outcome())
    await asyncio.sleep(30)
    return task


def statuses(emulator: Emulator) -> list[str]:
    return [project.status for project in emulator.world.projects.values() if not project.studio]


@pytest.mark.parametrize("in_batch", [False, True], ids=["alone", "in a batch"])
async def test_it_is_left_and_gone_on_with(
    emulator: Emulator, eversince: Eversince, tmp_path: Path, *, in_batch: bool
) -> None:
    task = await under_way(eversince, tmp_path / "j.db", in_batch=in_batch)

    assert () == await eversince.aclose()
    assert isinstance(await task, ClientClosed)
    assert ["running", "running"] == statuses(emulator)
    async with Eversince(**emulator.connection) as another:
        await (await under_way(another, tmp_path / "j.db", in_batch=in_batch))
    assert 2 == emulator.world.counts["projects"] == emulator.world.counts["renders"]


@pytest.mark.parametrize("in_batch", [False, True], ids=["alone", "in a batch"])
async def test_its_projects_are_cancelled_if_that_is_wished(
    emulator: Emulator, eversince: Eversince, tmp_path: Path, *, in_batch: bool
) -> None:
    task = await under_way(eversince, tmp_path / "j.db", in_batch=in_batch)

    assert () == await eversince.aclose(productions="cancel")
    assert isinstance(await task, ClientClosed)
    assert ["cancelled", "cancelled"] == statuses(emulator)
    if not in_batch:
        async with Eversince(**emulator.connection) as another:
            with pytest.raises(ProjectCancelled):
                await another.run(campaign, "A film", key="mug", journal=tmp_path / "j.db")
