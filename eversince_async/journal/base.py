"""The base class of all journals.

A storage supplies five methods, which run functions over its tables as transactions; everything else is the
same wherever a journal is kept. For everything for which the server has no idempotency
key, its protocol is:

1. `intent`: before sending, durably, with the baseline: the state of the server until then.
2. Send the request.
3. `done`: with the result and the job's next stage, in one transaction.

A run may find an intent without an outcome that it did not write itself (`effect.incarnation` is not
`journal.incarnation`). It waits until the request of that time must have arrived or died, looks, and either
records `adopted`, or records an `intent_again` and sends. If looking cannot tell, the effect is `in_doubt`: a
person has to look, and reports by `decide` what they have found.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Final, Self, TypeVar

from eversince_async import clock
from eversince_async.errors import ConfigurationError
from eversince_async.journal import transactions
from eversince_async.journal.owners import is_dead, new_incarnation
from eversince_async.journal.records import (
    LEASE_SECONDS,
    NO_CHANGE,
    Effect,
    EffectKind,
    EffectState,
    Job,
    JobChange,
    Json,
    QuotaKind,
)
from eversince_async.journal.redaction import claim_key, redact_observed
from eversince_async.journal.tables import Tables
from eversince_async.models._unset import UNSET, Unset
from eversince_async.streams import Pages

T = TypeVar("T")

PAGE_SIZE: Final = 200
"""The number of jobs that are read at once."""


class Journal(ABC):
    """Jobs and effects that outlive the process.

    When a method returns, its change is durable. A cancelled call has happened entirely or not at all; a
    lease that was just granted is given back. Several processes may share a journal: only the run that holds
    a job's lease writes to the job, so most methods raise `JournalLocked` to any other run.

    All methods raise `JournalError`, which says what is wrong and what to do: the job or effect does not
    exist, is not in a state for this call, or the storage failed; then nothing has been written.
    """

    def __init__(self) -> None:
        self._incarnation: str | None = None

    # -- What a storage supplies ------------------------------------------------------------------------

    @abstractmethod
    async def _open(self) -> None:
        """Prepare the storage for use."""

    @abstractmethod
    async def _close(self) -> None:
        """Finish the calls that have begun, and release the storage."""

    @abstractmethod
    async def _write(self, transaction: Callable[[Tables], T]) -> T:
        """Run a function that writes; return when the write is durable."""

    @abstractmethod
    async def _read(self, query: Callable[[Tables], T]) -> T:
        """Run a function that only reads.

        The function sees every write that was begun before.
        """

    @abstractmethod
    def _write_later(self, transaction: Callable[[Tables], object]) -> None:
        """Run a function that writes, without waiting for it.

        It runs after the writes that were begun before.
        """

    # -- Opening ----------------------------------------------------------------------------------------

    @property
    def incarnation(self) -> str:
        """The name of this run, in leases and intents.

        It is another one each time the journal is opened.
        """
        if self._incarnation is None:
            raise ConfigurationError("the journal is not open: use it inside `async with journal:`")
        return self._incarnation

    async def open(self) -> None:
        """Open the journal, or create it.

        `async with journal` does so, too.
        """
        if self._incarnation is not None:
            raise ConfigurationError("the journal is open already")
        await self._open()
        self._incarnation = new_incarnation()

    async def aclose(self) -> None:
        """Finish the calls that have begun, and close the journal.

        Leases stay until they run out: release them before. Closing twice does nothing.

        Raises:
            ConfigurationError: The journal was opened in another event loop or process, and stays open there.
        """
        incarnation, self._incarnation = self._incarnation, None
        if incarnation is not None:
            try:
                await self._close()
            except ConfigurationError:
                self._incarnation = incarnation
                raise

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _run(self) -> transactions.Incarnation:
        return transactions.Incarnation(self.incarnation, clock.now(), clock.moment(), is_dead)

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
        run = self._run()
        return await self._write(lambda rows: transactions.put(rows, run, job_id, spec, stage, not_before))

    async def load(self, job_id: str) -> Job | None:
        """Return the job of that name; None if there is none."""
        self._run()
        return await self._read(lambda rows: rows.job(job_id))

    async def change(self, job_id: str, change: JobChange) -> Job:
        """Change a job whose lease this run holds, without an effect.

        Raises:
            JournalLocked: This run does not hold the lease.
            BelongsToAnother: The project belongs to another job.
        """
        run = self._run()
        return await self._write(lambda rows: transactions.change(rows, run, job_id, change))

    def jobs(self, *stages: str, due: bool = False) -> AsyncIterator[Job]:
        """Iterate over all jobs, or those of some stages.

        The jobs come in the order of their creation. They are read in pages: a change that is made meanwhile
        may be seen or not, but no job is seen twice.

        Args:
            *stages: The stages of the jobs; all stages by default.
            due: True to return only jobs whose `not_before` has come.
        """
        due_at = self._run().now if due else None
        place: int | None = 0

        async def ask() -> Sequence[Job] | None:
            nonlocal place
            if place is None:
                return None
            after = place
            page = await self._read(
                lambda rows: rows.list_jobs(after, PAGE_SIZE, stages=stages, due_at=due_at)
            )
            place = page[-1][0] if len(page) == PAGE_SIZE else None
            return [job for _, job in page]

        return Pages(ask)

    async def counts(self) -> Mapping[str, int]:
        """Return the number of jobs in each stage that has any."""
        self._run()
        return await self._read(lambda rows: rows.counts())

    # -- Leases -----------------------------------------------------------------------------------------

    async def acquire(self, job_id: str, seconds: float = LEASE_SECONDS) -> Job:
        """Lease a job, so that no other run works on it.

        A lease that has run out, or whose owner is known to have died, is taken over.

        Raises:
            JournalLocked: Another run works on the job, or another task of this process.
        """
        run = self._run()
        (job,) = await self._lease(run, lambda rows: [transactions.acquire(rows, run, job_id, seconds)])
        return job

    async def take(self, *stages: str, seconds: float = LEASE_SECONDS, limit: int = 1) -> list[Job]:
        """Lease jobs of these stages that are due and free.

        A job is free if no process works on it.

        Args:
            *stages: The stages; jobs of the first stage come first, then those of the next.
            seconds: Duration of the leases, in seconds.
            limit: The largest number of jobs to lease.
        """
        run = self._run()
        return await self._lease(run, lambda rows: transactions.take(rows, run, stages, seconds, limit))

    async def _lease(self, run: transactions.Incarnation, lease: Callable[[Tables], list[Job]]) -> list[Job]:
        """Lease jobs, and release them again if the caller is cancelled."""
        leases: list[Job] = []

        def lease_jobs(rows: Tables) -> list[Job]:
            leases[:] = lease(rows)
            return list(leases)

        def give_back(rows: Tables) -> None:
            for job in leases:
                transactions.release(rows, run, job.id, job.lease_until)

        try:
            return await self._write(lease_jobs)
        except asyncio.CancelledError:
            self._write_later(give_back)
            raise

    async def renew(self, job_ids: Iterable[str], seconds: float = LEASE_SECONDS) -> frozenset[str]:
        """Prolong leases to a number of seconds from now.

        Returns:
            The jobs whose leases this run still holds.
        """
        run, names = self._run(), tuple(job_ids)
        return await self._write(lambda rows: transactions.renew(rows, run, names, seconds))

    async def release(self, job_id: str) -> None:
        """Release a lease that this run holds.

        Others may then take up the job at once. The call does nothing if this run does not hold the lease.
        """
        run = self._run()
        await self._write(lambda rows: transactions.release(rows, run, job_id))

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
        run, known_as = self._run(), kind if name is None else name
        return await self._write(
            lambda rows: transactions.intent(rows, run, job_id, kind, known_as, request, baseline, lease)
        )

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
        run = self._run()
        return await self._write(
            lambda rows: transactions.intent_again(rows, run, effect, request, baseline, lease)
        )

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
        return await self._finish(effect, "done", result, claim, job)

    async def adopted(
        self, effect: Effect, result: Json = None, *, claim: str | None = None, job: JobChange = NO_CHANGE
    ) -> Effect:
        """Record that an effect happened: it was found on the server.

        Otherwise as `done`.
        """
        return await self._finish(effect, "adopted", result, claim, job)

    async def refused(self, effect: Effect, result: Json = None, *, job: JobChange = NO_CHANGE) -> Effect:
        """Record that an effect definitely did not happen.

        The effect's claim, if it had one, is free again. Otherwise as `done`.
        """
        return await self._finish(effect, "refused", result, None, job)

    async def in_doubt(self, effect: Effect, result: Json = None, *, job: JobChange = NO_CHANGE) -> Effect:
        """Record that looking cannot tell whether an effect happened.

        A person has to look. Otherwise as `done`.
        """
        return await self._finish(effect, "in_doubt", result, None, job)

    async def _finish(
        self, effect: Effect, state: EffectState, result: Json, claim: str | None, job: JobChange
    ) -> Effect:
        run = self._run()
        return await self._write(
            lambda rows: transactions.finish_effect(rows, run, effect, state, result, claim, job)
        )

    async def claim(self, effect: Effect, what: str) -> bool:
        """Claim something that was found on the server.

        An effect has one claim at most: once it has one, it gets no other.

        Returns:
            False if the thing belongs to another effect.

        Raises:
            JournalLocked: This run does not hold the lease.
        """
        run = self._run()
        return await self._write(lambda rows: transactions.claim(rows, run, effect, what))

    async def claimant(self, what: str) -> tuple[str, str] | None:
        """Return the effect to which something on the server belongs.

        Returns:
            The job's id and the effect's name; None if it belongs to no effect.
        """
        self._run()
        return await self._read(lambda rows: rows.claimant(claim_key(what)))

    async def effect(self, job_id: str, name: str) -> Effect | None:
        """Return the effect of that name; None if there is none."""
        self._run()
        return await self._read(lambda rows: rows.effect(job_id, name))

    async def effects(self, job_id: str) -> list[Effect]:
        """List all effects of a job, by their first intents."""
        self._run()
        return await self._read(lambda rows: rows.effects(job_id))

    async def open_creates(self) -> list[Effect]:
        """List the creates whose outcome is unknown, those in doubt included.

        They come in the order of their last intents. A failed project that may belong to one of them may
        belong to another as well: see `orchestrator.create`.
        """
        self._run()
        found = await self._read(lambda rows: rows.open_creates())
        return sorted(found, key=lambda effect: effect.intent_at)

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
        run = self._run()
        return await self._write(lambda rows: transactions.decide(rows, run, job_id, name, result, claim))

    async def answer(self, job_id: str, name: str, value: Json) -> Effect:
        """Answer an approval that a job waits for, from any process.

        The job is due at once.

        Raises:
            JournalError: The job does not wait for that approval, or it has been answered.
        """
        run = self._run()
        return await self._write(lambda rows: transactions.answer(rows, run, job_id, name, value))

    async def spent(self, kind: QuotaKind, since: datetime) -> list[datetime]:
        """List the times of creates or renders since a time.

        The times come oldest first, to seed the governor's quotas. Effects that perhaps took place count as
        well. Times are by the present wall clock, regardless of its setting then, as far as that can be told;
        none lies in the future.
        """
        run = self._run()
        found = await self._read(lambda rows: rows.usage(kind, since, run.moment))
        times = (run.happened_at(at, moment) for at, moment in found)
        return sorted(at for at in times if at >= since)

    async def changes(self) -> int:
        """Return the number of changes of jobs so far, by all processes.

        A job with a smaller or the same `updated_change` changed before, and one with a greater after. No
        clock has a part in that.
        """
        self._run()
        return await self._read(lambda rows: rows.changes())

    async def noted(self, name: str) -> Json:
        """Return the note under a name; None if there is none.

        Any process may have stored it.
        """
        self._run()
        return await self._read(lambda rows: rows.note_named(name))

    async def note(self, name: str, value: Json) -> None:
        """Store a note that belongs to no job.

        It replaces an earlier note under that name.
        """
        self._run()
        stored = redact_observed(value)
        await self._write(lambda rows: rows.note(name, stored))

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
        self._run()
        return await self._write(lambda rows: transactions.change_note(rows, name, change))
