"""Questions to people: asked once, waited for without a slot, a request or a lease."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final, Self

import attrs

from eversince_async import clock
from eversince_async.errors import ApprovalExpired, ApprovalPending, JournalError
from eversince_async.journal import Effect, Journal, Json
from eversince_async.journal.fields import Field
from eversince_async.orchestrator.desk import now
from eversince_async.pipelines import bells
from eversince_async.pipelines.calls import Call
from eversince_async.pipelines.course import Course
from eversince_async.pipelines.events import ApprovalAsked
from eversince_async.pipelines.leaving import Parked
from eversince_async.pipelines.stages import WAITING, WORKING

LOOK: Final = 3.0
"""Seconds between looks into the journal for an answer from another process: one read of a local file."""


TICK: Final = 0.01
"""Seconds between two of them at least: for less than a loop's clock resolves, no time may pass at all."""


@attrs.frozen(kw_only=True)
class Approval:
    """A question that waits for an answer.

    Attributes:
        key: The key of the pipeline.
        name: The name of the question in there.
        question: What is asked.
        show: What there is to look at, as plain values: of a production, its project, share and studio pages.
        since: When it was asked first.
        expires_at: When it is too late; None: never.
    """

    key: str
    name: str
    question: str
    show: Json
    since: datetime
    expires_at: datetime | None

    @classmethod
    def of(cls, step: Effect) -> Self:
        """From the journal."""
        return cls(
            key=step.job_id,
            name=step.name,
            question=_question(step),
            show=_shown(step),
            since=step.intent_at,
            expires_at=_expiry(step),
        )


async def waiting(journal: Journal) -> AsyncIterator[Approval]:
    """All questions that wait, of all pipelines, those of earlier begun ones first."""
    async for job in journal.jobs(WORKING, WAITING):
        for step in await journal.effects(job.id):
            if step.kind == "approval" and step.is_open:
                yield Approval.of(step)


async def answer(journal: Journal, key: str, value: Json, name: str | None) -> None:
    """Answer a question.

    Raises:
        JournalError: There is no such question, or several and no name; or it is answered or expired.
    """
    if name is None:
        name = await _only_question(journal, key)
    await journal.answer(key, name, value)
    bells.ring(journal, key)


async def _only_question(journal: Journal, key: str) -> str:
    asked = [step.name for step in await journal.effects(key) if step.kind == "approval" and step.is_open]
    if len(asked) == 1:
        return asked[0]
    if asked:
        raise JournalError(f"{key!r} waits for several answers: name one of {', '.join(map(repr, asked))}")
    job = await journal.load(key)
    stands = "there is no such key in the journal" if job is None else f"its stage is {job.stage!r}"
    raise JournalError(f"{key!r} waits for no answer: {stands}")


async def approved(course: Course, call: Call, patience: float | None) -> Json:
    """Ask, unless that is done, and wait for the answer.

    Raises:
        ApprovalExpired: Nobody answered in time.
    """
    step = course.known(call)
    if step is None or step.state == "refused":
        async with course.at_work():
            step = await course.begun(call, step, timeout=patience)
    if step.is_open:
        _tell(course, call, step)
        await _answer_or_expiry(course, step)
        async with course.at_work():
            step = await _read(course, step)
            if step.is_open:
                expired = ApprovalExpired(call.arguments["question"], key=course.key, step=call.name)
                await course.failed(step, expired)
                raise expired
        course.ends(call)
    else:
        course.ends(call, remembered=True)
    return step.result


def _tell(course: Course, call: Call, step: Effect) -> None:
    course.manner.emit(
        ApprovalAsked(
            at=now(),
            project_id=None,
            step=call.name,
            question=call.arguments["question"],
            show=_shown(step),
        )
    )


async def _answer_or_expiry(course: Course, step: Effect) -> None:
    """Wait until somebody has answered, or it is too late; meanwhile the lease is anybody's."""
    timeout = _patience(step)
    remaining = None if timeout is None else clock.Remaining(timeout, step.intent_moment, step.intent_at)
    with bells.heard(course.journal, course.key) as bell:
        while (await _read(course, step)).is_open:
            left = LOOK if remaining is None else remaining.seconds()
            if left <= 0:
                return
            if not course.manner.waits:
                course.leave(Parked(ApprovalPending(_question(step), key=course.key, step=step.name)))
            await course.rest(f"it waits for an answer: {_question(step)}")
            await _rung(bell, max(TICK, min(LOOK, left)))


async def _rung(bell: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
    except TimeoutError:
        pass
    bell.clear()


async def _read(course: Course, step: Effect) -> Effect:
    there = await course.journal.effect(course.key, step.name)
    if there is None:
        raise JournalError(f"{step.name!r} of {course.key!r} has vanished from the journal")
    return there


def _expiry(step: Effect) -> datetime | None:
    timeout = _patience(step)
    try:
        return None if timeout is None else step.intent_at + timedelta(seconds=timeout)
    except OverflowError:  # after all calendars
        return None


def _patience(step: Effect) -> float | None:
    timeout = Field.of(step, "request").get("timeout")
    return None if timeout is None else timeout.number()


def _question(step: Effect) -> str:
    return Field.of(step, "request")["arguments"]["question"].text_or_none() or ""


def _shown(step: Effect) -> Json:
    return Field.of(step, "request")["show"].value
