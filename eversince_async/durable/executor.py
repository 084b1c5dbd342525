"""Effects: each thing done to the server, written down before and after, so that it is done once.

The protocol is the journal's (`eversince_async.journal`); this is the one place that keeps it:

1. the intent, durably, when the request has its departure and nothing is left to wait for;
2. send;
3. what came of it, and where the job stands now.

Whoever finds an intent of an older run waits until its request must have arrived or died, looks for what it
would have brought about, and adopts that or sends again, under a new intent. In the run that wrote it, an
intent costs nothing but the write: there are no requests but those that are needed anyway.

Without a journal a deed is just done, and what is in doubt is found out within the process.
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
"""Seconds a job's lease lives on after an intent: longer than a request may take and its traces need."""

MAX_INTENT_DELAY: Final = 30.0
"""Seconds that may pass until an intent is written. After more, the lease may be gone before it is sent.

Nothing helps against a sleep that begins in the milliseconds after that and outlasts the lease, while another
process shares the journal: the server takes no fencing token.
"""


@attrs.frozen(kw_only=True)
class EffectExecutor:
    """What one piece of work does to the server.

    Attributes:
        journal: Where it is written down; None: nowhere.
        job_id: The job, which must be ours; see `Journal.acquire`.
        attempt: Which attempt of the job this is: each has effects of its own.
        prefix: What all names begin with, where a job makes several productions; empty where it makes one.
    """

    journal: Journal | None = None
    job_id: str = ""
    attempt: int = 1
    prefix: str = ""

    @asynccontextmanager
    async def begin(
        self, kind: EffectKind, request: Json = None, *, name: str | None = None, baseline: Json = None
    ) -> "AsyncGenerator[EffectExecution, None]":
        """Do something once.

        Inside the block: if the deed `is_over`, take its `result`; else `find` it, if it is in doubt, or
        `send` it, and say `ended`. A definite refusal that leaves the block is written down; everything else
        leaves it in doubt, for the next run to find out. What looking cannot tell is for a person to decide:
        see `eversince.decide`.

        Args:
            kind: What it is.
            request: What is sent, or enough of it to recognise it on the server.
            name: Its name within the job, if that does several of a kind.
            baseline: What the server showed before.

        Raises:
            JournalError: It cannot be written down; then nothing is sent.
            InDoubt: Looking cannot tell whether it happened.
            BelongsToAnother: What came of it is another's, so this has not happened.
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
        """What there was to be seen when this was asked for first, however often it is asked again.

        Args:
            name: Its name within the job.
            observe: Looks; only reads.
            read: Reads what it saw from the journal.
        """
        if self.journal is None:
            return await observe()
        async with self.begin("step", name=name) as execution:
            if not execution.is_done:
                seen = await observe()
                await execution.record_intent()
                await execution.record_done(seen)
            return read(execution.field("result"))

    async def is_open(self, name: str) -> bool:
        """Whether something is written down of which nobody has found out yet whether it has happened."""
        entry = (
            None if self.journal is None else await self.journal.effect(self.job_id, self._effect_name(name))
        )
        return entry is not None and entry.is_open

    async def project_id(self) -> str | None:
        """The project that was created under this, as far as that is known."""
        if self.journal is None:
            return None
        created = await self.journal.effect(self.job_id, self._effect_name("create"))
        if created is None or created.result is None:
            return None
        known = Field.of(created, "result").get("id")
        return None if known is None else known.text()

    def job_change_for(self, project_id: str) -> JobChange:
        """What its project changes about the job: where a job makes several, none of them is the job's."""
        return NO_CHANGE if self.prefix else JobChange(project_id=project_id)

    @property
    def place(self) -> str | None:
        """What the slot of its production is known by to later runs; None: they learn nothing of it."""
        return None if self.journal is None else place_of(self.job_id, self.prefix)

    def _effect_name(self, name: str) -> str:
        known_as = f"{self.prefix}{name}"
        return f"{known_as}/{self.attempt}" if self.attempt > 1 else known_as


def place_of(job_id: str, effect: str) -> str:
    """What the slot of a production is known by, of which an effect is or which an effect's name begins."""
    return f"{job_id}/{effect.rpartition(':')[0]}"


