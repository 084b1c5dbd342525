"""Running a pipeline under its job: once, or as often as it takes until it is over."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import attrs

from eversince_async.durable import failures
from eversince_async.durable.lease import LeaseLost, Suspended, renew_leases
from eversince_async.durable.status import FINISHED, RUNNING
from eversince_async.errors import (
    ClientClosed,
    ConfigurationError,
    JournalError,
    JournalLocked,
    NotSerializable,
    PipelineChanged,
)
from eversince_async.journal import Job, JobChange, Journal, Json
from eversince_async.journal.fields import Field
from eversince_async.orchestrator.recovery import learn_what_is_left
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.pipelines import signals
from eversince_async.pipelines.definition import Pipeline
from eversince_async.pipelines.run import Run
from eversince_async.pipelines.serialization import SerializationError, Serializer
from eversince_async.pipelines.steps import RunOptions, StepExecutor
from eversince_async.tasks import finish

OTHER_PROCESS_POLL_INTERVAL: Final = 5.0
"""Seconds between looks into the journal at a pipeline that somebody else works on."""


@attrs.frozen(kw_only=True)
class PipelineCall:
    """A pipeline with what it is called with.

    Attributes:
        pipeline: The pipeline.
        args: Its arguments by place.
        kwargs: Its arguments by name.
    """

    pipeline: Pipeline[..., Any]
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = attrs.field(factory=dict[str, Any])

    def check_result_type(self, storing: Serializer) -> None:
        """Make sure, before anything is done, that what it returns can be kept.

        Raises:
            ConfigurationError: It cannot.
        """
        try:
            storing.check_type(self.pipeline.result_type)
        except SerializationError as problem:
            raise ConfigurationError(f"what {self.pipeline.name!r} returns: {problem}") from None

    def spec(self, storing: Serializer) -> Json:
        """What is compared with what comes under the same key later.

        Raises:
            TypeError: The function does not take these arguments.
        """
        return self.pipeline.spec(storing, self.args, self.kwargs)

    def result_to_json(self, storing: Serializer, result: Any, key: str) -> Json:
        """A result as a job keeps it.

        Raises:
            NotSerializable: It is not what the function is annotated to return, or holds a secret.
        """
        try:
            return {"result": storing.to_json(result, self.pipeline.result_type)}
        except SerializationError as problem:
            raise NotSerializable(f"its result: {problem}", key=key) from None

    def result_from_json(self, storing: Serializer, job: Job) -> Any:
        """What an earlier run has given.

        Raises:
            PipelineChanged: It is of another type by now.
            UnreadableRow: The job keeps no result.
        """
        try:
            return storing.from_json(Field.of(job, "result")["result"].value, self.pipeline.result_type)
        except SerializationError as problem:
            raise PipelineChanged(
                f"what pipeline {job.id!r} has given is of another type than it was: {problem}",
                key=job.id,
                step="return",
            ) from None


async def run_pipeline(
    runtime: Runtime, order: PipelineCall, job: Job, journal: Journal, manner: RunOptions
) -> Any:
    """Run a pipeline under a job that is ours, and whose lease somebody renews; change nothing of the job.

    Args:
        runtime: What to work with.
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
    return await _run_function(StepExecutor(runtime, journal, job, manner), order)


def next_attempt(job: Job) -> JobChange:
    """How a job that failed is begun again: what is done stays done, what failed is tried again."""
    return JobChange(stage=RUNNING, attempt=job.attempt + 1, error=None)


async def run_job(
    runtime: Runtime,
    order: PipelineCall,
    key: str,
    journal: Journal,
    manner: RunOptions,
    *,
    retry_failed: bool,
) -> Any:
    """Run a pipeline under a key to its end, or learn to what end somebody else brings it.

    Raises:
        SpecChanged: The key stands for something else.
        Exception: What the function raises, or raised in an earlier run.
    """
    storing = Serializer(runtime)
    order.check_result_type(storing)
    spec = order.spec(storing)
    await learn_what_is_left(journal, runtime)
    while True:
        job = await journal.put(key, spec, stage=RUNNING)
        if _is_finished(job, retry_failed=retry_failed):
            return _load_result(job, order, storing)
        with suppress(JournalLocked):  # then somebody else works on it
            job = await journal.acquire(key)
            if not _is_finished(job, retry_failed=retry_failed):
                return await _run_leased(runtime, order, job, journal, manner)
            await finish(journal.release(key))
            continue
        if runtime.registry.draining_since is not None:
            raise ClientClosed(f"the client closes, and {key!r} is worked on elsewhere", project_id=None)
        await _wait_for_other_process(journal, key)


async def _run_leased(
    runtime: Runtime, order: PipelineCall, job: Job, journal: Journal, manner: RunOptions
) -> Any:
    """Run it under a lease that was just taken, and write down what came of it.

    Raises:
        JournalLocked: Somebody else works on it now.
    """
    executor: StepExecutor | None = None
    try:
        if job.stage in FINISHED:
            job = await journal.change(job.id, next_attempt(job))
        executor = StepExecutor(runtime, journal, job, manner)
        async with renew_leases(executor.hold.renew):
            result = await _run_function(executor, order)
        kept = order.result_to_json(executor.storing, result, job.id)
    except BaseException as failure:
        if executor is None or executor.hold.is_held:  # else it is anybody's already
            await finish(_release_failed(journal, job.id, failure))
        signals.notify(journal, job.id)
        raise
    over = JobChange(stage="succeeded", result=kept, error=None, release=True)
    await finish(journal.change(job.id, over))
    signals.notify(journal, job.id)
    return result


async def _run_function(executor: StepExecutor, order: PipelineCall) -> Any:
    run = Run(executor, executor.root)
    try:
        return await executor.run(lambda: order.pipeline.function(run, *order.args, **order.kwargs))
    except LeaseLost as lost:
        raise JournalLocked(str(lost)) from None
    except Suspended as parked:
        raise parked.error from None


async def _release_failed(journal: Journal, key: str, failure: BaseException) -> None:
    """Release a job, with what it failed of if that does not pass."""
    change = JobChange(release=True)
    is_ours = isinstance(failure, JournalError | NotSerializable) or not isinstance(failure, Exception)
    if not is_ours and not failures.is_retryable(failure):
        change = attrs.evolve(
            change, stage=failures.final_status(failure), error=failures.failure_to_json(failure)
        )
    with suppress(JournalError):  # the failure itself matters more; the lease runs out
        await journal.change(key, change)


async def _wait_for_other_process(journal: Journal, key: str) -> None:
    """Wait until it may be over, or free."""
    with signals.subscribe(journal, key) as bell:
        try:
            async with asyncio.timeout(OTHER_PROCESS_POLL_INTERVAL):
                await bell.wait()
        except TimeoutError:
            pass


def _is_finished(job: Job, *, retry_failed: bool) -> bool:
    return job.stage == "succeeded" or (job.stage in FINISHED and not retry_failed)


def _load_result(job: Job, order: PipelineCall, storing: Serializer) -> Any:
    """What an earlier run has come to."""
    if job.stage == "succeeded":
        return order.result_from_json(storing, job)
    failure = failures.failure_from_json(Field.of(job, "error"))
    failure.add_note(
        f"An earlier run of pipeline {job.id!r} has failed of this. To have it tried again: retry_failed=True"
    )
    raise failure
