"""Results of a batch: each item's, the whole, and the progress."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import attrs

from eversince_async import clock
from eversince_async.batch.delivery import files_of, to_keep
from eversince_async.batch.timeline import stored_stages
from eversince_async.batch.workers import ActiveItem
from eversince_async.durable.failures import current_name
from eversince_async.errors import RecordedFailure
from eversince_async.journal import Job
from eversince_async.journal.fields import Field
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.pipelines.serialization import Serializer
from eversince_async.report.stages import Stage

OutcomeStatus = Literal["succeeded", "failed", "cancelled", "paused"]
"""The status of an item at its end.

`paused` is neither finished nor failed; the same batch with the same journal resumes the item.
"""


@attrs.frozen(kw_only=True)
class Outcome:
    """The result of one item.

    Attributes:
        key: The item's name in the journal.
        index: The item's number among all items, from 0.
        input: The input of the item; with a pipeline, the pipeline's input.
        status: `succeeded`, `failed`, `cancelled` or `paused`.
        production: The finished video; None if there is none, if an earlier run made it, or if a pipeline
            returned something else.
        result: The return value of the pipeline; None without a pipeline.
        error: The reason why the item is not finished; None if it is. A failure of an earlier run has only
            its text.
        project_id: The id of the project; None if there is none.
        share_url: The address of the public page, which does not expire.
        files: The downloaded files.
        missing: Those files of an earlier run's downloads that were removed since; `refetch=True` downloads
            them again.
        attempts: The number of projects that the item took.
        is_recorded: True if the result comes from an earlier run or another process, and this run did
            nothing.
        stages: The stages of the item, including those of earlier runs if there is a journal.
        began_at: The time at which this run started the item.
        ended_at: The time at which the item ended.
    """

    key: str
    index: int
    input: Any = attrs.field(repr=False)
    status: OutcomeStatus
    production: Production | None = attrs.field(default=None, repr=False)
    result: Any = attrs.field(default=None, repr=False)
    error: Exception | None = None
    project_id: str | None = None
    share_url: str | None = None
    files: tuple[Path, ...] = ()
    missing: tuple[Path, ...] = ()
    attempts: int = 1
    is_recorded: bool = False
    stages: tuple[Stage, ...] = attrs.field(default=(), repr=False)
    began_at: datetime
    ended_at: datetime

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as plain values for `json.dumps`."""
        return {
            "key": self.key,
            "index": self.index,
            "status": self.status,
            "project_id": self.project_id,
            "share_url": self.share_url,
            "files": [str(path) for path in self.files],
            "missing": [str(path) for path in self.missing],
            "error": None if self.error is None else str(self.error),
            "attempts": self.attempts,
            "earlier": self.is_recorded,
            "began_at": self.began_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
        }


@attrs.frozen(kw_only=True)
class Progress:
    """The progress of a batch.

    Attributes:
        total: The number of items; None while it is not known.
        items_read: The number of items read so far.
        active: The number of active items.
        counts: The number of items with each status.
        recorded: The number of items among them that were finished before this run.
        eta: Seconds to the end, as likely too few as too many; None while there is no basis for an estimate.
        eta_range: The range of seconds in which the end falls nine times in ten; None if `eta` is.
    """

    total: int | None
    items_read: int
    active: int
    counts: Mapping[OutcomeStatus, int]
    recorded: int
    eta: float | None
    eta_range: tuple[float, float] | None

    @property
    def done(self) -> int:
        """The number of items that have ended."""
        return sum(self.counts.values())


@attrs.define
class Counts:
    """Counts of items while a batch runs.

    Attributes:
        counts: The number of items with each status.
        items_read: The number of items read so far.
        recorded: The number of items that an earlier run had ended.
        unfinished: The number of items that have a project and are not finished.
        first_trouble: The first error that left one of these unfinished.
    """

    counts: Counter[OutcomeStatus] = attrs.field(factory=Counter)
    items_read: int = 0
    recorded: int = 0
    unfinished: int = 0
    first_trouble: Exception | None = None

    def add(self, outcome: Outcome) -> None:
        """Count one more outcome."""
        self.counts[outcome.status] += 1
        self.recorded += outcome.is_recorded
        if outcome.status == "paused" and outcome.project_id is not None:
            self.unfinished += 1
            self.first_trouble = self.first_trouble or outcome.error


def new_outcome(
    work: ActiveItem,
    status: OutcomeStatus,
    *,
    job: Job | None = None,
    made: Any = None,
    error: Exception | None = None,
) -> Outcome:
    """Build the outcome of an item that this run executed."""
    production = made if isinstance(made, Production) else None
    project_id = work.steps.project_id if work.steps is not None else job.project_id if job else None
    return Outcome(
        key=work.item.key,
        index=work.item.index,
        input=work.item.input,
        status=status,
        production=production,
        result=made if work.item.call is not None else None,
        error=error,
        project_id=project_id,
        share_url=None if production is None else production.share_url,
        files=() if production is None else production.files,
        attempts=1 if job is None else job.attempt,
        stages=() if work.record is None else work.record.stages,
        began_at=work.began_at,
        ended_at=clock.steady_now(),
    )


def recorded_outcome(work: ActiveItem, job: Job, runtime: Runtime, missing: tuple[Path, ...] = ()) -> Outcome:
    """Build an item's outcome from the job that another run recorded.

    The other run is an earlier one, or one of another process. Some of its files may be missing by now.

    Raises:
        UnreadableRow: The job's record cannot be read.
    """
    share_url, files = results_of(job)
    order, made = work.item.call, None
    if order is not None and job.stage == "succeeded":
        made = order.result_from_json(Serializer(runtime), job)
    status: OutcomeStatus = "succeeded" if job.stage == "succeeded" else "failed"
    return Outcome(
        key=work.item.key,
        index=work.item.index,
        input=work.item.input,
        status="cancelled" if job.stage == "cancelled" else status,
        production=made if isinstance(made, Production) else None,
        result=made,
        error=failure_of(job),
        project_id=job.project_id,
        share_url=share_url,
        files=files,
        missing=missing,
        attempts=job.attempt,
        is_recorded=True,
        stages=stored_stages(job),
        began_at=job.created_at,
        ended_at=job.updated_at,
    )


def results_of(job: Job) -> tuple[str | None, tuple[Path, ...]]:
    """Return the public page and the files that a job records.

    Raises:
        UnreadableRow: The job's record cannot be read.
    """
    if job.result is None:
        return None, ()
    result = Field.of(job, "result")
    share_url = result.get("share_url")
    return None if share_url is None else share_url.text(), files_of(job)


def failure_of(job: Job) -> RecordedFailure | None:
    """Return the failure that a job records; None if there is none.

    Raises:
        UnreadableRow: The job's record cannot be read.
    """
    if job.error is None:
        return None
    error = Field.of(job, "error")
    return RecordedFailure(current_name(error["type"].text()), error["message"].text_or_none() or "")


def result_to_json(work: ActiveItem, made: Any, runtime: Runtime) -> dict[str, Any]:
    """Return the result of a finished item as the journal stores it.

    Raises:
        NotSerializable: The return value of the pipeline cannot be stored.
    """
    order = work.item.call
    if order is not None:
        return {**order.result_to_json(Serializer(runtime), made, work.item.key), **_production_to_json(made)}
    return _production_to_json(made)


def _production_to_json(made: object) -> dict[str, Any]:
    return to_keep(made) if isinstance(made, Production) else {}