class EffectExecution:
    """One effect on its way.

    Attributes:
        entry: It, as it stands in the journal; None while it does not.
        in_doubt_since: Since when it may have happened, in loop time; None when that is not in doubt.
        may_arrive_late: Whether, if it is in doubt, its request may well be on its way still.
        may_have_left: Whether what was sent last has left, and no answer has said that it was not done.
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
        """One that stands in a journal, of a job that is ours."""
        effects = EffectExecutor(journal=journal, job_id=entry.job_id)
        return cls(effects, entry.kind, entry.name, entry.request, entry.baseline, entry)

    @property
    def journal(self) -> Journal | None:
        """Where it is written down."""
        return self._effects.journal

    @property
    def is_done(self) -> bool:
        """Whether it has happened: `result` says what came of it."""
        return self.record is not None and self.record.state in {"done", "adopted"}

    def field(self, column: str) -> Field:
        """A column of its row, which stands in the journal."""
        assert self.record is not None, "nothing is written down"
        return Field.of(self.record, column)

    @property
    def request(self) -> Json:
        """What is sent: as it was written down if it is in doubt, else as it is given now."""
        return self._request if self.record is None or not self.record.is_open else self.record.request

    @property
    def baseline(self) -> Json:
        """What the server showed before: before the first try, if it is in doubt."""
        return self._baseline if self.record is None or not self.record.is_open else self.record.baseline

    async def send(
        self,
        access: ApiAccess,
        call: Callable[[Resources], Awaitable[R]],
        *,
        lane: Lane = Lane.WORK,
        on_send: Callable[[], object] | None = None,
    ) -> R:
        """Make the call that does it, written down at each departure.

        The call repeats nothing that may have happened: it raises, for the caller to look first.

        Args:
            access: What to work with.
            call: Makes the call, with these resources.
            lane: Whose turn it waits for.
            on_send: Called when it is about to leave.

        Raises:
            EversinceError: As the call does.
        """
        doubt: EversinceError | None = None

        def will_be_repeated(record: RetryScheduled) -> None:
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
            return await call(access.with_intent_hook(record_intent, will_be_repeated, lane))
        except EversinceError as failure:
            if doubt is not None or outcome_is_unknown(
                failure
            ):  # what was to be repeated may not have come to that
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
        """Have something called meanwhile each time it is sent, in the moment of its departure.

        Until then nothing has happened: who is cancelled before gives back what was taken for it.

        Args:
            may_leave: Called when its turn has come, before it is written down; what it raises keeps it back.
            leaves: Called when nothing keeps it back any more.
        """
        outer = self._at_departure
        self._at_departure = (*outer, (may_leave, leaves))
        try:
            yield
        finally:
            self._at_departure = outer

    async def confirm(self, access: ApiAccess, effect: Callable[[], Awaitable[R | None]]) -> R | None:
        """Look for what it would have brought about, until it must have arrived or died.

        None: it did not happen; then it may be sent again.
        """
        assert self.in_doubt_since is not None
        found = await wait_for_effect(access, effect, CONFIRM_DELAYS, failed_at=self.in_doubt_since)
        if found is None:
            self.in_doubt_since = None
        return found

    def set_baseline(self, baseline: Json) -> None:
        """Say what the server shows before, once that is known, and before it is sent."""
        self._baseline = baseline

    def goes_on_from(self, before: "EffectExecution") -> None:
        """Find out first whether an earlier try of this process has happened, of which nothing is written."""
        if self.record is None:
            self._baseline, self.in_doubt_since = before.baseline, before.in_doubt_since

    def is_in_doubt(self, left_at: float) -> bool:
        """Whether it may have happened, although whoever did it has left at this moment of the loop."""
        if self.may_have_left and self.in_doubt_since is None:
            self.in_doubt_since = left_at
        return self.in_doubt_since is not None

    async def record_intent(self) -> None:
        """Write down that it is about to be done."""
        journal = self._effects.journal
        if journal is None:
            return
        while True:
            before = clock.moment()
            await self._intend(journal)
            # A laptop may have slept meanwhile, for longer than the lease lives: is the job still ours?
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
        """Write down what came of it, and where the job stands now.

        Raises:
            JournalError: Another effect has what it claims.
        """
        journal = self._effects.journal
        if journal is None or self.is_done:
            return
        assert self.record is not None, "nothing was sent"
        end = journal.done if self._departures else journal.adopted
        self.record = await finish(end(self.record, result, claim=claim, job=job))

    async def record_refused(self, failure: EversinceError) -> None:
        """Write down a refusal, if it is one, and if no earlier try is in doubt."""
        journal = self._effects.journal
        if journal is None or self.record is None or not self.record.is_open:
            return
        if failure is self._refusal and self.in_doubt_since is None:
            self.record = await finish(journal.refused(self.record, {"error": str(failure)}))

    async def record_not_done(self) -> None:
        """Write down that it has been looked for, and is not there."""
        if self._effects.journal is not None and self.record is not None and self.record.is_open:
            self.record = await self._effects.journal.refused(self.record)
            self.in_doubt_since = None

    async def record_in_doubt(self, why: AmbiguousOutcome) -> EversinceError:
        """Write down that looking does not tell what became of it; return what is to be raised for it."""
        if self._effects.journal is None or self.record is None:
            return OutcomeUnknown(why.reason, endpoint=why.endpoint, find_out=why.find_out)
        self.record = await self._effects.journal.in_doubt(self.record, {"candidates": why.candidates})
        key = self._effects.job_id
        return InDoubt(
            f"nobody can tell but you whether {self._name!r} of {key!r} has happened: {why.reason}; "
            f"{why.find_out}; then say what you have found by eversince.decide({key!r}, …), and run it again",
            key=key,
            effect=self._name,
            candidates=why.candidates,
        )

    def matches(self, entry: Effect) -> bool:
        """Whether this is that entry of the journal."""
        return (self._effects.job_id, self._name) == (entry.job_id, entry.name)

    async def is_claimed_by_other(self, what: str) -> bool:
        """Whether something on the server is known to be another effect's."""
        if self._effects.journal is None:
            return False
        claimant = await self._effects.journal.claimant(what)
        return claimant not in {None, (self._effects.job_id, self._name)}
