"""One run of a pipeline's function: its steps, each done once, and what they have in common."""

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
"""Seconds after it was told to stop for which a pipeline still waits for the end of a pause."""


@attrs.frozen(kw_only=True)
class RunOptions:
    """How a pipeline is run.

    Attributes:
        policy: On which terms its productions wait.
        emit: Told of what happens.
        has_listeners: Whether somebody listens to that.
        waits_for_approvals: Whether to wait for approvals; otherwise the run stops at the first missing one.
        on_start: Told of each production's steps.
        stopping_since: Since when, in loop time, it is to come to a stop; None: it is not to.
    """

    policy: WaitPolicy
    emit: Callable[[Event], object]
    has_listeners: bool = False
    waits_for_approvals: bool = True
    on_start: Callable[[ProjectOperations], object] = lambda _: None
    stopping_since: Callable[[], float | None] = lambda: None


class StepExecutor:
    """One run of a pipeline's function, under a job that is ours.

    Attributes:
        runtime: What to work with.
        journal: The journal.
        key: The job.
        manner: How it is run.
        hold: The job's lease.
        storing: Stores its results.
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
            Leaving: It is left before that.
            PipelineChanged: It does something else than before; so it does if it comes to its end too soon.
            Exception: What the function raises.
        """
        await self._read()
        try:
            result = await function()
        except asyncio.CancelledError:
            if self.hold.is_lost and not self._is_cancelled_otherwise():
                raise LeaseLost("its lease has run out, and somebody else has taken it over") from None
            raise
        except BaseException:
            if self._stopped_by is not None:
                raise copy_of(self._stopped_by) from None
            raise
        finally:
            self.hold.is_finished = True
        if self._stopped_by is not None:  # the function has taken it for something else
            raise copy_of(self._stopped_by)
        self._ledger.check_complete()
        return result

    def _is_cancelled_otherwise(self) -> bool:
        """Whether somebody else has cancelled this task as well; takes back our own doing."""
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
        """Do a step, unless it is done.

        Args:
            call: The step.
            body: Does it; given where to write down its effects, and the step as it stands in the journal.
            kind: The type of its result.
            is_own_code: Whether it is the user's: then its failure is not what came of it, since it cannot be
                remembered as what it was; and what it gives is what was stored, as it will be from now on.

        Raises:
            PipelineChanged: Another step stands in the journal.
            NotSerializable: Its result cannot be stored.
            Exception: What the body raises, or raised in an earlier run.
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
        """What the journal knows of a step.

        Raises:
            PipelineChanged: Another step stands in the journal.
            Exception: It has failed, and is not tried again.
        """
        if self._stopped_by is not None:
            raise copy_of(self._stopped_by)  # many branches may come by here
        if self.hold.is_finished:
            raise ConfigurationError(f"pipeline {self.key!r} is over; step {call.name!r} comes too late")
        try:
            step = self._ledger.match(call)
        except PipelineChanged as changed:
            self.stop(changed)
        if step is not None and step.state == "refused" and not self._ledger.should_retry(step):
            self._failed.append(step.name)
            raise failures.failure_from_json(Field.of(step, "result"))
        return step

    async def record_start(self, call: StepCall, step: Effect | None, **more: Any) -> Effect:
        """Write down that a step is begun, or gone on with."""
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
        """Tell that a step is over."""
        ended = StepCompleted(
            at=loop_time(), project_id=None, step=call.name, operation=call.operation, replayed=remembered
        )
        self._emit(ended)

    async def record_result(self, call: StepCall, step: Effect, result: Any, kind: Any) -> Json:
        """Write down what came of a step, and return what was stored of it."""
        try:
            plain = self.storing.to_json(result, kind)
        except SerializationError as problem:
            self.stop(NotSerializable(str(problem), key=self.key, step=call.name))
        self._ledger.record(await finish(self.journal.done(step, plain)))
        self.emit_completed(call)
        return plain

    async def record_failure(self, step: Effect, failure: EversinceError) -> None:
        """Write down that a step has failed, if that does not pass."""
        if not failures.is_retryable(failure):
            self._ledger.record(await finish(self.journal.refused(step, failures.failure_to_json(failure))))
            self._failed.append(step.name)

    def replay(self, call: StepCall, step: Effect, kind: Any) -> Any:
        """What an earlier run has come to.

        Raises:
            PipelineChanged: It is of another type.
        """
        try:
            result = self.storing.from_json(step.result, kind)
        except SerializationError as problem:
            self.stop(
                PipelineChanged(
                    f"what step {call.name!r} of pipeline {self.key!r} has given is of another type than it "
                    f"was: {problem}",
                    key=self.key,
                    step=call.name,
                )
            )
        self.emit_completed(call, remembered=True)
        return result

    # -- Leaving ----------------------------------------------------------------------------------------

    def stop(self, by: BaseException) -> NoReturn:
        """Leave the function, and let nothing more be done, whatever it makes of it."""
        self._stopped_by = self._stopped_by or by
        raise by

    @asynccontextmanager
    async def lease(self) -> AsyncGenerator[None, None]:
        """While something is done: the lease is ours, and what goes wrong with the journal ends the run."""
        try:
            async with self.hold.held():
                yield
        except (RunStopped, JournalError) as by:
            self._stopped_by = self._stopped_by or by
            raise

    def need_short_pause(self, until: datetime, left: float, call: StepCall) -> None:
        """Leave a pause that goes on for long after this was told to stop.

        Raises:
            Leaving: It ends more than `SHORT` seconds after that.
        """
        ends_at = loop_time() + left
        stopping_since, draining_since = self.manner.stopping_since(), self.runtime.registry.draining_since
        if stopping_since is not None and ends_at > stopping_since + SHORT:
            self.stop(Suspended(SleepPending(until, key=self.key, step=call.name)))
        if draining_since is not None and ends_at > draining_since + SHORT:
            why = f"it sleeps until {until.isoformat(timespec='seconds')}"
            self.stop(Suspended(ClientClosed(f"the client closes, and {why}", project_id=None)))

    async def suspend(self, why: str) -> None:
        """Let others have the job, while nothing is done; see `Hold.rest`.

        Raises:
            Leaving: Somebody else has it already, or the client waits for this to end.
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
        """The steps of a project, told of, and with what can be bought when credits run out."""

        def tell(reason: WaitReason) -> None:
            self._emit(Waiting(at=loop_time(), project_id=steps.project_id, reason=reason))

        steps = ProjectOperations(
            self.runtime, self.manner.policy, self._emit, key=key, project_id=project_id, effects=effects
        )
        self.manner.on_start(steps)
        listening = self.runtime.listening(key, tell) if self.manner.has_listeners else nullcontext()
        with listening:
            async with self._project_lock(project_id or key), self.runtime.attach_purchase_options():
                yield steps

    def _project_lock(self, project_id: str) -> asyncio.Lock:
        """One step at a time works on a project: its agent takes one message after another."""
        return self._projects.setdefault(project_id, asyncio.Lock())

    def _emit(self, event: Event) -> None:
        self.manner.emit(event)


def _next_attempt(step: Effect) -> dict[str, Any]:
    """What is different when a step is done anew, of which nothing is to be had; else it is gone on with."""
    if step.state != "refused" or step.result["type"] not in failures.NEEDS_NEW_ATTEMPT:
        return {}
    another: dict[str, Any] = {"tries": step.request["tries"] + 1}
    if step.result["type"] == RenderProducedNothing.__name__:
        another["project_id"] = step.result.get("facts", {}).get("project_id")
    return another
