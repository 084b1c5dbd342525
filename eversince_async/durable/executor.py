"""The execution of effects: each is recorded and happens once.

An effect is one thing done to the server. The protocol is the journal's (`eversince_async.journal`); this
module is the one place that keeps it:

1. Record the intent, durably, when the request has its departure and nothing is left to wait for.
2. Send the request.
3. Record the outcome, together with the job's progress.

A run that finds an intent of an older run waits until that request must have arrived or died, looks for its
effect, and either adopts the effect or sends again, under a new intent. In the run that wrote it, an intent
costs nothing but the write: no requests are made but those that are needed anyway.

Without a journal an effect is just done, and a doubt is cleared up within the process.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar

import attrs

from eversince_async import clock
from eversince_async.durable.api import ApiAccess, loop_time
from eversince_async.durable.confirm import CONFIRM_DELAYS, wait_for_effect
from eversince_async.durable.doubt import AmbiguousOutcome, may_arrive_late, outcome_is_unknown
from eversince_async.errors import BelongsToAnother, EversinceError, InDoubt, OutcomeUnknown
from eversince_async.governor import Lane
from eversince_async.journal import NO_CHANGE, Effect, EffectKind, JobChange, Journal, Json
from eversince_async.journal.fields import Field
from eversince_async.resources import Resources
from eversince_async.session.hooks import RetryScheduled
from eversince_async.tasks import finish

R = TypeVar("R")

EFFECT_LEASE: Final = 180.0
"""Seconds for which a job's lease lasts after an intent.

That is longer than a request can take plus the time until its effect is visible."""

MAX_INTENT_DELAY: Final = 30.0
"""Seconds within which an intent must be written.

