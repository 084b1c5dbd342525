"""A run cancelled during any wait can be continued at once."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest

from eversince_async import Eversince, JournalError, Run, pipeline
from eversince_async.emulator import Emulator
from eversince_async.journal import SqliteJournal
from helpers.pipeline_runs import QUICK, TIKTOK, campaign, counts, one_film, question, said

ENDED: list[str] = []


async def slow() -> None:
    try:
        await asyncio.sleep(100)
    finally:
        ENDED.append("slow")


@pipeline
async def gathering(run: Run) -> None:
    await run.gather(run.step("one", slow), run.step("two", slow), run.approval("go on?"))


@pipeline
async def sleeping(run: Run) -> None:
    await run.sleep(1000)


@pipeline
async def tidying(run: Run) -> None:
    try:
        await run.approval("ship it?")
    finally:
        ENDED.append("tidied")


def begin(eversince: Eversince, journal: Any, made: Any, *args: Any) -> asyncio.Task[Any]:
    async def run() -> Any:
        return await eversince.run(made, *args, key="mug", journal=journal)

    return asyncio.create_task(run())


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def owner_of(journal: Any) -> str | None:
    async with SqliteJournal(journal) as opened:
        job = await opened.load("mug")
    return None if job is None else job.owner


@pytest.fixture(autouse=True)
def nothing_ended() -> None:
    ENDED.clear()


async def test_at_every_few_seconds_of_a_campaign(emulator, journal, photo):
    """Each run is cancelled a little later than the one before."""
    async with Eversince(**emulator.connection) as eversince:
        for seconds in range(1, 60, 3):
            running = begin(eversince, journal, campaign, "A film", photo)
            await asyncio.sleep(seconds)
            if running.done():
                break
            await cancelled(running)
            assert await owner_of(journal) is None
            if await eversince.approvals(journal=journal):
                await eversince.approve("mug", journal=journal)
        made = await eversince.run(campaign, "A film", photo, key="mug", journal=journal)

    assert {"projects": 1, "renders": 2, "shares": 2} == counts(emulator)
    assert [TIKTOK, "Switch to variation var_002"] == said(emulator, made.master.project_id)


async def test_waiting_for_a_slot(journal):
    """The governor keeps nothing of the cancelled run."""
    scenario = attrs.evolve(QUICK, videos=1000)
    async with Emulator(scenario=scenario) as emulator, Eversince(**emulator.connection) as eversince:
        others = [asyncio.ensure_future(_produced(eversince)) for _ in range(5)]
        await asyncio.sleep(30)
        running = begin(eversince, journal, one_film, "A film")
        await asyncio.sleep(30)
        await cancelled(running)
        waiting = eversince.governor.snapshot().slots.waiting
        for other in others:
            other.cancel()
        await asyncio.wait(others)

    assert not waiting


async def _produced(eversince: Eversince) -> object:
    return await eversince.produce("Another film")


@pytest.mark.parametrize("made", [question, sleeping])
async def test_waiting_for_a_person_or_a_time(eversince, journal, made):
    running = begin(eversince, journal, made)
    await asyncio.sleep(30)
    await cancelled(running)

    async with SqliteJournal(journal) as opened:
        job = await opened.load("mug")
    assert (None, "waiting") == (job.owner, job.stage)


async def test_all_that_is_gathered_ends_before_it_does(eversince, journal):
    running = begin(eversince, journal, gathering)
    await asyncio.sleep(30)
    await cancelled(running)

    assert ["slow", "slow"] == ENDED


async def test_the_functions_own_cleaning_up_is_done(eversince, journal):
    running = begin(eversince, journal, tidying)
    await asyncio.sleep(30)
    await cancelled(running)

    assert ["tidied"] == ENDED


async def test_waiting_for_another_that_works_on_it(emulator, eversince, journal):
    """Cancelling the waiter does not affect the other run."""
    first = begin(eversince, journal, one_film, "A film")
    await asyncio.sleep(5)
    async with Eversince(**emulator.connection) as other:
        second = begin(other, journal, one_film, "A film")
        await asyncio.sleep(5)
        await cancelled(second)

    assert (await first).share_url is not None


async def test_a_lease_that_runs_out_ends_a_run_that_was_not_at_work(emulator, eversince, journal):
    """The first process cannot renew its lease, like a computer that sleeps.

    It leaves the pipeline to the process that took it over, and awaits that process's result.
    """
    async with SqliteJournal(journal) as asleep, SqliteJournal(journal) as awake:
        running = begin(eversince, asleep, slow_film)
        await asyncio.sleep(5)
        renewing, asleep.renew = asleep.renew, _asleep
        await asyncio.sleep(200)
        other = begin(eversince, awake, slow_film)
        await asyncio.sleep(100)
        asleep.renew = renewing
        first, second = await asyncio.gather(running, other)

    assert first == second
    assert ["pause", "pause", "stopped"] == ENDED


async def _asleep(*_: object) -> frozenset[str]:
    raise JournalError("the computer sleeps")


async def pause() -> int:
    ENDED.append("pause")
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        ENDED.append("stopped")
        raise
    return len(ENDED)


@pipeline
async def slow_film(run: Run) -> int:
    return await run.step("pause", pause)
