"""Processes that share a journal share the work by leases.

Each item is made once, and each process learns of all items.
"""

from __future__ import annotations

import asyncio
import itertools

import pytest

from eversince_async import Eversince
from eversince_async.batch.failures import failure_to_json
from eversince_async.emulator import Emulator, Scenario
from eversince_async.errors import JournalError, ProjectFailed
from eversince_async.journal import LEASE_SECONDS, JobChange, MemoryJournal, SqliteJournal

QUICK = Scenario(queued=2, running=5, images=5, videos=5, rendering=10, cycles=1, scenes=(1, 1))
SLOW = Scenario(queued=60, running=600, images=60, videos=300, rendering=60, cycles=1, scenes=(1, 1))


@pytest.fixture
async def emulator():
    async with Emulator(scenario=QUICK.when("fails", failure=1.0)) as emulator:
        yield emulator


async def test_the_leases_of_what_is_at_work_are_renewed():
    """An item that takes many lease durations never goes to another process."""
    async with Emulator(scenario=SLOW) as emulator, Eversince(**emulator.connection) as eversince:
        first = MemoryJournal()
        async with first, MemoryJournal(first.tables) as other:
            making = asyncio.ensure_future(eversince.batch(["A film"], journal=first))
            while not making.done():
                await asyncio.sleep(LEASE_SECONDS / 4)
                job = await other.load("1")
                assert making.done() or job.lease_until is not None
                assert [] == await other.take("working")
            assert {"succeeded": 1} == (await making).counts


async def test_what_another_process_has_finished_is_told_from_the_journal(emulator, tmp_path):
    """Each of two processes reports all items, with the same public pages.

    Together they made each item once.
    """
    items = [f"Film {number}" for number in range(9)]

    async def one():
        async with SqliteJournal(tmp_path / "a.db") as journal, Eversince(**emulator.connection) as eversince:
            return await eversince.batch(items, journal=journal)

    reports = await asyncio.gather(one(), one())

    pages = [{outcome.key: outcome.share_url for outcome in report.outcomes} for report in reports]
    assert pages[0] == pages[1]
    assert 9 == len(set(pages[0].values()))
    done_here = [
        {outcome.key for outcome in report.outcomes if not outcome.is_recorded} for report in reports
    ]
    assert set() == done_here[0] & done_here[1]
    assert 9 == len(done_here[0] | done_here[1])


async def test_what_is_lost_to_another_is_dropped_without_a_word(emulator, eversince):
    """The lease is gone when the work is done.

    Nothing is written, and the other process's result is reported.
    """
    ours = MemoryJournal()
    theirs = JobChange(
        stage="failed", error=failure_to_json(ProjectFailed("theirs", project_id="p")), release=True
    )
    async with ours, MemoryJournal(ours.tables) as other:
        change = ours.change

        async def change_too_late(job_id, changes):
            if changes.stage == "succeeded":
                await ours.release(job_id)
                await other.acquire(job_id)
            return await change(job_id, changes)

        ours.change = change_too_late
        making = asyncio.ensure_future(eversince.batch(["A film"], journal=ours))
        await asyncio.sleep(100)
        assert not making.done()
        assert ("working", other.incarnation) == ((job := await other.load("1")).stage, job.owner)
        await other.change("1", theirs)

        report = await making

    (outcome,) = report.outcomes
    assert outcome.is_recorded
    assert "theirs" in str(outcome.error)


async def test_a_failed_item_is_tried_again_by_one_of_two(emulator, tmp_path):
    async with Eversince(**emulator.connection) as eversince:
        await eversince.batch(["fails"], journal=tmp_path / "a.db")
    assert 1 == emulator.world.counts["projects"]

    async def one(pause):
        await asyncio.sleep(pause)
        async with SqliteJournal(tmp_path / "a.db") as journal, Eversince(**emulator.connection) as eversince:
            return await eversince.batch(["fails"], journal=journal, retry_failed=True)

    reports = await asyncio.gather(one(1), one(1.5))

    assert [{"failed": 1}] * 2 == [report.counts for report in reports]
    assert 2 == emulator.world.counts["projects"]


async def test_nothing_stays_leased_that_was_finished_in_the_meantime(emulator, eversince):
    """Another process ends the item between the read and the lease."""
    ours = MemoryJournal()

    async with ours, MemoryJournal(ours.tables) as other:
        put = ours.put

        async def put_and_lose(*args, **kwargs):
            job = await put(*args, **kwargs)
            await other.acquire(job.id)
            await other.change(job.id, JobChange(stage="succeeded", result={}, release=True))
            return job

        ours.put = put_and_lose
        report = await eversince.batch(["A film"], journal=ours)

        assert [True] == [outcome.is_recorded for outcome in report.outcomes]
        assert (await other.load("1")).owner is None


async def test_a_journal_that_fails_ends_the_batch_once_nothing_can_be_done(emulator, eversince):
    journal = MemoryJournal()
    writes = itertools.count()

    async with journal:
        intent = journal.intent

        async def intend(*args, **kwargs):
            if next(writes) == 2:
                raise JournalError("the disk is gone")
            return await intent(*args, **kwargs)

        journal.intent = intend
        with pytest.raises(JournalError, match="the disk is gone"):
            await eversince.batch(["A film", "Another"], journal=journal)