After more, the lease may be gone before the request is sent. Nothing helps against a sleep that begins in the
milliseconds after that and outlasts the lease, while another process shares the journal: the server takes no
fencing token."""


@attrs.frozen(kw_only=True)
class EffectExecutor:
    """The effects of one piece of work on the server.

    Attributes:
        journal: The journal that records the effects; None records nothing.
        job_id: The job, whose lease this run must hold; see `Journal.acquire`.
        attempt: The number of the job's attempt: each attempt has effects of its own.
        prefix: The prefix of all effect names, if a job makes several productions; empty if it makes one.
    """

    journal: Journal | None = None
    job_id: str = ""
    attempt: int = 1
    prefix: str = ""

    @asynccontextmanager
    async def begin(
        self, kind: EffectKind, request: Json = None, *, name: str | None = None, baseline: Json = None
    ) -> "AsyncGenerator[EffectExecution, None]":
        """Execute an effect once.

        Inside the block: if the execution `is_done`, use the result in its `record`; else `confirm` the
        effect if it is in doubt, or `send` the request, and call `record_done`. A definite refusal that
        leaves the block is recorded; every other error leaves the effect in doubt, for the next run to find
        out. If looking cannot tell, a person has to decide: see `eversince.decide`.

        Args:
            kind: The kind of effect.
            request: The request, or enough of it to recognise its effect on the server.
            name: The effect's name within the job, if the job does several of a kind.
            baseline: The state of the server before.

        Raises:
            JournalError: The intent cannot be recorded; then nothing is sent.
            InDoubt: Looking cannot tell whether the effect happened.
            BelongsToAnother: The thing on the server belongs to another effect, so this one has not happened.
        """
        known_as = self._effect_name(name or kind)
        entry = None if self.journal is None else await self.journal.effect(self.job_id, known_as)
        execution = EffectExecution(self, kind, known_as, request, baseline, entry)
        try:
            yield execution
        except AmbiguousOutcome as failure:
            raise await execution.record_in_doubt(failure) from failure
        except BelongsToAnother:
            await execution.record_not_done()
            raise
        except EversinceError as failure:
            await execution.record_refused(failure)
            raise

    async def checkpoint(
        self, name: str, observe: Callable[[], Awaitable[R]], read: Callable[[Field], R]
    ) -> R:
        """Return the observation of the first call, in later runs too.

        Args:
            name: The observation's name within the job.
            observe: A function that observes; it only reads.
            read: A function that reads the observation from the journal.
        """
        if self.journal is None:
            return await observe()
        async with self.begin("step", name=name) as execution:
            if not execution.is_done:
                observation = await observe()
                await execution.record_intent()
                await execution.record_done(observation)
            return read(execution.field("result"))

    async def is_open(self, name: str) -> bool:
        """Return True if an effect is recorded whose outcome is unknown."""
        entry = (
            None if self.journal is None else await self.journal.effect(self.job_id, self._effect_name(name))
        )
        return entry is not None and entry.is_open

    async def project_id(self) -> str | None:
        """Return the project that this job has created, if known."""
        if self.journal is None:
            return None
        create = await self.journal.effect(self.job_id, self._effect_name("create"))
        if create is None or create.result is None:
            return None
        field = Field.of(create, "result").get("id")
        return None if field is None else field.text()

    def job_change_for(self, project_id: str) -> JobChange:
        """Return the change of the job that a project brings.

        If a job makes several projects, none of them is the job's.
        """
        return NO_CHANGE if self.prefix else JobChange(project_id=project_id)

    @property
    def place(self) -> str | None:
        """The name of the production's slot for later runs.

        None without a journal: later runs learn nothing of the slot.
        """
        return None if self.journal is None else place_of(self.job_id, self.prefix)

    def _effect_name(self, name: str) -> str:
        known_as = f"{self.prefix}{name}"
        return f"{known_as}/{self.attempt}" if self.attempt > 1 else known_as


def place_of(job_id: str, effect: str) -> str:
    """Return the name of a production's slot.

    Args:
        job_id: The job.
        effect: The name of an effect of the production, or the prefix of its effects' names.
    """
    return f"{job_id}/{effect.rpartition(':')[0]}"


class EffectExecution:
    """One execution of an effect.

    Attributes:
        record: The effect's record in the journal; None before the first intent.
        in_doubt_since: The time since when the effect may have happened, in loop time; None if it is not in
            doubt.
        may_arrive_late: True if, when the effect is in doubt, its request may still be on its way.
        may_have_left: True if the last request has left, and no response has said that it was not carried
            out.
    """

    __slots__ = (
        "_at_departure",
        "_baseline",
        "_departures",
        "_effects",
        "_kind",
        "_name",
        "_refusal",
        "_request",
        "in_doubt_since",
        "may_arrive_late",
        "may_have_left",
        "record",
    )

    def __init__(
        self,
        effects: EffectExecutor,
        kind: EffectKind,
        name: str,
        request: Json,
        baseline: Json,
        entry: Effect | None,
    ) -> None:
        self._effects = effects
        self._kind: EffectKind = kind
        self._name = name
        self._request = request
        self._baseline = baseline
        self._departures = 0
        self._refusal: EversinceError | None = None
        self.record = entry
        self.in_doubt_since: float | None = None
        self.may_arrive_late = False
        self.may_have_left = False
        self._at_departure: tuple[tuple[Callable[[], object], Callable[[], object]], ...] = ()
        if entry is not None and entry.is_open:
            self.in_doubt_since = loop_time() - clock.certain_age(entry.intent_moment, entry.intent_at)

    @classmethod
    def from_record(cls, journal: Journal, entry: Effect) -> "EffectExecution":
        """Return the execution of a recorded effect.

        This run must hold the lease of its job.
        """
        effects = EffectExecutor(journal=journal, job_id=entry.job_id)
        return cls(effects, entry.kind, entry.name, entry.request, entry.baseline, entry)

    @property
    def journal(self) -> Journal | None:
        """The journal that records the effect; None without one."""
        return self._effects.journal

    @property
    def is_done(self) -> bool:
        """True if the effect has happened.

        Its record then holds the result.
        """
        return self.record is not None and self.record.state in {"done", "adopted"}

    def field(self, column: str) -> Field:
        """Return a column of the effect's record in the journal."""
        assert self.record is not None, "nothing is written down"
        return Field.of(self.record, column)

    @property
    def request(self) -> Json:
        """The request to send.

        If the effect is in doubt, it is the recorded request; else the request given now.
        """
        return self._request if self.record is None or not self.record.is_open else self.record.request

    @property
    def baseline(self) -> Json:
        """The state of the server before the effect.

        If the effect is in doubt, it is the state before the first try.
        """
        return self._baseline if self.record is None or not self.record.is_open else self.record.baseline

    async def send(
        self,
        access: ApiAccess,
        call: Callable[[Resources], Awaitable[R]],
        *,
        lane: Lane = Lane.WORK,
        on_send: Callable[[], object] | None = None,
    ) -> R:
        """Make the call that executes the effect.

        An intent is recorded at each departure. The call repeats nothing that may have happened: it raises,
        so that the caller looks first.

        Args:
            access: The API.
            call: A function that makes the call, with the given resources.
            lane: The lane in which the call waits for its turn.
            on_send: A callback for the moment when the request is about to leave.

        Raises:
            EversinceError: As the call raises it.
        """
        doubt: EversinceError | None = None

        def note_retry(record: RetryScheduled) -> None:
            nonlocal doubt
            if outcome_is_unknown(record.error):
                doubt = record.error
            else:
                self.may_have_left = False

        async def record_intent() -> None:
            if doubt is not None:
                raise doubt
            for may_leave, _ in self._at_departure:
                may_leave()
            await self.record_intent()
            self.may_have_left = True
            for _, leaves in self._at_departure:
                leaves()
            if on_send is not None:
                on_send()

        try:
            return await call(access.with_intent_hook(record_intent, note_retry, lane))
        except EversinceError as failure:
            # A retry that was scheduled may not have been made.
            if doubt is not None or outcome_is_unknown(failure):
                self.in_doubt_since = loop_time()
                self.may_arrive_late = self.may_arrive_late or may_arrive_late(doubt or failure)
            else:
                self.may_have_left = False
                self._refusal = failure
            raise

    @contextmanager
    def at_departure(
        self, may_leave: Callable[[], object], leaves: Callable[[], object] = lambda: None
    ) -> Generator[None, None, None]:
        """Call functions at each departure of a request, inside the block.

        Until the departure nothing has happened: a caller that is cancelled before it gives back what was
        taken for the effect.

        Args:
            may_leave: Called when the request's turn has come, before its intent is recorded; an error that
                it raises keeps the request back.
            leaves: Called when nothing keeps the request back any more.
        """
        outer = self._at_departure
        self._at_departure = (*outer, (may_leave, leaves))
        try:
            yield
        finally:
            self._at_departure = outer

    async def confirm(self, access: ApiAccess, effect: Callable[[], Awaitable[R | None]]) -> R | None:
        """Look for the effect until its request must have arrived or died.

        Returns:
            The effect; None if it did not happen, so that it may be sent again.
        """
        assert self.in_doubt_since is not None
        found = await wait_for_effect(access, effect, CONFIRM_DELAYS, failed_at=self.in_doubt_since)
        if found is None:
            self.in_doubt_since = None
        return found

    def set_baseline(self, baseline: Json) -> None:
        """Set the state of the server before the effect.

        Call this once the state is known, and before the request is sent.
        """
        self._baseline = baseline

    def goes_on_from(self, before: "EffectExecution") -> None:
        """Continue from an earlier try of this process that was not recorded.

        The effect is in doubt as it was, so that the caller first finds out whether that try has happened.
        """
        if self.record is None:
            self._baseline, self.in_doubt_since = before.baseline, before.in_doubt_since

    def is_in_doubt(self, left_at: float) -> bool:
        """Return True if the effect may have happened.

        If its request may have left and the caller left at this moment, the effect is in doubt from then on.

        Args:
            left_at: The time at which the caller left, in loop time.
        """
        if self.may_have_left and self.in_doubt_since is None:
            self.in_doubt_since = left_at
        return self.in_doubt_since is not None

    async def record_intent(self) -> None:
        """Record the intent to execute the effect."""
        journal = self._effects.journal
        if journal is None:
            return
        while True:
            before = clock.moment()
            await self._intend(journal)
            # A laptop may have slept meanwhile, for longer than the lease lasts: another intent checks it.
            if (clock.elapsed(before) or 0.0) < MAX_INTENT_DELAY:
                break
        self._departures += 1

    async def _intend(self, journal: Journal) -> None:
        if self.record is None:
            self.record = await journal.intent(
                self._effects.job_id,
                self._kind,
                self._request,
                name=self._name,
                baseline=self._baseline,
                lease=EFFECT_LEASE,
            )
        else:
            self.record = await journal.intent_again(
                self.record, request=self.request, baseline=self.baseline, lease=EFFECT_LEASE
            )

    async def record_done(
        self, result: Json = None, *, claim: str | None = None, job: JobChange = NO_CHANGE
    ) -> None:
        """Record the effect's result, together with its job's progress.

        Raises:
            JournalError: Another effect holds the claim.
        """
        journal = self._effects.journal
        if journal is None or self.is_done:
            return
        assert self.record is not None, "nothing was sent"
        end = journal.done if self._departures else journal.adopted
        self.record = await finish(end(self.record, result, claim=claim, job=job))

    async def record_refused(self, failure: EversinceError) -> None:
        """Record a refusal, unless an earlier try is in doubt.

        A failure that is no refusal is not recorded.
        """
        journal = self._effects.journal
        if journal is None or self.record is None or not self.record.is_open:
            return
        if failure is self._refusal and self.in_doubt_since is None:
            self.record = await finish(journal.refused(self.record, {"error": str(failure)}))

    async def record_not_done(self) -> None:
        """Record that the effect was looked for and did not happen."""
        if self._effects.journal is not None and self.record is not None and self.record.is_open:
            self.record = await self._effects.journal.refused(self.record)
            self.in_doubt_since = None

    async def record_in_doubt(self, why: AmbiguousOutcome) -> EversinceError:
        """Record that looking does not tell the outcome.

        Returns:
            The error to raise for it.
        """
        if self._effects.journal is None or self.record is None:
            return OutcomeUnknown(why.reason, endpoint=why.endpoint, find_out=why.find_out)
        self.record = await self._effects.journal.in_doubt(self.record, {"candidates": why.candidates})
        key = self._effects.job_id
        return InDoubt(
            f"only you can tell whether {self._name!r} of {key!r} has happened: {why.reason}; "
            f"{why.find_out}; then report it with eversince.decide({key!r}, …), and run it again",
            key=key,
            effect=self._name,
            candidates=why.candidates,
        )

    def matches(self, entry: Effect) -> bool:
        """Return True if a record is this effect's."""
        return (self._effects.job_id, self._name) == (entry.job_id, entry.name)

    async def is_claimed_by_other(self, what: str) -> bool:
        """Return True if another effect holds something on the server."""
        if self._effects.journal is None:
            return False
        claimant = await self._effects.journal.claimant(what)
        return claimant not in {None, (self._effects.job_id, self._name)}
