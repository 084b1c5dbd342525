"""What is told of an item at its end, and what the journal keeps to tell it again."""

from pathlib import Path
from typing import Any

from eversince_async import clock
from eversince_async.batch.crew import Work
from eversince_async.batch.delivery import to_keep
from eversince_async.batch.outcome import Outcome, OutcomeStatus
from eversince_async.errors import EarlierFailure
from eversince_async.journal import Job
from eversince_async.orchestrator.desk import Desk
from eversince_async.orchestrator.production import Production
from eversince_async.pipelines.storing import Storing
from eversince_async.report.stages import unpacked


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
    """What an earlier run, or another process, has come to; some of its files may not be there any more."""
    result, error = job.result or {}, job.error
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
        error=None if error is None else EarlierFailure(error["type"], error["message"]),
        project_id=job.project_id,
        share_url=result.get("share_url"),
        files=tuple(map(Path, result.get("files", ()))),
        missing=missing,
        attempts=job.attempt,
        earlier=True,
        stages=unpacked(result.get("stages")),
        began_at=job.created_at,
        ended_at=job.updated_at,
    )


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
