"""The journal's interface, as orchestrators need it.

The interface is the same wherever the journal is kept. For everything for which the server has no idempotency
key, its protocol is:

1. `intent`: before sending, durably, with the baseline: the state of the server until then.
2. Send the request.
3. `done`: with the result and the job's next stage, in one transaction.

A run may find an intent without an outcome that it did not write itself (`effect.incarnation` is not
`journal.incarnation`). It waits until the request of that time must have arrived or died, looks, and either
records `adopted`, or records an `intent_again` and sends. If looking cannot tell, the effect is `in_doubt`: a
person has to look, and reports by `decide` what they have found.
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

    When a method returns, its change is durable. A cancelled call has happened entirely or not at all; a
    lease that was just granted is given back. Several processes may share a journal: only the run that holds
    a job's lease writes to the job, so most methods raise `JournalLocked` to any other run.

    All methods raise `JournalError`, which says what is wrong and what to do: the job or effect does not
    exist, is not in a state for this call, or the storage failed; then nothing has been written.
    """

    @property
    def incarnation(self) -> str:
        """The name of this run, in leases and intents.

        It is another one each time the journal is opened.
        """
        ...

    async def open(self) -> None:
        """Open the journal, or create it.

        `async with journal` does so, too.
        """
        ...

    async def aclose(self) -> None:
        """Finish the calls that have begun, and close the journal.

        Leases stay until they run out: release them before.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    # -- Jobs -------------------------------------------------------------------------------------------

    async def put(
        self, job_id: str, spec: Json, *, stage: str = "new", not_before: datetime | None = None
    ) -> Job:
        """Create a job, or return the existing one of this name.

        The call needs no lease.

        Args:
            job_id: The job's name.
            spec: The work that is requested. Secrets in it are not stored.
            stage: The stage of a new job.
            not_before: The time at which a new job is due; None: at once.

        Raises:
            SpecChanged: The job exists with another spec; the error says what is different.
        """
        ...

    async def load(self, job_id: str) -> Job | None:
        """Return the job of that name; None if there is none."""
        ...

    async def change(self, job_id: str, change: JobChange) -> Job:
        """Change a job whose lease this run holds, without an effect.

        Raises:
            JournalLocked: This run does not hold the lease.
            BelongsToAnother: The project belongs to another job.
        """
        ...

    def jobs(self, *stages: str, due: bool = False) -> AsyncIterator[Job]:
        """Iterate over all jobs, or those of some stages.

        The jobs come in the order of their creation. They are read in pages: a change that is made meanwhile
        may be seen or not, but no job is seen twice.

        Args:
            *stages: The stages of the jobs; all stages by default.
            due: True to return only jobs whose `not_before` has come.
        """
        ...

    async def counts(self) -> Mapping[str, int]:
        """Return the number of jobs in each stage that has any."""
        ...

    # -- Leases -----------------------------------------------------------------------------------------

    async def acquire(self, job_id: str, seconds: float = LEASE_SECONDS) -> Job:
        """Lease a job, so that no other run works on it.

        A lease that has run out, or whose owner is known to have died, is taken over.

        Raises:
            JournalLocked: Another run works on the job, or another task of this process.
        """
        ...

    async def take(self, *stages: str, seconds: float = LEASE_SECONDS, limit: int = 1) -> list[Job]:
        """Lease jobs of these stages that are due and free.

        A job is free if no process works on it.

        Args:
            *stages: The stages; jobs of the first stage come first, then those of the next.
            seconds: Duration of the leases, in seconds.
            limit: The largest number of jobs to lease.
        """
        ...

    async def renew(self, job_ids: Iterable[str], seconds: float = LEASE_SECONDS) -> frozenset[str]:
        """Prolong leases to a number of seconds from now.

        Returns:
            The jobs whose leases this run still holds.
        """
        ...

    async def release(self, job_id: str) -> None:
        """Release a lease that this run holds.

        Others may then take up the job at once. The call does nothing if this run does not hold the lease.
        """
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
        """Record an intent before its request is sent.

        Send the request only after this call has returned.

        Args:
            job_id: A job whose lease this run holds.
            kind: The kind of effect.
            request: The request, or enough of it to recognise its outcome on the server.
            name: The effect's name within the job, unique among its effects; by default the kind.
            baseline: The state of the server before.
            lease: Seconds for which the lease lasts at least: longer than the request may take.

        Raises:
            ShareInProgress: The effect is a share, and the outcome of another share is not yet known.
            JournalLocked: This run does not hold the lease.
            JournalError: The job has an effect of this name.
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
        """Record the intent to try an effect once more.

        The last try came to nothing.

        Args:
            effect: An effect that was refused, or whose outcome is unknown.
            request: The request of this try, if not the same.
            baseline: The state of the server before this try, if not the same.
            lease: As for `intent`.

        Raises:
            ShareInProgress: As for `intent`.
            JournalLocked: This run does not hold the lease.
            JournalError: The effect happened, or another process took it up meanwhile.
        """
        ...

    async def done(
        self, effect: Effect, result: Json = None, *, claim: str | None = None, job: JobChange = NO_CHANGE
    ) -> Effect:
        """Record that an effect happened: the response was read.

        The job changes in the same transaction.

        Args:
            effect: An effect whose outcome was unknown.
            result: The result of the effect.
            claim: The thing that the effect made on the server: a project's id, a share's URL, a message's
                id.
            job: The change of the job.

        Raises:
            JournalLocked: This run no longer holds the lease: the run that holds it will find and adopt the
                effect.
            JournalError: The outcome is known already.
            BelongsToAnother: The claim is another effect's.
        """
        ...

    async def adopted(
        self, effect: Effect, result: Json = None, *, claim: str | None = None, job: JobChange = NO_CHANGE
    ) -> Effect:
        """Record that an effect happened: it was found on the server.

        Otherwise as `done`.
        """
        ...

    async def refused(self, effect: Effect, result: Json = None, *, job: JobChange = NO_CHANGE) -> Effect:
        """Record that an effect definitely did not happen.

        The effect's claim, if it had one, is free again. Otherwise as `done`.
        """
        ...

    async def in_doubt(self, effect: Effect, result: Json = None, *, job: JobChange = NO_CHANGE) -> Effect:
        """Record that looking cannot tell whether an effect happened.

        A person has to look. Otherwise as `done`.
        """
        ...

    async def claim(self, effect: Effect, what: str) -> bool:
        """Claim something that was found on the server.

        An effect has one claim at most: once it has one, it gets no other.

        Returns:
            False if the thing belongs to another effect.

        Raises:
            JournalLocked: This run does not hold the lease.
        """
        ...

    async def claimant(self, what: str) -> tuple[str, str] | None:
        """Return the effect to which something on the server belongs.

        Returns:
            The job's id and the effect's name; None if it belongs to no effect.
        """
        ...

    async def effect(self, job_id: str, name: str) -> Effect | None:
        """Return the effect of that name; None if there is none."""
        ...

    async def effects(self, job_id: str) -> list[Effect]:
        """List all effects of a job, by their first intents."""
        ...

    async def open_creates(self) -> list[Effect]:
        """List the creates whose outcome is unknown, those in doubt included.

        They come in the order of their last intents. A failed project that may belong to one of them may
        belong to another as well: see `orchestrator.create`.
        """
        ...

    async def decide(
        self, job_id: str, name: str, result: Json = None, *, claim: str | None = None
    ) -> Effect:
        """Settle an effect in doubt, as a person has found out.

        Any process may do so.

        Args:
            job_id: The effect's job.
            name: The effect's name.
            result: The result of the effect.
            claim: The thing that the effect has made on the server; None if the effect did not happen.

        Raises:
            JournalLocked: Another run works on the job.
            JournalError: The effect is not in doubt, or the claim belongs to another effect.
        """
        ...

    async def answer(self, job_id: str, name: str, value: Json) -> Effect:
        """Answer an approval that a job waits for, from any process.

        The job is due at once.

        Raises:
            JournalError: The job does not wait for that approval, or it has been answered.
        """
        ...

    async def changes(self) -> int:
        """Return the number of changes of jobs so far, by all processes.

        A job with a smaller or the same `updated_change` changed before, and one with a greater after. No
        clock has a part in that.
        """
        ...

    async def spent(self, kind: QuotaKind, since: datetime) -> list[datetime]:
        """List the times of creates or renders since a time.

        The times come oldest first, to seed the governor's quotas. Effects that perhaps took place count as
        well. Times are by the present wall clock, regardless of its setting then, as far as that can be told;
        none lies in the future.
        """
        ...

    async def noted(self, name: str) -> Json:
        """Return the note under a name; None if there is none.

        Any process may have stored it.
        """
        ...

    async def note(self, name: str, value: Json) -> None:
        """Store a note that belongs to no job.

        It replaces an earlier note under that name.
        """
        ...

    async def change_note(self, name: str, change: Callable[[Json], Json]) -> Json:
        """Replace a note by a function of it, in one transaction.

        No other process writes in between.

        Args:
            name: The note's name.
            change: A function that gets the present note (None if there is none) and returns the new one; it
                is quick and without effects of its own, as it may be called in another thread.

        Returns:
            The new note.
        """
        ...
