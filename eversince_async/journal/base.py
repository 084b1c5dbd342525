"""The methods of every journal that runs functions as transactions.

A storage runs a function over its rows as one transaction; everything else is the same for all storages.
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
    """A journal over the rows of a storage.

    The meaning of each method is documented at `journal.protocol.Journal`.
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
        """The name of this run."""
        if self._incarnation is None:
            raise ConfigurationError("the journal is not open: use it inside `async with journal:`")
        return self._incarnation

    async def open(self) -> None:
        """Open the journal, or create it."""
        if self._incarnation is not None:
            raise ConfigurationError("the journal is open already")
        await self._open()
        self._incarnation = new_incarnation()

    async def aclose(self) -> None:
        """Finish the calls that have begun, and close the journal.

        Closing twice does nothing.

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
        """Create a job, or return the existing one."""
        run = self._run()
        return await self._write(lambda rows: transactions.put(rows, run, job_id, spec, stage, not_before))

    async def load(self, job_id: str) -> Job | None:
        """Return the job of that name."""
        self._run()
        return await self._read(lambda rows: rows.job(job_id))

    async def change(self, job_id: str, change: JobChange) -> Job:
        """Change a job whose lease this run holds."""
        run = self._run()
        return await self._write(lambda rows: transactions.change(rows, run, job_id, change))

    def jobs(self, *stages: str, due: bool = False) -> AsyncIterator[Job]:
        """Iterate over all jobs, or those of some stages.

        The jobs come in the order of their creation.
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
        """Lease a job."""
        run = self._run()
        (job,) = await self._lease(run, lambda rows: [transactions.acquire(rows, run, job_id, seconds)])
        return job

    async def take(self, *stages: str, seconds: float = LEASE_SECONDS, limit: int = 1) -> list[Job]:
        """Lease jobs that are due and free."""
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
        """Prolong leases; return the jobs whose leases this run still holds."""
        run, names = self._run(), tuple(job_ids)
        return await self._write(lambda rows: transactions.renew(rows, run, names, seconds))

    async def release(self, job_id: str) -> None:
        """Release a lease that this run holds."""
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
        """Record an intent before its request is sent."""
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
        """Record the intent to try an effect once more."""
        run = self._run()
        return await self._write(
            lambda rows: transactions.intent_again(rows, run, effect, request, baseline, lease)
        )

    async def done(
        self, effect: Effect, result: Json = None, *, claim: str | None = None, job: JobChange = NO_CHANGE
    ) -> Effect:
        """Record that an effect happened: the response was read."""
        return await self._finish(effect, "done", result, claim, job)

    async def adopted(
        self, effect: Effect, result: Json = None, *, claim: str | None = None, job: JobChange = NO_CHANGE
    ) -> Effect:
        """Record that an effect happened: it was found on the server."""
        return await self._finish(effect, "adopted", result, claim, job)

    async def refused(self, effect: Effect, result: Json = None, *, job: JobChange = NO_CHANGE) -> Effect:
        """Record that an effect definitely did not happen."""
        return await self._finish(effect, "refused", result, None, job)

    async def in_doubt(self, effect: Effect, result: Json = None, *, job: JobChange = NO_CHANGE) -> Effect:
        """Record that looking cannot tell whether an effect happened."""
        return await self._finish(effect, "in_doubt", result, None, job)

    async def _finish(
        self, effect: Effect, state: EffectState, result: Json, claim: str | None, job: JobChange
    ) -> Effect:
        run = self._run()
        return await self._write(
            lambda rows: transactions.finish_effect(rows, run, effect, state, result, claim, job)
        )

    async def claim(self, effect: Effect, what: str) -> bool:
        """Claim something that was found on the server."""
        run = self._run()
        return await self._write(lambda rows: transactions.claim(rows, run, effect, what))

    async def claimant(self, what: str) -> tuple[str, str] | None:
        """Return the effect to which something on the server belongs."""
        self._run()
        return await self._read(lambda rows: rows.claimant(claim_key(what)))

    async def effect(self, job_id: str, name: str) -> Effect | None:
        """Return the effect of that name."""
        self._run()
        return await self._read(lambda rows: rows.effect(job_id, name))

    async def effects(self, job_id: str) -> list[Effect]:
        """List all effects of a job."""
        self._run()
        return await self._read(lambda rows: rows.effects(job_id))

    async def open_creates(self) -> list[Effect]:
        """List the creates whose outcome is unknown, oldest first."""
        self._run()
        found = await self._read(lambda rows: rows.open_creates())
        return sorted(found, key=lambda effect: effect.intent_at)

    async def decide(
        self, job_id: str, name: str, result: Json = None, *, claim: str | None = None
    ) -> Effect:
        """Settle an effect in doubt, from any process."""
        run = self._run()
        return await self._write(lambda rows: transactions.decide(rows, run, job_id, name, result, claim))

    async def answer(self, job_id: str, name: str, value: Json) -> Effect:
        """Answer an approval, from any process."""
        run = self._run()
        return await self._write(lambda rows: transactions.answer(rows, run, job_id, name, value))

    async def spent(self, kind: QuotaKind, since: datetime) -> list[datetime]:
        """List the times of creates or renders since a time."""
        run = self._run()
        found = await self._read(lambda rows: rows.usage(kind, since, run.moment))
        times = (run.happened_at(at, moment) for at, moment in found)
        return sorted(at for at in times if at >= since)

    async def changes(self) -> int:
        """Return the number of changes of jobs so far."""
        self._run()
        return await self._read(lambda rows: rows.changes())

    async def noted(self, name: str) -> Json:
        """Return the note under a name."""
        self._run()
        return await self._read(lambda rows: rows.note_named(name))

    async def note(self, name: str, value: Json) -> None:
        """Store a note that belongs to no job."""
        self._run()
        stored = redact_observed(value)
        await self._write(lambda rows: rows.note(name, stored))

    async def change_note(self, name: str, change: Callable[[Json], Json]) -> Json:
        """Replace a note by a function of it, in one transaction."""
        self._run()
        return await self._write(lambda rows: transactions.change_note(rows, name, change))
