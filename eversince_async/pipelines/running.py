"""Running a pipeline under its job: once, or as often as it takes until it is over."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import attrs

from eversince_async.errors import (
    ClientClosed,
    ConfigurationError,
    JournalError,
    JournalLocked,
    NotStorable,
    PipelineChanged,
)
from eversince_async.journal import Job, JobChange, Journal, Json
from eversince_async.journal.fields import Field
from eversince_async.orchestrator.desk import Desk
from eversince_async.orchestrator.leases import heartbeat
from eversince_async.orchestrator.spending import learn_what_is_left
from eversince_async.pipelines import bells, failures
from eversince_async.pipelines.course import Course, Manner
from eversince_async.pipelines.definition import Pipeline
from eversince_async.pipelines.leaving import Lost, Parked
from eversince_async.pipelines.run import Run
from eversince_async.pipelines.stages import ENDS, WORKING
from eversince_async.pipelines.storing import Storing, Unstorable
from eversince_async.tasks import finish

ELSEWHERE: Final = 5.0
"""Seconds between looks into the journal at a pipeline that somebody else works on."""


@attrs.frozen(kw_only=True)
class Order:
    """A pipeline with what it is called with.

    Attributes:
        pipeline: The pipeline.
        args: Its arguments by place.
        kwargs: Its arguments by name.
    """

    pipeline: Pipeline[..., Any]
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = attrs.field(factory=dict[str, Any])

    def need_storable(self, storing: Storing) -> None:
        """Make sure, before anything is done, that what it returns can be kept.

        Raises:
            ConfigurationError: It cannot.
        """
        try:
            storing.need(self.pipeline.result_type)
        except Unstorable as problem:
            raise ConfigurationError(f"what {self.pipeline.name!r} returns: {problem}") from None

    def spec(self, storing: Storing) -> Json:
        """What is compared with what comes under the same key later.

        Raises:
            TypeError: The function does not take these arguments.
        """
        return self.pipeline.spec(storing, self.args, self.kwargs)

    def kept(self, storing: Storing, result: Any, key: str) -> Json:
        """A result as a job keeps it.

        Raises:
            NotStorable: It is not what the function is annotated to return, or holds a secret.
        """
        try:
            return {"result": storing.kept(result, self.pipeline.result_type)}
        except Unstorable as problem:
            raise NotStorable(f"its result: {problem}", key=key) from None

    def remembered(self, storing: Storing, job: Job) -> Any:
        """What an earlier run has given.

        Raises:
            PipelineChanged: It is of another type by now.
            UnreadableRow: The job keeps no result.
        """
        try:
            return storing.restored(Field.of(job, "result")["result"].value, self.pipeline.result_type)
        except Unstorable as problem:
            raise PipelineChanged(
                f"what pipeline {job.id!r} has given is of another type than it was: {problem}",
                key=job.id,
                step="return",
            ) from None


async def run_pipeline(desk: Desk, order: Order, job: Job, journal: Journal, manner: Manner) -> Any:
    """Run a pipeline under a job that is ours, and whose lease somebody renews; change nothing of the job.

    Args:
        desk: What to work with.
        order: What to run.
        job: The job.
        journal: The journal.
        manner: How to run it.

    Raises:
        JournalLocked: Somebody else works on it.
        ApprovalPending: It waits for an approval, and is not to.
        PipelineChanged: It does something else than it did.
        Exception: What the function raises.
    """
    return await _ran(Course(desk, journal, job, manner), order)


def another_try(job: Job) -> JobChange:
    """How a job that failed is begun again: what is done stays done, what failed is tried again."""
    return JobChange(stage=WORKING, attempt=job.attempt + 1, error=None)


async def brought_to_its_end(
    desk: Desk, order: Order, key: str, journal: Journal, manner: Manner, *, retry_failed: bool
) -> Any:
    """Run a pipeline under a key to its end, or learn to what end somebody else brings it.

    Raises:
        SpecChanged: The key stands for something else.
        Exception: What the function raises, or raised in an earlier run.
    """
    storing = Storing(desk)
    order.need_storable(storing)
    spec = order.spec(storing)
    await learn_what_is_left(journal, desk)
    while True:
        job = await journal.put(key, spec, stage=WORKING)
        if _is_over(job, retry_failed=retry_failed):
            return _end_of(job, order, storing)
        with suppress(JournalLocked):  # then somebody else works on it
            job = await journal.acquire(key)
            if not _is_over(job, retry_failed=retry_failed):
                return await _brought(desk, order, job, journal, manner)
            await finish(journal.release(key))
            continue
        if desk.underway.draining_since is not None:
            raise ClientClosed(f"the client closes, and {key!r} is worked on elsewhere", project_id=None)
        await _elsewhere(journal, key)


async def _brought(desk: Desk, order: Order, job: Job, journal: Journal, manner: Manner) -> Any:
    """Run it under a lease that was just taken, and write down what came of it.

    Raises:
        JournalLocked: Somebody else works on it now.
    """
    course: Course | None = None
    try:
        if job.stage in ENDS:
            job = await journal.change(job.id, another_try(job))
        course = Course(desk, journal, job, manner)
        async with heartbeat(course.hold.keep):
            result = await _ran(course, order)
        kept = order.kept(course.storing, result, job.id)
    except BaseException as failure:
        if course is None or course.hold.is_held:  # else it is anybody's already
            await finish(_let_go(journal, job.id, failure))
        bells.ring(journal, job.id)
        raise
    over = JobChange(stage="succeeded", result=kept, error=None, release=True)
    await finish(journal.change(job.id, over))
    bells.ring(journal, job.id)
    return result


async def _ran(course: Course, order: Order) -> Any:
    run = Run(course, course.root)
    try:
        return await course.run(lambda: order.pipeline.function(run, *order.args, **order.kwargs))
    except Lost as lost:
        raise JournalLocked(str(lost)) from None
    except Parked as parked:
        raise parked.told from None


async def _let_go(journal: Journal, key: str, failure: BaseException) -> None:
    """Release a job, with what it failed of if that does not pass."""
    change = JobChange(release=True)
    is_ours = isinstance(failure, JournalError | NotStorable) or not isinstance(failure, Exception)
    if not is_ours and not failures.may_pass(failure):
        change = attrs.evolve(change, stage=failures.end_of(failure), error=failures.told(failure))
    with suppress(JournalError):  # the failure itself matters more; the lease runs out
        await journal.change(key, change)


async def _elsewhere(journal: Journal, key: str) -> None:
    """Wait until it may be over, or free."""
    with bells.heard(journal, key) as bell:
        try:
            async with asyncio.timeout(ELSEWHERE):
                await bell.wait()
        except TimeoutError:
            pass


def _is_over(job: Job, *, retry_failed: bool) -> bool:
    return job.stage == "succeeded" or (job.stage in ENDS and not retry_failed)


def _end_of(job: Job, order: Order, storing: Storing) -> Any:
    """What an earlier run has come to."""
    if job.stage == "succeeded":
        return order.remembered(storing, job)
    failure = failures.restored(Field.of(job, "error"))
    failure.add_note(
        f"An earlier run of pipeline {job.id!r} has failed of this. To have it tried again: retry_failed=True"
    )
    raise failure
