"""What orchestrators need of a journal, wherever it is kept.

The protocol that makes it worth having, for everything the server has no idempotency key for:

1. `intent`: before sending, durably, with the baseline: what the server showed until then.
2. send.
3. `done`: with the result and the job's next stage, in one transaction.

Whoever finds an intent without an outcome, and did not write it in this very run (`effect.incarnation` is
not `journal.incarnation`), waits until a request of then must have arrived or died, looks, and either says
`adopted`, or writes an `intent_again` and sends. If looking cannot tell, it is `in_doubt`: a person has to
look, and says by `decide` what they have found.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from eversince_async.journal.records import (
    LEASE_SECONDS,
    NO_CHANGE,
    Effect,
    EffectKind,
    Job,
    JobChange,
    Json,
    QuotaKind,
)
from eversince_async.models._unset import UNSET, Unset


class Journal(Protocol):
    """Jobs and effects that outlive the process.

    Every verb has happened durably when it returns. A cancelled one has happened entirely or not at all; a
    lease that was just granted is given back. Several processes may share a journal: a job is written to
    only by who has its lease, so most verbs raise `JournalLocked` to anybody else.

    All raise `JournalError`, which says what is wrong and what to do: the job or effect is not there, is
    not in a state for this, or the storage failed; then nothing has been written.
    """

    @property
    def incarnation(self) -> str:
        """This run's name, in leases and intents; another one each time the journal is opened."""
        ...

    async def open(self) -> None:
        """Open it, or create it; `async with journal` does, too."""
        ...

    async def aclose(self) -> None:
        """Finish what was begun, and close. Leases stay until they run out: release them before."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    # -- Jobs -------------------------------------------------------------------------------------------

    async def put(
        self, job_id: str, spec: Json, *, stage: str = "new", not_before: datetime | None = None
    ) -> Job:
        """Put a job, or get the one that is there under this name. Needs no lease.

        Args:
            job_id: Its name.
            spec: What is asked for. What is secret in it is not stored.
            stage: Where a new one begins.
            not_before: When a new one is due; None: at once.

        Raises:
            SpecChanged: There is one with another spec; says what is different.
        """
        ...

    async def load(self, job_id: str) -> Job | None:
        """The job of that name; None if there is none."""
        ...

    async def change(self, job_id: str, change: JobChange) -> Job:
        """Change a job that is ours, without an effect.

        Raises:
            JournalLocked: Its lease is not ours.
            BelongsToAnother: The project belongs to another job.
        """
        ...

    def jobs(self, *stages: str, due: bool = False) -> AsyncIterator[Job]:
        """All jobs, or those of these stages, in the order in which they were put.

        Read in pages: what changes meanwhile may be seen either way, but none is seen twice.

        Args:
            *stages: Only of these.
            due: Only those whose `not_before` has come.
        """
        ...

    async def counts(self) -> Mapping[str, int]:
        """How many jobs there are in each stage that has any."""
        ...

    # -- Leases -----------------------------------------------------------------------------------------

    async def acquire(self, job_id: str, seconds: float = LEASE_SECONDS) -> Job:
        """Lease a job: nobody else works on it meanwhile.

        A lease that has run out, or whose owner is known to have died, is taken over.

        Raises:
            JournalLocked: Somebody works on it, perhaps another task of this process.
        """
        ...

    async def take(self, *stages: str, seconds: float = LEASE_SECONDS, limit: int = 1) -> list[Job]:
        """Lease jobs of these stages that are due and that nobody works on.

        Args:
            *stages: Of the first of them first, then of the next.
            seconds: For how long.
            limit: At most so many.
        """
        ...

    async def renew(self, job_ids: Iterable[str], seconds: float = LEASE_SECONDS) -> frozenset[str]:
        """Prolong leases to so many seconds from now; those no longer ours are missing from the answer."""
        ...

    async def release(self, job_id: str) -> None:
        """Let go of a lease, if it is ours; for others to take up the job at once."""
        ...

    # -- Effects ----------------------------------------------------------------------------------------

    async def intent(
        self,
        job_id: str,
        kind: EffectKind,
        request: Json,
        *,
        name: str | None = None,
        baseline: Json = None,
        lease: float = LEASE_SECONDS,
    ) -> Effect:
        """Write down what is about to be sent; send only after this has returned.

        Args:
            job_id: A job that is ours.
            kind: What it is.
            request: What is sent, or enough of it to recognise it on the server.
            name: Its name within the job, another one for each effect; by default its kind.
            baseline: What the server showed before.
            lease: Seconds the lease lives on at least: longer than the request may take.

        Raises:
            ShareInProgress: It is a share, and another one is not yet known to be made or not.
            JournalLocked: The lease is not ours.
            JournalError: There is an effect of this name.
        """
        ...

    async def intent_again(
        self,
        effect: Effect,
        *,
        request: Json | Unset = UNSET,
        baseline: Json | Unset = UNSET,
        lease: float = LEASE_SECONDS,
    ) -> Effect:
        """Write down that an effect is about to be tried once more; the last try came to nothing.

        Args:
            effect: One that was refused, or whose outcome is not known.
            request: What is sent this time, if not the same.
            baseline: What the server showed before this time, if not the same.
            lease: As for `intent`.

        Raises:
            ShareInProgress: As for `intent`.
            JournalLocked: The lease is not ours.
            JournalError: It happened, or somebody took it up meanwhile.
        """
        ...

    async def done(
        self, effect: Effect, result: Json = None, *, claim: str | None = None, job: JobChange = NO_CHANGE
    ) -> Effect:
        """It happened: we read the answer. The job changes in the same transaction.

        Args:
            effect: One whose outcome was not known.
            result: What came of it.
            claim: What it made on the server: a project's id, a share's URL, a message's id.
            job: Where the job stands now.

        Raises:
            JournalLocked: The lease is no longer ours: whoever has it will find and adopt what we did.
            JournalError: Its outcome is known already.
            BelongsToAnother: What it claims is another effect's.
        """
        ...

    async def adopted(
        self, effect: Effect, result: Json = None, *, claim: str | None = None, job: JobChange = NO_CHANGE
    ) -> Effect:
        """It happened: we found it on the server. Otherwise as `done`."""
        ...

    async def refused(self, effect: Effect, result: Json = None, *, job: JobChange = NO_CHANGE) -> Effect:
        """It definitely did not happen; its claim, if it had one, is free again. Otherwise as `done`."""
        ...

    async def in_doubt(self, effect: Effect, result: Json = None, *, job: JobChange = NO_CHANGE) -> Effect:
        """Whether it happened cannot be told by looking; a person has to. Otherwise as `done`."""
        ...

    async def claim(self, effect: Effect, what: str) -> bool:
        """Claim something found on the server; False if it belongs to another effect.

        An effect has one claim at most: once it has one, it gets no other.

        Raises:
            JournalLocked: The lease is not ours.
        """
        ...

    async def claimant(self, what: str) -> tuple[str, str] | None:
        """The job and the name of the effect that something on the server belongs to; None: to none."""
        ...

    async def effect(self, job_id: str, name: str) -> Effect | None:
        """The effect of that name; None if there is none."""
        ...

    async def effects(self, job_id: str) -> list[Effect]:
        """All effects of a job, in the order of their first intents."""
        ...

    async def open_creates(self) -> list[Effect]:
        """Creates whose outcome is not known, those in doubt among them, by their last intents.

        A failed project that may be one's may be another's as well: see `orchestrator.creating`.
        """
        ...

    async def decide(
        self, job_id: str, name: str, result: Json = None, *, claim: str | None = None
    ) -> Effect:
        """Say what has become of an effect in doubt, which a person has found out; from any process.

        Args:
            job_id: Its job.
            name: Its name.
            result: What came of it.
            claim: What it has made on the server; None: nothing, it did not happen.

        Raises:
            JournalLocked: Somebody works on its job.
            JournalError: It is not in doubt, or what it is said to have made belongs to another effect.
        """
        ...

    async def answer(self, job_id: str, name: str, value: Json) -> Effect:
        """Answer an approval that a job waits for, from any process; the job is due at once.

        Raises:
            JournalError: It does not wait for that, or has been answered.
        """
        ...

    async def changes(self) -> int:
        """How many changes of jobs there were so far, by all processes.

        A job with a smaller or the same `updated_change` was before, and one with a greater after; no clock
        has a say in that.
        """
        ...

    async def spent(self, kind: QuotaKind, since: datetime) -> list[datetime]:
        """When creates or renders took place since then, oldest first, to seed the governor's quotas.

        What perhaps took place counts as well. Times are of the present wall clock, whatever it has shown
        then, as far as that can be told; nothing lies in the future.
        """
        ...

    async def noted(self, name: str) -> Json:
        """What was noted under a name, by any process; None: nothing."""
        ...

    async def note(self, name: str, value: Json) -> None:
        """Note something that belongs to no job, in place of what was noted under that name before."""
        ...

    async def change_note(self, name: str, change: Callable[[Json], Json]) -> Json:
        """Note what becomes of what was noted before; nobody else writes in between.

        Args:
            name: The note's name.
            change: Given what is noted now (None: nothing), returns what is to be; quick and without effects
                of its own, as it may be called in another thread.

        Returns:
            What is noted now.
        """
        ...
