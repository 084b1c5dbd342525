"""What a journal's verbs need of its storage. Everything a verb does through it is one transaction."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from eversince_async.clock import Moment
from eversince_async.journal.records import Effect, Job, Json, QuotaKind

IsFree = Callable[[Job], bool]
"""Whether nobody works on a job."""


class Tables(Protocol):
    """Jobs and effects, as a storage keeps them."""

    def job(self, job_id: str) -> Job | None:
        """The job of that name."""
        ...

    def add_job(self, job: Job) -> None:
        """Store a new job."""
        ...

    def save_job(self, job: Job) -> None:
        """Store a job as it is now; its id never changes."""
        ...

    def find_job_by_project(self, project_id: str) -> str | None:
        """The job to which a project belongs."""
        ...

    def list_jobs(
        self, place: int, count: int, *, stages: Sequence[str], due_at: datetime | None
    ) -> list[tuple[int, Job]]:
        """Jobs in the order in which they were put, each with its place, behind a place.

        Args:
            place: 0 to begin with.
            count: At most so many.
            stages: Only of these; of all if empty.
            due_at: Only those whose `not_before` is not after it; None: all.
        """
        ...

    def free_jobs(self, stage: str, count: int, *, now: datetime, is_free: IsFree) -> list[Job]:
        """Jobs of a stage that are due and that nobody works on: those without `not_before` first."""
        ...

    def counts(self) -> Mapping[str, int]:
        """How many jobs there are in each stage; stages without any are left out."""
        ...

    def effect(self, job_id: str, name: str) -> Effect | None:
        """The effect of that name."""
        ...

    def effects(self, job_id: str) -> list[Effect]:
        """All effects of a job, by `seq`."""
        ...

    def open_share(self) -> Effect | None:
        """The share that is under way; there is one at a time, at most."""
        ...

    def open_creates(self) -> list[Effect]:
        """Creates whose outcome is not known, in any order."""
        ...

    def last_seq(self, job_id: str) -> int:
        """The number of a job's newest effect; 0 before the first."""
        ...

    def add_effect(self, effect: Effect) -> None:
        """Store a new effect."""
        ...

    def save_effect(self, effect: Effect) -> None:
        """Store an effect as it is now; its job, number, name and kind never change."""
        ...

    def claimant(self, claim: str) -> tuple[str, str] | None:
        """The job and the name of the effect that has a claim."""
        ...

    def usage(self, kind: QuotaKind, since: datetime, here: Moment) -> list[tuple[datetime, Moment | None]]:
        """When effects of that kind happened, or perhaps did, by both clocks; in any order.

        Args:
            kind: The kind.
            since: What was surely before that need not be told.
            here: The present.
        """
        ...

    def changes(self) -> int:
        """How many changes there were so far."""
        ...

    def next_change(self) -> int:
        """Count one more."""
        ...

    def note_named(self, name: str) -> Json:
        """The note of that name; None if there is none."""
        ...

    def note(self, name: str, value: Json) -> None:
        """Store a note in place of an earlier one of that name."""
        ...
