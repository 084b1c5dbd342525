"""The storage interface that a journal's methods need.

Everything that one method does through it is one transaction.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from eversince_async.clock import Moment
from eversince_async.journal.records import Effect, Job, Json, QuotaKind

IsFree = Callable[[Job], bool]
"""A function that returns True if no process works on a job."""


class Tables(Protocol):
    """Jobs and effects, as a storage keeps them."""

    def job(self, job_id: str) -> Job | None:
        """Return the job of that name; None if there is none."""
        ...

    def add_job(self, job: Job) -> None:
        """Store a new job."""
        ...

    def save_job(self, job: Job) -> None:
        """Store a job in its present state; its id never changes."""
        ...

    def find_job_by_project(self, project_id: str) -> str | None:
        """Return the id of the job to which a project belongs."""
        ...

    def list_jobs(
        self, place: int, count: int, *, stages: Sequence[str], due_at: datetime | None
    ) -> list[tuple[int, Job]]:
        """List the jobs behind a place, in the order of their creation.

        Each job comes with its own place.

        Args:
            place: The place behind which to begin; 0 for the first jobs.
            count: The largest number of jobs to list.
            stages: Stages to list; all if empty.
            due_at: The time at which a job's `not_before` must have come; None lists all jobs.
        """
        ...

    def free_jobs(self, stage: str, count: int, *, now: datetime, is_free: IsFree) -> list[Job]:
        """List the jobs of a stage that are due and free.

        A job is free if no process works on it. Jobs without `not_before` come first.
        """
        ...

    def counts(self) -> Mapping[str, int]:
        """Return the number of jobs in each stage.

        Stages without jobs are left out.
        """
        ...

    def effect(self, job_id: str, name: str) -> Effect | None:
        """Return the effect of that name; None if there is none."""
        ...

    def effects(self, job_id: str) -> list[Effect]:
        """List all effects of a job, by `seq`."""
        ...

    def open_share(self) -> Effect | None:
        """Return the share that is under way.

        At most one share is under way at a time.
        """
        ...

    def open_creates(self) -> list[Effect]:
        """List the creates whose outcome is unknown, in any order."""
        ...

    def last_seq(self, job_id: str) -> int:
        """Return the number of a job's newest effect; 0 before the first."""
        ...

    def add_effect(self, effect: Effect) -> None:
        """Store a new effect."""
        ...

    def save_effect(self, effect: Effect) -> None:
        """Store an effect in its present state.

        Its job, number, name and kind never change.
        """
        ...

    def claimant(self, claim: str) -> tuple[str, str] | None:
        """Return the job id and the name of a claim's effect.

        None if no effect has the claim.
        """
        ...

    def usage(self, kind: QuotaKind, since: datetime, here: Moment) -> list[tuple[datetime, Moment | None]]:
        """List the times at which effects of a kind may have happened.

        Effects that certainly happened are included. The times are by both clocks, in any order.

        Args:
            kind: The kind.
            since: The time before which effects may be left out.
            here: The present.
        """
        ...

    def changes(self) -> int:
        """Return the number of changes so far."""
        ...

    def next_change(self) -> int:
        """Count one more change, and return the new number."""
        ...

    def note_named(self, name: str) -> Json:
        """Return the note of that name; None if there is none."""
        ...

    def note(self, name: str, value: Json) -> None:
        """Store a note, in place of an earlier one of that name."""
        ...
