"""One run of a pipeline's function: its steps, each done once, and what they have in common."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime
from typing import Any, Final, NoReturn

import attrs

from eversince_async.errors import (
    ClientClosed,
    ConfigurationError,
    EversinceError,
    JournalError,
    NotStorable,
    PipelineChanged,
    RenderProducedNothing,
    SleepPending,
    copy_of,
)
from eversince_async.governor import WaitReason
from eversince_async.journal import Effect, EffectKind, Job, Journal, Json
from eversince_async.journal.fields import Field
from eversince_async.orchestrator.desk import Desk, now
from eversince_async.orchestrator.effects import Effects
from eversince_async.orchestrator.events import Event, Waiting
from eversince_async.orchestrator.order import Terms
from eversince_async.orchestrator.steps import Steps
from eversince_async.pipelines import failures
from eversince_async.pipelines.calls import Branch, Call
from eversince_async.pipelines.events import StepBegan, StepEnded
from eversince_async.pipelines.hold import Hold
from eversince_async.pipelines.leaving import Leaving, Lost, Parked
from eversince_async.pipelines.ledger import Ledger
from eversince_async.pipelines.storing import Storing, Unstorable
from eversince_async.tasks import finish

SHORT: Final = 120.0
"""Seconds after it was told to stop for which a pipeline still waits for the end of a pause."""


@attrs.frozen(kw_only=True)
class Manner:
    """How a pipeline is run.

    Attributes:
        terms: On which terms its productions wait.
        emit: Told of what happens.
        is_followed: Whether somebody listens to that.
        waits: Whether it waits for approvals, or is left when it comes to one that is not there yet.
        began: Told of each production's steps.
        stopping_since: Since when, in loop time, it is to come to a stop; None: it is not to.
    """

    terms: Terms
    emit: Callable[[Event], object]
    is_followed: bool = False
    waits: bool = True
    began: Callable[[Steps], object] = lambda _: None
    stopping_since: Callable[[], float | None] = lambda: None


class Course:
    """One run of a pipeline's function, under a job that is ours.

    Attributes:
        desk: What to work with.
        journal: The journal.
        key: The job.
        manner: How it is run.
        hold: The job's lease.
        storing: Stores its results.
        root: The function's own branch.
    """

    def __init__(self, desk: Desk, journal: Journal, job: Job, manner: Manner) -> None:
        self.desk = desk
        self.journal = journal
        self.key = job.id
        self.manner = manner
        self.hold = Hold(journal, job.id, self._read)
        self.storing = Storing(desk)
        self._attempt = job.attempt
        self._failed = list[str]()
        self.root = Branch("", self._failed)
        self._ledger = Ledger(job.id, job.attempt)
        self._left_by: BaseException | None = None
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
                raise Lost("its lease has run out, and somebody else has taken it over") from None
            raise
        except BaseException:
            if self._left_by is not None:
                raise copy_of(self._left_by) from None
            raise
        finally:
            self.hold.is_over = True
        if self._left_by is not None:  # the function has taken it for something else
            raise copy_of(self._left_by)
        self._ledger.need_all_met()
        return result

    def _is_cancelled_otherwise(self) -> bool:
        """Whether somebody else has cancelled this task as well; takes back our own doing."""
        task = asyncio.current_task()
        assert task is not None
        return task.uncancel() > self._cancelling

    async def _read(self) -> None:
        self._ledger.read(await self.journal.effects(self.key))

    # -- Steps ------------------------------------------------------------------------------------------

    async def done(
        self,
        call: Call,
        body: Callable[[Effects, Effect], Awaitable[Any]],
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
            NotStorable: Its result cannot be stored.
            Exception: What the body raises, or raised in an earlier run.
        """
        step = self.known(call)
        if step is not None and step.state == "done":
            return self.remembered(call, step, kind)
        async with self.at_work():
            step = await self.begun(call, step)
            try:
                result = await body(self._effects(call, step), step)
            except EversinceError as failure:
                if not is_own_code and not isinstance(failure, JournalError):
                    await self.failed(step, failure)
                raise
            plain = await self.ended(call, step, result, kind)
        return self.storing.restored(plain, kind) if is_own_code else result

    def _effects(self, call: Call, step: Effect) -> Effects:
        return Effects(
            journal=self.journal, job_id=self.key, attempt=step.request["tries"], prefix=f"{call.name}:"
        )

    def known(self, call: Call) -> Effect | None:
        """What the journal knows of a step.

        Raises:
            PipelineChanged: Another step stands in the journal.
            Exception: It has failed, and is not tried again.
        """
        if self._left_by is not None:
            raise copy_of(self._left_by)  # many branches may come by here
        if self.hold.is_over:
            raise ConfigurationError(f"pipeline {self.key!r} is over; step {call.name!r} comes too late")
        try:
            step = self._ledger.known(call)
        except PipelineChanged as changed:
            self.leave(changed)
        if step is not None and step.state == "refused" and not self._ledger.is_tried_again(step):
            self._failed.append(step.name)
            raise failures.restored(Field.of(step, "result"))
        return step

    async def begun(self, call: Call, step: Effect | None, **more: Any) -> Effect:
        """Write down that a step is begun, or gone on with."""
        self._tell(StepBegan(at=now(), project_id=None, step=call.name, verb=call.verb))
        kind: EffectKind = "approval" if call.verb == "approval" else "step"
        if step is None:
            request = call.request(attempt=self._attempt, tries=1, **more)
            step = await self.journal.intent(self.key, kind, request, name=call.name)
        else:
            request = {**step.request, **more, "attempt": self._attempt, **_next_try(step)}
            step = await self.journal.intent_again(step, request=request)
        self._ledger.wrote(step)
        return step

    def ends(self, call: Call, *, remembered: bool = False) -> None:
        """Tell that a step is over."""
        ended = StepEnded(at=now(), project_id=None, step=call.name, verb=call.verb, remembered=remembered)
        self._tell(ended)

    async def ended(self, call: Call, step: Effect, result: Any, kind: Any) -> Json:
        """Write down what came of a step, and return what was stored of it."""
        try:
            plain = self.storing.kept(result, kind)
        except Unstorable as problem:
            self.leave(NotStorable(str(problem), key=self.key, step=call.name))
        self._ledger.wrote(await finish(self.journal.done(step, plain)))
        self.ends(call)
        return plain

    async def failed(self, step: Effect, failure: EversinceError) -> None:
        """Write down that a step has failed, if that does not pass."""
        if not failures.may_pass(failure):
            self._ledger.wrote(await finish(self.journal.refused(step, failures.told(failure))))
            self._failed.append(step.name)

    def remembered(self, call: Call, step: Effect, kind: Any) -> Any:
        """What an earlier run has come to.

        Raises:
            PipelineChanged: It is of another type.
        """
        try:
            result = self.storing.restored(step.result, kind)
        except Unstorable as problem:
            self.leave(
                PipelineChanged(
                    f"what step {call.name!r} of pipeline {self.key!r} has given is of another type than it "
                    f"was: {problem}",
                    key=self.key,
                    step=call.name,
                )
            )
        self.ends(call, remembered=True)
        return result

    # -- Leaving ----------------------------------------------------------------------------------------

    def leave(self, by: BaseException) -> NoReturn:
        """Leave the function, and let nothing more be done, whatever it makes of it."""
        self._left_by = self._left_by or by
        raise by

    @asynccontextmanager
    async def at_work(self) -> AsyncGenerator[None, None]:
        """While something is done: the lease is ours, and what goes wrong with the journal ends the run."""
        try:
            async with self.hold.at_work():
                yield
        except (Leaving, JournalError) as by:
            self._left_by = self._left_by or by
            raise

    def need_short_pause(self, until: datetime, left: float, call: Call) -> None:
        """Leave a pause that goes on for long after this was told to stop.

        Raises:
            Leaving: It ends more than `SHORT` seconds after that.
        """
        ends_at = now() + left
        stopping_since, draining_since = self.manner.stopping_since(), self.desk.underway.draining_since
        if stopping_since is not None and ends_at > stopping_since + SHORT:
            self.leave(Parked(SleepPending(until, key=self.key, step=call.name)))
        if draining_since is not None and ends_at > draining_since + SHORT:
            why = f"it sleeps until {until.isoformat(timespec='seconds')}"
            self.leave(Parked(ClientClosed(f"the client closes, and {why}", project_id=None)))

    async def rest(self, why: str) -> None:
        """Let others have the job, while nothing is done; see `Hold.rest`.

        Raises:
            Leaving: Somebody else has it already, or the client waits for this to end.
        """
        if self.desk.underway.draining_since is not None:
            self.leave(Parked(ClientClosed(f"the client closes, and {why}", project_id=None)))
        try:
            await self.hold.rest()
        except Leaving as by:
            self.leave(by)

    # -- Productions ------------------------------------------------------------------------------------

    @asynccontextmanager
    async def steps(
        self, effects: Effects, *, key: str, project_id: str | None = None
    ) -> AsyncGenerator[Steps, None]:
        """The steps of a project, told of, and with what can be bought when credits run out."""

        def tell(reason: WaitReason) -> None:
            self._tell(Waiting(at=now(), project_id=steps.project_id, reason=reason))

        steps = Steps(
            self.desk, self.manner.terms, self._tell, key=key, project_id=project_id, effects=effects
        )
        self.manner.began(steps)
        listening = self.desk.listening(key, tell) if self.manner.is_followed else nullcontext()
        with listening:
            async with self._alone(project_id or key), self.desk.helping_to_buy():
                yield steps

    def _alone(self, project_id: str) -> asyncio.Lock:
        """One step at a time works on a project: its agent takes one message after another."""
        return self._projects.setdefault(project_id, asyncio.Lock())

    def _tell(self, event: Event) -> None:
        self.manner.emit(event)


def _next_try(step: Effect) -> dict[str, Any]:
    """What is different when a step is done anew, of which nothing is to be had; else it is gone on with."""
    if step.state != "refused" or step.result["type"] not in failures.NEEDS_ANOTHER_TRY:
        return {}
    another: dict[str, Any] = {"tries": step.request["tries"] + 1}
    if step.result["type"] == RenderProducedNothing.__name__:
        another["project_id"] = step.result.get("facts", {}).get("project_id")
    return another
