"""A journal in memory, which ends with its process.

It is for tests, and for work that need not outlive the process.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

from eversince_async.clock import Moment
from eversince_async.journal.base import Journal
from eversince_async.journal.records import Effect, Job, Json, QuotaKind
from eversince_async.journal.tables import IsFree, Tables

T = TypeVar("T")


class MemoryTables:
    """Jobs and effects in dictionaries."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._effects: dict[str, dict[str, Effect]] = {}
        self._claims: dict[str, tuple[str, str]] = {}
        self._projects: dict[str, str] = {}
        self._changes = 0
        self._notes: dict[str, Json] = {}

    def job(self, job_id: str) -> Job | None:
        """Return the job of that name, or None."""
        return self._jobs.get(job_id)

    def add_job(self, job: Job) -> None:
        """Store a new job."""
        self._effects[job.id] = {}
        self.save_job(job)

    def save_job(self, job: Job) -> None:
        """Store a job in its present state."""
        before = self._jobs.get(job.id)
        if before is not None and before.project_id is not None:
            del self._projects[before.project_id]
        if job.project_id is not None:
            self._projects[job.project_id] = job.id
        self._jobs[job.id] = job

    def find_job_by_project(self, project_id: str) -> str | None:
        """Return the id of the job to which a project belongs."""
        return self._projects.get(project_id)

    def list_jobs(
        self, place: int, count: int, *, stages: Sequence[str], due_at: datetime | None
    ) -> list[tuple[int, Job]]:
        """List the jobs behind a place, in the order of their creation."""
        found: list[tuple[int, Job]] = []
        for number, job in enumerate(self._jobs.values(), 1):
            is_wanted = (not stages or job.stage in stages) and (due_at is None or _is_due(job, due_at))
            if number > place and is_wanted and len(found) < count:
                found.append((number, job))
        return found

    def free_jobs(self, stage: str, count: int, *, now: datetime, is_free: IsFree) -> list[Job]:
        """List the jobs of a stage that are due and free."""
        free = [
            job for job in self._jobs.values() if job.stage == stage and _is_due(job, now) and is_free(job)
        ]
        return sorted(free, key=lambda job: job.not_before or _EVER)[: max(count, 0)]

    def counts(self) -> Mapping[str, int]:
        """Return the number of jobs in each stage."""
        return Counter(job.stage for job in self._jobs.values())

    def effect(self, job_id: str, name: str) -> Effect | None:
        """Return the effect of that name, or None."""
        return self._effects.get(job_id, {}).get(name)

    def effects(self, job_id: str) -> list[Effect]:
        """List all effects of a job."""
        return list(self._effects.get(job_id, {}).values())

    def open_share(self) -> Effect | None:
        """Return the share that is under way."""
        return next((each for each in self._all() if each.kind == "share" and each.state == "intent"), None)

    def open_creates(self) -> list[Effect]:
        """List the creates whose outcome is unknown."""
        return [each for each in self._all() if each.kind == "create" and each.is_open]

    def _all(self) -> Iterator[Effect]:
        return (effect for effects in self._effects.values() for effect in effects.values())

    def last_seq(self, job_id: str) -> int:
        """Return the number of a job's newest effect."""
        return len(self._effects[job_id])

    def add_effect(self, effect: Effect) -> None:
        """Store a new effect."""
        self.save_effect(effect)

    def save_effect(self, effect: Effect) -> None:
        """Store an effect in its present state."""
        before = self._effects[effect.job_id].get(effect.name)
        if before is not None and before.claim is not None:
            del self._claims[before.claim]
        if effect.claim is not None:
            self._claims[effect.claim] = (effect.job_id, effect.name)
        self._effects[effect.job_id][effect.name] = effect

    def claimant(self, claim: str) -> tuple[str, str] | None:
        """Return the job id and the name of a claim's effect."""
        return self._claims.get(claim)

    def usage(self, kind: QuotaKind, since: datetime, here: Moment) -> list[tuple[datetime, Moment | None]]:
        """List the times at which effects of a kind may have happened."""
        return [
            counted_at(effect) for effect in self._all() if effect.kind == kind and effect.state != "refused"
        ]

    def changes(self) -> int:
        """Return the number of changes so far."""
        return self._changes

    def next_change(self) -> int:
        """Count one more change, and return the new number."""
        self._changes += 1
        return self._changes

    def note_named(self, name: str) -> Json:
        """Return the note of that name."""
        return self._notes.get(name)

    def note(self, name: str, value: Json) -> None:
        """Store a note."""
        self._notes[name] = value


_EVER: Final = datetime.min.replace(tzinfo=UTC)


def _is_due(job: Job, at: datetime) -> bool:
    return job.not_before is None or job.not_before <= at


def counted_at(effect: Effect) -> tuple[datetime, Moment | None]:
    """Return the latest moment at which the server counted an effect.

    The moment is as far as the journal knows.
    """
    if effect.state == "done" and effect.done_at is not None:
        return effect.done_at, effect.done_moment
    return effect.intent_at, effect.intent_moment


class MemoryJournal(Journal):
    """A journal in this process's memory.

    Args:
        tables: The tables of another journal, to share them; None gives the journal tables of its own.

    Attributes:
        tables: The journal's tables; they stay after the journal was closed.
    """

    def __init__(self, tables: MemoryTables | None = None) -> None:
        super().__init__()
        self.tables = MemoryTables() if tables is None else tables

    async def _open(self) -> None:
        pass

    async def _close(self) -> None:
        pass

    async def _write(self, transaction: Callable[[Tables], T]) -> T:
        return transaction(self.tables)

    async def _read(self, query: Callable[[Tables], T]) -> T:
        return query(self.tables)

    def _write_later(self, transaction: Callable[[Tables], object]) -> None:
        transaction(self.tables)
