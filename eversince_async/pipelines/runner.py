"""Running a pipeline under its job until the job is finished."""

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
"""Seconds between two reads of the journal while another process works on the pipeline."""


@attrs.frozen(kw_only=True)
class PipelineCall:
    """A pipeline with the arguments of its call.

    Attributes:
        pipeline: The pipeline.
        args: The positional arguments.
        kwargs: The arguments passed by name.
    """

    pipeline: Pipeline[..., Any]
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = attrs.field(factory=dict[str, Any])

    def check_result_type(self, storing: Serializer) -> None:
        """Check, before any step is executed, that the result can be stored.

        Raises:
            ConfigurationError: The annotated result type cannot be stored.
        """
        try:
            storing.check_type(self.pipeline.result_type)
        except SerializationError as problem:
            raise ConfigurationError(f"the result type of {self.pipeline.name!r}: {problem}") from None

    def spec(self, storing: Serializer) -> Json:
        """Build the spec that later runs under the same key must match.

        Raises:
            TypeError: The function does not accept these arguments.
        """
        return self.pipeline.spec(storing, self.args, self.kwargs)

    def result_to_json(self, storing: Serializer, result: Any, key: str) -> Json:
        """Convert a result into the form that the job stores.

        Raises:
            NotSerializable: The result does not have the annotated type, or holds a secret.
        """
        try:
            return {"result": storing.to_json(result, self.pipeline.result_type)}
        except SerializationError as problem:
            raise NotSerializable(f"the result: {problem}", key=key) from None

    def result_from_json(self, storing: Serializer, job: Job) -> Any:
        """Restore the result of an earlier run.

        Raises:
            PipelineChanged: The result has another type than the function returns now.
            UnreadableRow: The job holds no result.
        """
        try:
            return storing.from_json(Field.of(job, "result")["result"].value, self.pipeline.result_type)
        except SerializationError as problem:
            raise PipelineChanged(
                f"the result of pipeline {job.id!r} has another type than it had: {problem}",
                key=job.id,
                step="return",
            ) from None


async def run_pipeline(
    runtime: Runtime, order: PipelineCall, job: Job, journal: Journal, manner: RunOptions
) -> Any:
    """Run a pipeline under a leased job, leaving the job itself unchanged.

    This process must hold the job's lease, and the caller must renew it.

    Args:
        runtime: The client's runtime.
        order: The pipeline and its arguments.
        job: The job.
        journal: The journal.
        manner: The options of the run.

    Raises:
        JournalLocked: Another process works on the pipeline.
        ApprovalPending: The pipeline waits for an approval, and the options say not to wait.
        PipelineChanged: The function calls other steps than an earlier run did.
        Exception: The function raised an error.
    """
    return await _run_function(StepExecutor(runtime, journal, job, manner), order)


def next_attempt(job: Job) -> JobChange:
    """Return the change that starts a failed job again.

    Completed steps stay completed; failed steps are tried again.
    """
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
    """Run a pipeline to its end, or wait for another process's outcome.

    Raises:
        SpecChanged: The key stands for something else.
        Exception: The function raises an error, or raised it in an earlier run.
    """
    storing = Serializer(runtime)
    order.check_result_type(storing)
    spec = order.spec(storing)
    await learn_what_is_left(journal, runtime)
    while True:
        job = await journal.put(key, spec, stage=RUNNING)
        if _is_finished(job, retry_failed=retry_failed):
            return _load_result(job, order, storing)
        with suppress(JournalLocked):  # another process works on it
            job = await journal.acquire(key)
            if not _is_finished(job, retry_failed=retry_failed):
                return await _run_leased(runtime, order, job, journal, manner)
            await finish(journal.release(key))
            continue
        if runtime.registry.draining_since is not None:
            raise ClientClosed(f"the client closes, and another run works on {key!r}", project_id=None)
        await _wait_for_other_process(journal, key)


async def _run_leased(
    runtime: Runtime, order: PipelineCall, job: Job, journal: Journal, manner: RunOptions
) -> Any:
    """Run a pipeline under a lease just taken, and record the outcome.

    Raises:
        JournalLocked: Another process works on the pipeline now.
    """
    executor: StepExecutor | None = None
    try:
        if job.stage in FINISHED:
            job = await journal.change(job.id, next_attempt(job))
        executor = StepExecutor(runtime, journal, job, manner)
        async with renew_leases(executor.hold.renew):
            result = await _run_function(executor, order)
        plain = order.result_to_json(executor.storing, result, job.id)
    except BaseException as failure:
        if executor is None or executor.hold.is_held:  # else other processes may have it already
            await finish(_release_failed(journal, job.id, failure))
        signals.notify(journal, job.id)
        raise
    success = JobChange(stage="succeeded", result=plain, error=None, release=True)
    await finish(journal.change(job.id, success))
    signals.notify(journal, job.id)
    return result


async def _run_function(executor: StepExecutor, order: PipelineCall) -> Any:
    run = Run(executor, executor.root)
    try:
        return await executor.run(lambda: order.pipeline.function(run, *order.args, **order.kwargs))
    except LeaseLost as lost:
        raise JournalLocked(str(lost)) from None
    except Suspended as suspension:
        raise suspension.error from None


async def _release_failed(journal: Journal, key: str, failure: BaseException) -> None:
    """Release a job, recording its failure unless that may pass by itself."""
    change = JobChange(release=True)
    is_ours = isinstance(failure, JournalError | NotSerializable) or not isinstance(failure, Exception)
    if not is_ours and not failures.is_retryable(failure):
        change = attrs.evolve(
            change, stage=failures.final_status(failure), error=failures.failure_to_json(failure)
        )
    with suppress(JournalError):  # the failure itself matters more; the lease runs out
        await journal.change(key, change)


async def _wait_for_other_process(journal: Journal, key: str) -> None:
    """Wait until the job may have ended or become free."""
    with signals.subscribe(journal, key) as bell:
        try:
            async with asyncio.timeout(OTHER_PROCESS_POLL_INTERVAL):
                await bell.wait()
        except TimeoutError:
            pass


def _is_finished(job: Job, *, retry_failed: bool) -> bool:
    return job.stage == "succeeded" or (job.stage in FINISHED and not retry_failed)


def _load_result(job: Job, order: PipelineCall, storing: Serializer) -> Any:
    """Return the result of an earlier run, or raise its failure."""
    if job.stage == "succeeded":
        return order.result_from_json(storing, job)
    failure = failures.failure_from_json(Field.of(job, "error"))
    failure.add_note(
        f"An earlier run of pipeline {job.id!r} failed with this error. To try again, pass retry_failed=True"
    )
    raise failure
