"""One run of a pipeline's function, executing each step once."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime
from typing import Any, Final, NoReturn

import attrs

from eversince_async.durable import failures
from eversince_async.durable.api import loop_time
from eversince_async.durable.executor import EffectExecutor
from eversince_async.durable.lease import JobLease, LeaseLost, RunStopped, Suspended
from eversince_async.errors import (
    ClientClosed,
    ConfigurationError,
    EversinceError,
    JournalError,
    NotSerializable,
    PipelineChanged,
    RenderProducedNothing,
    SleepPending,
    copy_of,
)
from eversince_async.governor import WaitReason
from eversince_async.journal import Effect, EffectKind, Job, Journal, Json
from eversince_async.journal.fields import Field
from eversince_async.orchestrator.events import Event, Waiting
from eversince_async.orchestrator.options import WaitPolicy
from eversince_async.orchestrator.project import ProjectOperations
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.pipelines.branches import Branch, StepCall
from eversince_async.pipelines.events import StepCompleted, StepStarted
from eversince_async.pipelines.history import StepHistory
from eversince_async.pipelines.serialization import SerializationError, Serializer
from eversince_async.tasks import finish

SHORT: Final = 120.0
"""Seconds for which a pipeline that is told to stop still waits for the end of a pause."""


@attrs.frozen(kw_only=True)
class RunOptions:
    """The options of a pipeline's run.

    Attributes:
        policy: The wait policy of the productions.
        emit: Callback for each event.
        has_listeners: True if there are listeners to the events.
        waits_for_approvals: True to wait for approvals; otherwise the run stops at the first missing one.
        on_start: Callback with the operations of each production.
        stopping_since: Callback that returns the loop time at which the run was told to stop; None if it was
            not.
    """

    policy: WaitPolicy
    emit: Callable[[Event], object]
    has_listeners: bool = False
    waits_for_approvals: bool = True
    on_start: Callable[[ProjectOperations], object] = lambda _: None
    stopping_since: Callable[[], float | None] = lambda: None


class StepExecutor:
    """A run of a pipeline's function, under a leased job.

    The lease of the job belongs to this process when the run begins.

    Attributes:
        runtime: The client's runtime.
        journal: The journal.
        key: The key of the job.
        manner: The options of the run.
        hold: The job's lease.
        storing: The serializer of the results.
        root: The function's own branch.
    """

    def __init__(self, runtime: Runtime, journal: Journal, job: Job, manner: RunOptions) -> None:
        self.runtime = runtime
        self.journal = journal
        self.key = job.id
        self.manner = manner
        self.hold = JobLease(journal, job.id, self._read)
        self.storing = Serializer(runtime)
        self._attempt = job.attempt
        self._failed = list[str]()
        self.root = Branch("", self._failed)
        self._ledger = StepHistory(job.id, job.attempt)
        self._stopped_by: BaseException | None = None
        self._projects = dict[str, asyncio.Lock]()
        task = asyncio.current_task()
        self._cancelling = 0 if task is None else task.cancelling()

    async def run(self, function: Callable[[], Awaitable[Any]]) -> Any:
        """Run the function to its end.

        Raises:
            RunStopped: The run stopped before the end.
            PipelineChanged: The function called other steps than an earlier run did, or returned without
                calling all of that run's steps.
            Exception: The function raised an error.
        """
        await self._read()
        try:
            result = await function()
        except asyncio.CancelledError:
            if self.hold.is_lost and not self._is_cancelled_otherwise():
                raise LeaseLost("its lease has run out, and another process has taken it over") from None
            raise
        except BaseException:
            if self._stopped_by is not None:
                raise copy_of(self._stopped_by) from None
            raise
        finally:
            self.hold.is_finished = True
        if self._stopped_by is not None:  # the function has caught the error
            raise copy_of(self._stopped_by)
        self._ledger.check_complete()
        return result

    def _is_cancelled_otherwise(self) -> bool:
        """Return True if others have cancelled this task as well.

        Takes back the cancellation by the lease.
        """
        task = asyncio.current_task()
        assert task is not None
        return task.uncancel() > self._cancelling

    async def _read(self) -> None:
        self._ledger.load(await self.journal.effects(self.key))

    # -- Steps ------------------------------------------------------------------------------------------

    async def execute(
        self,
        call: StepCall,
        body: Callable[[EffectExecutor, Effect], Awaitable[Any]],
        kind: Any,
        *,
        is_own_code: bool = False,
    ) -> Any:
        """Execute a step, or return the recorded result.

        Args:
            call: The step.
            body: The action. It receives an executor that records its effects, and the step as it stands in
                the journal.
            kind: The type of the result.
            is_own_code: True for a function of the user's. Its failure is then not recorded, since the
                original error could not be restored; and the step returns the result as it was stored, as
                later runs will.

        Raises:
            PipelineChanged: The journal has another step in this place.
            NotSerializable: The result cannot be stored.
            Exception: The body raised an error, in this run or in an earlier one.
        """
        step = self.lookup(call)
        if step is not None and step.state == "done":
            return self.replay(call, step, kind)
        async with self.lease():
            step = await self.record_start(call, step)
            try:
                result = await body(self._effects(call, step), step)
            except EversinceError as failure:
                if not is_own_code and not isinstance(failure, JournalError):
                    await self.record_failure(step, failure)
                raise
            plain = await self.record_result(call, step, result, kind)
        return self.storing.from_json(plain, kind) if is_own_code else result

    def _effects(self, call: StepCall, step: Effect) -> EffectExecutor:
        return EffectExecutor(
            journal=self.journal, job_id=self.key, attempt=step.request["tries"], prefix=f"{call.name}:"
        )

    def lookup(self, call: StepCall) -> Effect | None:
        """Return the recorded step of a call; None if it is new.

        Raises:
            PipelineChanged: The journal has another step in this place.
            Exception: The step has failed, and is not tried again.
        """
        if self._stopped_by is not None:
            raise copy_of(self._stopped_by)  # several branches may raise it
        if self.hold.is_finished:
            raise ConfigurationError(f"pipeline {self.key!r} is over; step {call.name!r} comes too late")
        try:
            step = self._ledger.match(call)
        except PipelineChanged as error:
            self.stop(error)
        if step is not None and step.state == "refused" and not self._ledger.should_retry(step):
            self._failed.append(step.name)
            raise failures.failure_from_json(Field.of(step, "result"))
        return step

    async def record_start(self, call: StepCall, step: Effect | None, **more: Any) -> Effect:
        """Record that a step starts or continues."""
        self._emit(StepStarted(at=loop_time(), project_id=None, step=call.name, operation=call.operation))
        kind: EffectKind = "approval" if call.operation == "approval" else "step"
        if step is None:
            request = call.request(attempt=self._attempt, tries=1, **more)
            step = await self.journal.intent(self.key, kind, request, name=call.name)
        else:
            request = {**step.request, **more, "attempt": self._attempt, **_next_attempt(step)}
            step = await self.journal.intent_again(step, request=request)
        self._ledger.record(step)
        return step

    def emit_completed(self, call: StepCall, *, remembered: bool = False) -> None:
        """Emit the event of a completed step."""
        event = StepCompleted(
            at=loop_time(), project_id=None, step=call.name, operation=call.operation, replayed=remembered
        )
        self._emit(event)

    async def record_result(self, call: StepCall, step: Effect, result: Any, kind: Any) -> Json:
        """Record the result of a step, and return its stored form."""
        try:
            plain = self.storing.to_json(result, kind)
        except SerializationError as problem:
            self.stop(NotSerializable(str(problem), key=self.key, step=call.name))
        self._ledger.record(await finish(self.journal.done(step, plain)))
        self.emit_completed(call)
        return plain

    async def record_failure(self, step: Effect, failure: EversinceError) -> None:
        """Record that a step has failed, unless the failure is temporary."""
        if not failures.is_retryable(failure):
            self._ledger.record(await finish(self.journal.refused(step, failures.failure_to_json(failure))))
            self._failed.append(step.name)

    def replay(self, call: StepCall, step: Effect, kind: Any) -> Any:
        """Return the recorded result of an earlier run.

        Raises:
            PipelineChanged: The result has another type now.
        """
        try:
            result = self.storing.from_json(step.result, kind)
        except SerializationError as problem:
            self.stop(
                PipelineChanged(
                    f"the result of step {call.name!r} of pipeline {self.key!r} has another type than it "
                    f"had: {problem}",
                    key=self.key,
                    step=call.name,
                )
            )
        self.emit_completed(call, remembered=True)
        return result

    # -- Stopping ---------------------------------------------------------------------------------------

    def stop(self, by: BaseException) -> NoReturn:
        """Raise an error that leaves the function, and refuse further steps.

        The steps are refused even if the function catches the error.
        """
        self._stopped_by = self._stopped_by or by
        raise by

    @asynccontextmanager
    async def lease(self) -> AsyncGenerator[None, None]:
        """Hold the lease while a step is executed.

        Errors of the journal end the run.
        """
        try:
            async with self.hold.held():
                yield
        except (RunStopped, JournalError) as by:
            self._stopped_by = self._stopped_by or by
            raise

    def need_short_pause(self, until: datetime, left: float, call: StepCall) -> None:
        """Suspend the run if told to stop during a long pause.

        Raises:
            Suspended: The pause ends more than `SHORT` seconds after the run was told to stop or the client
                began to close.
        """
        ends_at = loop_time() + left
        stopping_since, draining_since = self.manner.stopping_since(), self.runtime.registry.draining_since
        if stopping_since is not None and ends_at > stopping_since + SHORT:
            self.stop(Suspended(SleepPending(until, key=self.key, step=call.name)))
        if draining_since is not None and ends_at > draining_since + SHORT:
            why = f"the pipeline sleeps until {until.isoformat(timespec='seconds')}"
            self.stop(Suspended(ClientClosed(f"the client closes, and {why}", project_id=None)))

    async def suspend(self, why: str) -> None:
        """Release the lease while the pipeline only waits; see `JobLease.suspend`.

        Raises:
            Suspended: The client is closing, and waits for this run to end.
            LeaseLost: Another process already has the lease.
        """
        if self.runtime.registry.draining_since is not None:
            self.stop(Suspended(ClientClosed(f"the client closes, and {why}", project_id=None)))
        try:
            await self.hold.suspend()
        except RunStopped as by:
            self.stop(by)

    # -- Productions ------------------------------------------------------------------------------------

    @asynccontextmanager
    async def operations(
        self, effects: EffectExecutor, *, key: str, project_id: str | None = None
    ) -> AsyncGenerator[ProjectOperations, None]:
        """Yield the operations of a project, one step at a time.

        Waits are emitted as events. Errors about missing credits carry the offers to buy more.
        """

        def emit_wait(reason: WaitReason) -> None:
            self._emit(Waiting(at=loop_time(), project_id=steps.project_id, reason=reason))

        steps = ProjectOperations(
            self.runtime, self.manner.policy, self._emit, key=key, project_id=project_id, effects=effects
        )
        self.manner.on_start(steps)
        listening = self.runtime.listening(key, emit_wait) if self.manner.has_listeners else nullcontext()
        with listening:
            async with self._project_lock(project_id or key), self.runtime.attach_purchase_options():
                yield steps

    def _project_lock(self, project_id: str) -> asyncio.Lock:
        """Return the project's lock.

        Only one step works on a project at a time, since the agent takes one message after another.
        """
        return self._projects.setdefault(project_id, asyncio.Lock())

    def _emit(self, event: Event) -> None:
        self.manner.emit(event)


def _next_attempt(step: Effect) -> dict[str, Any]:
    """Return the fields that differ in a new attempt at a step.

    There are none if the step is continued. It starts anew only if nothing of the failed attempt can be used.
    """
    if step.state != "refused" or step.result["type"] not in failures.NEEDS_NEW_ATTEMPT:
        return {}
    another: dict[str, Any] = {"tries": step.request["tries"] + 1}
    if step.result["type"] == RenderProducedNothing.__name__:
        another["project_id"] = step.result.get("facts", {}).get("project_id")
    return another
