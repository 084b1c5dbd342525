"""Batches and pipelines cancelled wherever they wait: their jobs are free, and nothing is made twice."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from eversince_async import ApprovalExpired, Limits, Run, pipeline
from eversince_async.journal import JobChange, MemoryJournal, SqliteJournal
from helpers.interruptions import Scene, When, at_every_wait, no_lease_is_left

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

EVERY = pytest.mark.parametrize("when", When, ids=lambda when: when.name.lower())
KINDS = pytest.mark.parametrize("kind", ["memory", "sqlite"])


def journal_of(kind: str, folder: Path, scene: Scene) -> Any:
    return MemoryJournal() if kind == "memory" else SqliteJournal(folder / f"{scene.nth}.db")


@EVERY
async def test_a_batch(when: When, tmp_path: Path) -> None:
    """Whoever is cancelled leaves no lease, and the same batch makes what is left, and nothing twice."""

    async def prepare(scene: Scene) -> None:
        scene.notes.append(await journal_of("sqlite", tmp_path, scene).__aenter__())

    async def act(scene: Scene) -> None:
        await scene.eversince.batch(["One", "Two"], journal=scene.notes[0])

    async for scene in at_every_wait(act, when, prepare=prepare, limits=Limits(active_projects=1), stride=5):
        journal = scene.notes[0]
        await no_lease_is_left(journal, scene)
        if scene.nth % 4 == 0:
            report = await scene.eversince.batch(["One", "Two"], journal=journal)
            assert {"succeeded": 2} == report.counts
            counts = scene.emulator.world.counts
            assert (2, 2, 2) == (counts["projects"], counts["renders"], counts["shares"])
        await journal.aclose()


@EVERY
async def test_a_batch_that_opens_its_journal_itself(when: When, tmp_path: Path) -> None:
    """It is closed, too, and free for whoever opens it next."""

    async def act(scene: Scene) -> None:
        await scene.eversince.batch(["One"], journal=tmp_path / f"{scene.nth}.db", share=False)

    async for scene in at_every_wait(act, when, stride=5):
        async with SqliteJournal(tmp_path / f"{scene.nth}.db") as journal:
            await no_lease_is_left(journal, scene)


@pytest.mark.parametrize("when", [When.ANYWHERE, When.TWICE], ids=["anywhere", "twice"])
async def test_a_batch_that_tries_failed_items_again(when: When, tmp_path: Path) -> None:
    """Also between the lease of a failed job and its new beginning."""

    async def prepare(scene: Scene) -> None:
        journal = await journal_of("sqlite", tmp_path, scene).__aenter__()
        scene.notes.append(journal)
        await scene.eversince.batch(["One"], journal=journal, render=None, share=False)
        error = {"type": "InternalError", "message": "it failed"}
        await journal.acquire("1")
        await journal.change("1", JobChange(stage="failed", error=error, release=True))

    async def act(scene: Scene) -> None:
        batch = scene.eversince.batch(
            ["One"], journal=scene.notes[0], render=None, share=False, retry_failed=True
        )
        await batch

    stages = set()
    async for scene in at_every_wait(act, when, prepare=prepare):
        journal = scene.notes[0]
        await no_lease_is_left(journal, scene)
        stages |= {job.stage async for job in journal.jobs()}
        await journal.aclose()
    assert {"failed", "working", "succeeded"} == stages


@EVERY
async def test_a_batch_that_is_left_while_it_drains(when: When) -> None:
    """The block is cancelled while what has begun is brought to its end."""

    async def act(scene: Scene) -> None:
        async with scene.eversince.batch(["One", "Two"], share=False) as batch:
            async for _ in batch:
                batch.drain()

    async for _ in at_every_wait(act, when, limits=Limits(active_projects=1), stride=3):
        pass


@pipeline
async def campaign(run: Run, brief: str) -> str:
    first, second = await run.gather(
        run.produce(brief, name="first", share=False), run.produce(brief, name="second", share=False)
    )
    await run.sleep(130)
    vertical = await run.variation(first, "Create a 9:16 version for TikTok")
    await run.step("own", len, brief)
    return f"{vertical.project_id} {second.project_id}"


@EVERY
async def test_a_pipeline(when: When, tmp_path: Path) -> None:
    async def prepare(scene: Scene) -> None:
        scene.notes.append(await journal_of("sqlite", tmp_path, scene).__aenter__())

    async def act(scene: Scene) -> None:
        await scene.eversince.run(campaign, "A film", key="k", journal=scene.notes[0])

    async for scene in at_every_wait(act, when, prepare=prepare, stride=11):
        journal = scene.notes[0]
        await no_lease_is_left(journal, scene)
        if scene.nth % 5 == 0:
            await scene.eversince.run(campaign, "A film", key="k", journal=journal)
            counts = scene.emulator.world.counts
            assert (2, 2) == (counts["projects"], counts["renders"])
        await journal.aclose()


@pipeline
async def asking(run: Run, brief: str) -> bool:
    answer: bool = await run.approval("ship it?", timeout=30)
    return answer


@EVERY
@KINDS
async def test_a_pipeline_that_waits_for_a_person(when: When, kind: str, tmp_path: Path) -> None:
    """It lets go of its lease and takes it again; wherever that is cancelled, nobody has it."""

    async def prepare(scene: Scene) -> None:
        scene.notes.append(await journal_of(kind, tmp_path, scene).__aenter__())

    async def act(scene: Scene) -> None:
        with suppress(ApprovalExpired):
            await scene.eversince.run(asking, "A film", key="k", journal=scene.notes[0])

    async for scene in at_every_wait(act, when, prepare=prepare):
        await no_lease_is_left(scene.notes[0], scene)
        await scene.notes[0].aclose()


@EVERY
async def test_a_batch_of_pipelines(when: When, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.eversince.batch(["A film"], pipeline=campaign, journal=tmp_path / f"{scene.nth}.db")

    async for scene in at_every_wait(act, when, stride=13):
        async with SqliteJournal(tmp_path / f"{scene.nth}.db") as journal:
            await no_lease_is_left(journal, scene)
