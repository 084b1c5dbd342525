"""Questions to people, awaited without a slot, a request or a lease."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final, Self

import attrs

from eversince_async import clock
from eversince_async.durable.api import loop_time
from eversince_async.durable.lease import Suspended
from eversince_async.durable.status import RUNNING, WAITING
from eversince_async.errors import ApprovalExpired, ApprovalPending, JournalError
from eversince_async.journal import Effect, Journal, Json
from eversince_async.journal.fields import Field
from eversince_async.pipelines import signals
from eversince_async.pipelines.branches import StepCall
from eversince_async.pipelines.events import ApprovalRequested
from eversince_async.pipelines.steps import StepExecutor

POLL_INTERVAL: Final = 3.0
"""Seconds between two reads of the journal for an answer that another process has written.

Each is one read of a local file.
"""


TICK: Final = 0.01
"""Seconds between two of these reads at least.

No time at all may pass in a wait that is shorter than the resolution of the event loop's clock.
"""


@attrs.frozen(kw_only=True)
class Approval:
    """A question that waits for an answer.

    Attributes:
        key: The key of the pipeline.
        name: The name of the question within the pipeline.
        question: The text of the question.
        show: The material to judge, as plain values: of a production, its project, its share page and its
            studio page.
        since: The time at which the question was first asked.
        expires_at: The time after which an answer is too late; None if the question does not expire.
    """

    key: str
    name: str
    question: str
    show: Json
    since: datetime
    expires_at: datetime | None

    @classmethod
    def from_effect(cls, step: Effect) -> Self:
        """Build an approval from its effect in the journal."""
        return cls(
            key=step.job_id,
            name=step.name,
            question=_question(step),
            show=_to_display(step),
            since=step.intent_at,
            expires_at=_expiry(step),
        )


async def list_pending(journal: Journal) -> AsyncIterator[Approval]:
    """Yield the open questions of all pipelines.

    The questions of pipelines that began earlier come first.
    """
    async for job in journal.jobs(RUNNING, WAITING):
        for step in await journal.effects(job.id):
            if step.kind == "approval" and step.is_open:
                yield Approval.from_effect(step)


async def answer(journal: Journal, key: str, value: Json, name: str | None) -> None:
    """Answer a question.

    Raises:
        JournalError: The question does not exist, is answered or has expired; or several wait and `name` is
            None.
    """
    if name is None:
        name = await _single_pending(journal, key)
    await journal.answer(key, name, value)
    signals.notify(journal, key)


async def _single_pending(journal: Journal, key: str) -> str:
    names = [step.name for step in await journal.effects(key) if step.kind == "approval" and step.is_open]
    if len(names) == 1:
        return names[0]
    if names:
        raise JournalError(f"{key!r} waits for several answers: name one of {', '.join(map(repr, names))}")
    job = await journal.load(key)
    reason = "there is no such key in the journal" if job is None else f"its stage is {job.stage!r}"
    raise JournalError(f"{key!r} waits for no answer: {reason}")


async def wait_for_approval(executor: StepExecutor, call: StepCall, patience: float | None) -> Json:
    """Ask the question unless that is done, and wait for the answer.

    Raises:
        ApprovalExpired: The question was not answered in time.
    """
    step = executor.lookup(call)
    if step is None or step.state == "refused":
        async with executor.lease():
            step = await executor.record_start(call, step, timeout=patience)
    if step.is_open:
        _emit_asked(executor, call, step)
        await _wait_answer(executor, step)
        async with executor.lease():
            step = await _reload(executor, step)
            if step.is_open:
                expired = ApprovalExpired(call.arguments["question"], key=executor.key, step=call.name)
                await executor.record_failure(step, expired)
                raise expired
        executor.emit_completed(call)
    else:
        executor.emit_completed(call, remembered=True)
    return step.result


def _emit_asked(executor: StepExecutor, call: StepCall, step: Effect) -> None:
    executor.manner.emit(
        ApprovalRequested(
            at=loop_time(),
            project_id=None,
            step=call.name,
            question=call.arguments["question"],
            show=_to_display(step),
        )
    )


async def _wait_answer(executor: StepExecutor, step: Effect) -> None:
    """Wait until the question is answered or has expired.

    Other processes may take the lease meanwhile.
    """
    timeout = _patience(step)
    remaining = None if timeout is None else clock.Remaining(timeout, step.intent_moment, step.intent_at)
    with signals.subscribe(executor.journal, executor.key) as bell:
        while (await _reload(executor, step)).is_open:
            left = POLL_INTERVAL if remaining is None else remaining.seconds()
            if left <= 0:
                return
            if not executor.manner.waits_for_approvals:
                executor.stop(Suspended(ApprovalPending(_question(step), key=executor.key, step=step.name)))
            await executor.suspend(f"the pipeline waits for an answer: {_question(step)}")
            await _wait_signal(bell, max(TICK, min(POLL_INTERVAL, left)))


async def _wait_signal(bell: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
    except TimeoutError:
        pass
    bell.clear()


async def _reload(executor: StepExecutor, step: Effect) -> Effect:
    effect = await executor.journal.effect(executor.key, step.name)
    if effect is None:
        raise JournalError(f"{step.name!r} of {executor.key!r} has vanished from the journal")
    return effect


def _expiry(step: Effect) -> datetime | None:
    timeout = _patience(step)
    try:
        return None if timeout is None else step.intent_at + timedelta(seconds=timeout)
    except OverflowError:  # later than any date that Python can represent
        return None


def _patience(step: Effect) -> float | None:
    timeout = Field.of(step, "request").get("timeout")
    return None if timeout is None else timeout.number()


def _question(step: Effect) -> str:
    return Field.of(step, "request")["arguments"]["question"].text_or_none() or ""


def _to_display(step: Effect) -> Json:
    return Field.of(step, "request")["show"].value
