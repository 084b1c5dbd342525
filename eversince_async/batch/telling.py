"""What is told of an item at its end, and what the journal keeps to tell it again."""

from pathlib import Path
from typing import Any

from eversince_async import clock
from eversince_async.batch.crew import Work
from eversince_async.batch.delivery import files_of, to_keep
from eversince_async.batch.outcome import Outcome, OutcomeStatus
from eversince_async.batch.recalling import recorded_stages
from eversince_async.errors import EarlierFailure
from eversince_async.journal import Job
from eversince_async.journal.fields import Field
from eversince_async.orchestrator.desk import Desk
from eversince_async.orchestrator.production import Production
from eversince_async.pipelines.storing import Storing


def told_now(
    work: Work,
    status: OutcomeStatus,
    *,
    job: Job | None = None,
    made: Any = None,
    error: Exception | None = None,
) -> Outcome:
    """What this run has come to."""
    production = made if isinstance(made, Production) else None
    project_id = work.steps.project_id if work.steps is not None else job.project_id if job else None
    return Outcome(
        key=work.item.key,
        index=work.item.index,
        input=work.item.given,
        status=status,
        production=production,
        result=made if work.item.order is not None else None,
        error=error,
        project_id=project_id,
        share_url=None if production is None else production.share_url,
        files=() if production is None else production.files,
        attempts=1 if job is None else job.attempt,
        stages=() if work.record is None else work.record.stages,
        began_at=work.began_at,
        ended_at=clock.steady_now(),
    )


def told_earlier(work: Work, job: Job, desk: Desk, missing: tuple[Path, ...] = ()) -> Outcome:
    """What an earlier run, or another process, has come to; some of its files may not be there any more.

    Raises:
        UnreadableRow: The job keeps something else.
    """
    share_url, files = given_of(job)
    order, made = work.item.order, None
    if order is not None and job.stage == "succeeded":
        made = order.remembered(Storing(desk), job)
    status: OutcomeStatus = "succeeded" if job.stage == "succeeded" else "failed"
    return Outcome(
        key=work.item.key,
        index=work.item.index,
        input=work.item.given,
        status="cancelled" if job.stage == "cancelled" else status,
        production=made if isinstance(made, Production) else None,
        result=made,
        error=failure_of(job),
        project_id=job.project_id,
        share_url=share_url,
        files=files,
        missing=missing,
        attempts=job.attempt,
        earlier=True,
        stages=recorded_stages(job),
        began_at=job.created_at,
        ended_at=job.updated_at,
    )


def given_of(job: Job) -> tuple[str | None, tuple[Path, ...]]:
    """The public page and the files that a job keeps.

    Raises:
        UnreadableRow: It keeps something else.
    """
    if job.result is None:
        return None, ()
    result = Field.of(job, "result")
    share_url = result.get("share_url")
    return None if share_url is None else share_url.text(), files_of(job)


def failure_of(job: Job) -> EarlierFailure | None:
    """What a job has failed of.

    Raises:
        UnreadableRow: It keeps something else.
    """
    if job.error is None:
        return None
    error = Field.of(job, "error")
    return EarlierFailure(error["type"].text(), error["message"].text_or_none() or "")


def kept(work: Work, made: Any, desk: Desk) -> dict[str, Any]:
    """What the journal keeps of a finished item.

    Raises:
        NotStorable: What its pipeline returned cannot be kept.
    """
    order = work.item.order
    if order is not None:
        return {**order.kept(Storing(desk), made, work.item.key), **_kept(made)}
    return _kept(made)


def _kept(made: object) -> dict[str, Any]:
    return to_keep(made) if isinstance(made, Production) else {}
