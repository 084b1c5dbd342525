"""Cancelled in the moment in which an end is about to be written: it is written nevertheless."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from eversince_async import Eversince, Run, pipeline
from eversince_async.emulator import Emulator, Scenario
from eversince_async.journal import SqliteJournal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

CHEAP = Scenario(queued=2, running=2, images=2, videos=2, rendering=2, cycles=1, scenes=(2, 2))


class Cancelling(SqliteJournal):
    """Cancels a task in the moment in which a given write is asked for, before its transaction begins."""

    task: asyncio.Task[Any] | None = None
    when: Callable[[str, Any], bool]

    async def change(self, job_id: str, change: Any) -> Any:
        self._cancel_at("change", change)
        return await super().change(job_id, change)

    async def done(self, effect: Any, *args: Any, **more: Any) -> Any:
        self._cancel_at("done", effect)
        return await super().done(effect, *args, **more)

    def _cancel_at(self, verb: str, what: Any) -> None:
        if self.task is not None and self.when(verb, what):
            self.task.cancel()
            self.task = None


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Cancelling]:
    async with Cancelling(tmp_path / "jobs.db") as journal:
        yield journal


@pytest.fixture
async def eversince() -> AsyncIterator[Eversince]:
    async with Emulator(scenario=CHEAP) as emulator, Eversince(**emulator.connection) as eversince:
        yield eversince


async def cancelled_at(journal: Cancelling, when: Callable[[str, Any], bool], work: Any) -> None:
    journal.when = when
    journal.task = asyncio.ensure_future(work)
    await asyncio.wait([task := journal.task])
    assert journal.task is None, "the moment never came"
    assert task.cancelled()


def is_the_end(verb: str, what: Any) -> bool:
    return verb == "change" and what.stage == "succeeded"


def is_own_step(verb: str, what: Any) -> bool:
    return verb == "done" and what.name == "own"


async def leased(journal: Cancelling) -> list[str]:
    return [job.id async for job in journal.jobs() if job.lease_until is not None]


@pipeline
async def one_step(run: Run, calls: int) -> int:
    return await run.step("own", CALLS.append, calls) or calls


CALLS: list[int] = []


async def test_a_pipeline_that_was_over_has_succeeded(eversince, journal):
    await cancelled_at(journal, is_the_end, eversince.run(one_step, 1, key="k", journal=journal))
    assert ["succeeded"] == [job.stage async for job in journal.jobs()]


async def test_a_pipeline_that_was_over_holds_no_lease(eversince, journal):
    await cancelled_at(journal, is_the_end, eversince.run(one_step, 1, key="k", journal=journal))
    assert [] == await leased(journal)


async def test_a_step_that_was_done_is_not_done_again(eversince, journal):
    CALLS.clear()
    await cancelled_at(journal, is_own_step, eversince.run(one_step, 1, key="k", journal=journal))
    await eversince.run(one_step, 1, key="k", journal=journal)
    assert [1] == CALLS
