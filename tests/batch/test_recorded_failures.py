"""Failures that a journal recorded under earlier names of their classes."""

from __future__ import annotations

import attrs
import pytest

from eversince_async import errors
from eversince_async.batch.outcome import failure_of
from eversince_async.durable import failures
from eversince_async.journal import Job, MemoryJournal
from eversince_async.journal.fields import Field

OLDER = ["AnswerTimedOut", "EarlierFailure", "NotAllowedNow", "NotStorable", "QuotaSpent", "UnreadableAnswer"]


async def failed(kind: str) -> Job:
    async with MemoryJournal() as journal:
        job = await journal.put("mug", {})
    return attrs.evolve(job, stage="failed", error={"type": kind, "message": "it broke"})


@pytest.mark.parametrize("name", OLDER)
async def test_an_item_that_failed_of_one_tells_its_present_name(name):
    failure = failure_of(await failed(name))

    assert failures.current_name(name) == failure.kind
    assert hasattr(errors, failure.kind)


@pytest.mark.parametrize("name", OLDER)
async def test_a_step_that_failed_of_one_tells_its_present_name(name):
    failure = failures.failure_from_json(Field.of(await failed(name), "error"))

    assert failures.current_name(name) == failure.kind


def test_a_name_that_is_still_in_use_stays():
    assert "ProjectFailed" == failures.current_name("ProjectFailed")
