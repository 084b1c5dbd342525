"""No outcome or failure is lost by draining, cancelling or leaving."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from eversince_async import (
    Eversince,
    JournalError,
    Limits,
    Run,
    SleepPending,
    UnexpectedCancellation,
    pipeline,
)
from eversince_async.emulator import Emulator, Scenario
from eversince_async.journal import MemoryJournal, SqliteJournal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

QUICK = Scenario(queued=2, running=5, images=5, videos=5, rendering=10, cycles=1, scenes=(1, 1))


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(scenario=QUICK) as emulator:
        yield emulator


# -- Outcomes ---------------------------------------------------------------------------------------------


async def test_draining_tells_the_outcome_of_every_item_that_was_taken(eversince: Eversince) -> None:
    """This holds even if the caller takes outcomes slowly.

    No item waits for room at a point where it could be cancelled.
    """
    unreadable = [{"nonsense": number} for number in range(300)]
    async with eversince.batch(unreadable, concurrency=10) as batch:
        await asyncio.sleep(1)
        taken = batch.progress.items_read
        batch.drain()
        batch.drain()
        outcomes = [outcome async for outcome in batch]

    assert taken == len(outcomes) == batch.report.counts["failed"]
    assert 300 - taken == batch.report.left


async def test_who_takes_no_outcomes_holds_up_the_intake(eversince: Eversince) -> None:
    def endless() -> Iterator[dict[str, int]]:
        number = 0
        while True:
            number += 1
            yield {"nonsense": number}

    async with eversince.batch(endless(), concurrency=10) as batch:
        await asyncio.sleep(10)
        taken = batch.progress.items_read
        outcomes = [await anext(batch) for _ in range(50)]
        await asyncio.sleep(10)

        assert 100 <= taken <= 110
        assert taken + len(outcomes) == batch.progress.items_read


async def test_draining_twice_tells_of_an_item_that_is_just_giving_its_lease_back(
    emulator: Emulator, tmp_path: Path
) -> None:
    async with (
        Eversince(**emulator.connection, limits=Limits(active_projects=1)) as eversince,
        eversince.batch(["One", "Two"], journal=tmp_path / "j.db") as batch,
    ):
        await asyncio.sleep(1)
        for _ in range(5):
            batch.drain()
            await asyncio.sleep(0)
        outcomes = [outcome async for outcome in batch]

    assert ["paused", "succeeded"] == sorted(outcome.status for outcome in outcomes)


async def test_a_source_without_a_length_tells_how_many_of_its_items_were_left(eversince: Eversince) -> None:
    async with eversince.batch(({"nonsense": n} for n in range(300)), concurrency=10) as batch:
        await asyncio.sleep(1)
        taken = batch.progress.items_read
        batch.drain()
        _ = [outcome async for outcome in batch]

    assert 1 == batch.report.left  # the item that was read and found no room
    assert taken == batch.report.counts["failed"]


async def test_a_timeout_around_a_step_does_not_end_the_iteration(eversince: Eversince) -> None:
    """Each outcome comes once for any number of timeouts."""
    keys = []
    async with eversince.batch(["One", "Two", "Three"]) as batch:
        outcomes = aiter(batch)
        while True:
            try:
                async with asyncio.timeout(0.5):
                    keys.append((await anext(outcomes)).key)
            except TimeoutError:
                continue
            except StopAsyncIteration:
                break

    assert ["1", "2", "3"] == sorted(keys)


@pytest.mark.parametrize("rounds", range(1, 12))
async def test_an_outcome_that_comes_in_the_moment_of_the_cancellation_is_not_lost(
    eversince: Eversince, rounds: int
) -> None:
    async with eversince.batch([{"nonsense": 1}]) as batch:
        taking = asyncio.ensure_future(anext(batch))
        for _ in range(rounds):
            await asyncio.sleep(0)
        taking.cancel()
        await asyncio.wait([taking])
        first = [] if taking.cancelled() else [taking.result()]
        rest = [outcome async for outcome in batch]

    assert 1 == len(first + rest)


# -- Unexpected cancellations -------------------------------------------------------------------------------


async def rows_cut_off() -> AsyncIterator[dict[str, int]]:
    """Yield rows as from a connection that closes during a wait."""
    yield {"nonsense": 1}
    reader = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    reader.cancel()
    await reader
    yield {"nonsense": 2}


def rows_cancelled() -> Iterator[dict[str, int]]:
    yield {"nonsense": 1}
    raise asyncio.CancelledError


@pytest.mark.parametrize("rows", [rows_cut_off, rows_cancelled])
async def test_a_source_that_ends_with_a_cancellation_is_not_taken_for_finished(
    eversince: Eversince, rows: Any
) -> None:
    with pytest.raises(UnexpectedCancellation, match="the source of items"):
        await eversince.batch(rows())


async def test_what_had_begun_by_then_is_brought_to_its_end(emulator: Emulator, eversince: Eversince) -> None:
    async def rows() -> AsyncIterator[str]:
        yield "A film"
        await asyncio.sleep(3)
        raise asyncio.CancelledError

    async with eversince.batch(rows()) as batch:
        outcome = await anext(batch)
        with pytest.raises(UnexpectedCancellation):
            await anext(batch)

    assert "succeeded" == outcome.status


@pipeline
async def film_cut_off(run: Run, brief: str) -> str:
    if brief == "cut off":
        raise asyncio.CancelledError
    return brief


async def test_an_item_that_is_cut_off_has_an_outcome_and_can_be_gone_on_with(
    eversince: Eversince, tmp_path: Path
) -> None:
    items = ["cut off", "another"]
    report = await eversince.batch(items, pipeline=film_cut_off, journal=tmp_path / "j.db")

    assert ["paused", "succeeded"] == [each.status for each in sorted(report.outcomes, key=lambda o: o.index)]
    (error,) = [outcome.error for outcome in report.outcomes if outcome.error]
    assert isinstance(error, UnexpectedCancellation)
    async with SqliteJournal(tmp_path / "j.db") as journal:
        job = await journal.load("1")
    assert job is not None
    assert ("working", None) == (job.stage, job.lease_until)


# -- Failures -----------------------------------------------------------------------------------------------


class FullDisk(MemoryJournal):
    """A journal that cannot be written."""

    async def put(self, *_: Any, **__: Any) -> Any:
        raise JournalError("the disk is full")


async def test_leaving_a_block_that_nobody_followed_raises_what_the_batch_has_failed_of(
    eversince: Eversince,
) -> None:
    async with FullDisk() as journal:
        with pytest.raises(JournalError, match="the disk is full"):
            async with eversince.batch(["A film"], journal=journal):
                await asyncio.sleep(60)


async def test_so_it_does_while_other_items_are_still_at_work(eversince: Eversince) -> None:
    """This holds even if the batch itself has not ended yet."""

    class FullLater(MemoryJournal):
        async def put(self, job_id: str, *rest: Any, **more: Any) -> Any:
            if job_id == "2":
                raise JournalError("the disk is full")
            return await super().put(job_id, *rest, **more)

    async with FullLater() as journal:
        with pytest.raises(JournalError, match="the disk is full"):
            async with eversince.batch(["A film", "Another"], journal=journal):
                await asyncio.sleep(1)


async def test_an_error_that_leaves_the_block_notes_what_the_batch_has_failed_of(
    eversince: Eversince,
) -> None:
    async def block() -> None:
        async with FullDisk() as journal, eversince.batch(["A film"], journal=journal):
            await asyncio.sleep(60)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        await block()
    assert "the disk is full" in caught.value.__notes__[0]


async def test_who_was_told_while_following_is_not_told_again(eversince: Eversince) -> None:
    async with FullDisk() as journal, eversince.batch(["A film"], journal=journal) as batch:
        with pytest.raises(JournalError):
            _ = [outcome async for outcome in batch]


async def test_each_who_follows_a_batch_gets_an_error_of_his_own(eversince: Eversince) -> None:
    async with FullDisk() as journal, eversince.batch(["A film"], journal=journal) as batch:
        steps = [asyncio.ensure_future(anext(batch)) for _ in range(3)]
        await asyncio.wait(steps)
        errors = {id(step.exception()) for step in steps}

    assert 3 == len(errors)


# -- Draining comes to an end -----------------------------------------------------------------------------


@pipeline
async def film_then_reminder(run: Run, brief: str, pause: float) -> str:
    film = await run.produce(brief, render=None, share=False)
    await run.sleep(pause)
    return film.project_id


async def test_a_pipeline_that_sleeps_for_long_is_paused_and_gone_on_with(
    emulator: Emulator, eversince: Eversince, tmp_path: Path
) -> None:
    items, loop = [("A film", 7200.0)], asyncio.get_running_loop()
    async with eversince.batch(items, pipeline=film_then_reminder, journal=tmp_path / "j.db") as batch:
        await asyncio.sleep(300)
        began = loop.time()
        batch.drain()
        (outcome,) = [outcome async for outcome in batch]

    assert loop.time() - began < 10
    assert "paused" == outcome.status
    assert isinstance(outcome.error, SleepPending)
    assert outcome.error.until - outcome.began_at > timedelta(hours=2)
    report = await eversince.batch(items, pipeline=film_then_reminder, journal=tmp_path / "j.db")
    assert {"succeeded": 1} == report.counts
    assert 1 == emulator.world.counts["projects"]


async def test_a_short_pause_is_waited_for(eversince: Eversince, tmp_path: Path) -> None:
    items = [("A film", 100.0)]
    async with eversince.batch(items, pipeline=film_then_reminder, journal=tmp_path / "j.db") as batch:
        await asyncio.sleep(60)
        batch.drain()
        (outcome,) = [outcome async for outcome in batch]

    assert "succeeded" == outcome.status


@pipeline
async def asks_again_and_again(run: Run) -> None:
    while True:
        await run.sleep(100)


async def test_many_short_pauses_are_not_waited_for_for_ever(eversince: Eversince, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    batch = eversince.batch([()], pipeline=asks_again_and_again, journal=tmp_path / "j.db")
    async with batch:
        await asyncio.sleep(350)
        began = loop.time()
        batch.drain()
        (outcome,) = [outcome async for outcome in batch]

    assert "paused" == outcome.status
    assert loop.time() - began < 130


class Unusual(BaseException):
    """An exception that is no `Exception`, as of a failing test."""


@pipeline
async def fails_unusually(run: Run, brief: str) -> str:
    film = await run.produce(brief, render=None, share=False)
    if brief == "One":
        raise Unusual(brief)
    return film.project_id


@pytest.mark.parametrize("is_followed", [True, False])
async def test_what_is_no_exception_is_raised_once_the_others_have_ended(
    eversince: Eversince, *, is_followed: bool
) -> None:
    """The caller that follows or leaves the batch receives it.

    The item can be resumed at once.
    """
    async with MemoryJournal() as journal:
        batch = eversince.batch([("One",), ("Two",)], pipeline=fails_unusually, journal=journal)

        async def run() -> None:
            async with batch:
                if is_followed:
                    assert ["succeeded"] == [outcome.status async for outcome in batch]
                await asyncio.sleep(1000)

        with pytest.raises(Unusual, match="One"):
            await run()

        assert {"succeeded": 1} == batch.report.counts
        assert [] == [job.id async for job in journal.jobs() if job.lease_until is not None]


async def test_a_batch_that_stops_by_itself_does_not_wait_for_sleepers_either(
    emulator: Emulator, tmp_path: Path
) -> None:
    """A batch that stops by itself drains as well."""

    async def items() -> AsyncIterator[tuple[str, float]]:
        for brief in ("One", "Two", "Three"):
            yield brief, 7200.0
            await asyncio.sleep(200)

    async with Eversince(**emulator.connection) as eversince:
        loop = asyncio.get_running_loop()
        began = loop.time()
        report = await eversince.batch(
            items(), pipeline=film_then_reminder, journal=tmp_path / "j.db", max_credits=1
        )

    assert loop.time() - began < 3600
    assert "credits are spent" in (report.paused or "")
    assert {"paused"} == {outcome.status for outcome in report.outcomes}


async def test_an_item_that_waits_for_tomorrow_is_not_waited_for(emulator: Emulator, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with (
        Eversince(**emulator.connection, limits=Limits(renders_per_day=1)) as eversince,
        eversince.batch(["One", "Two"], journal=tmp_path / "j.db") as batch,
    ):
        await asyncio.sleep(1000)
        began = loop.time()
        batch.drain()
        outcomes = [outcome async for outcome in batch]
    assert loop.time() - began < 10
    assert ["paused", "succeeded"] == sorted(outcome.status for outcome in outcomes)
    async with SqliteJournal(tmp_path / "j.db") as journal:
        (left,) = [job async for job in journal.jobs("working")]
    assert left.lease_until is None


async def test_one_that_comes_to_wait_for_tomorrow_after_the_drain_is_let_go_then(
    emulator: Emulator, tmp_path: Path
) -> None:
    loop = asyncio.get_running_loop()
    async with (
        Eversince(**emulator.connection, limits=Limits(renders_per_day=1)) as eversince,
        eversince.batch(["One", "Two"], journal=tmp_path / "j.db") as batch,
    ):
        await asyncio.sleep(8)
        began = loop.time()
        batch.drain()
        outcomes = [outcome async for outcome in batch]
    assert loop.time() - began < 1000
    assert ["paused", "succeeded"] == sorted(outcome.status for outcome in outcomes)
