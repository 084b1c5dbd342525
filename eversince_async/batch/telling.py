"""What is told of an item at its end, and what the journal keeps to tell it again."""

from pathlib import Path
from typing import Any

from eversince_async import clock
from eversince_async.batch.crew import Work
from eversince_async.batch.outcome import Outcome, OutcomeStatus
from eversince_async.errors import EarlierFailure
from eversince_async.journal import Job
from eversince_async.orchestrator.production import Production
from eversince_async.report.stages import unpacked


def told_now(
    work: Work,
    status: OutcomeStatus,
    *,
    job: Job | None = None,
    production: Production | None = None,
    error: Exception | None = None,
) -> Outcome:
    """What this run has come to."""
    project_id = work.steps.project_id if work.steps is not None else job.project_id if job else None
    return Outcome(
        key=work.item.key,
        index=work.item.index,
        input=work.item.given,
        status=status,
        production=production,
        error=error,
        project_id=project_id,
        share_url=None if production is None else production.share_url,
        files=() if production is None else production.files,
        attempts=1 if job is None else job.attempt,
        stages=() if work.record is None else work.record.stages,
        began_at=work.began_at,
        ended_at=clock.now(),
    )


def told_earlier(work: Work, job: Job) -> Outcome:
    """What an earlier run, or another process, has come to."""
    result, error = job.result or {}, job.error
    status: OutcomeStatus = "succeeded" if job.stage == "succeeded" else "failed"
    return Outcome(
        key=work.item.key,
        index=work.item.index,
        input=work.item.given,
        status="cancelled" if job.stage == "cancelled" else status,
        error=None if error is None else EarlierFailure(error["type"], error["message"]),
        project_id=job.project_id,
        share_url=result.get("share_url"),
        files=tuple(map(Path, result.get("files", ()))),
        attempts=job.attempt,
        earlier=True,
        stages=unpacked(result.get("stages")),
        began_at=job.created_at,
        ended_at=job.updated_at,
    )


def kept(production: Production) -> dict[str, Any]:
    """What the journal keeps of a finished video."""
    return {
        "project_id": production.project_id,
        "share_url": production.share_url,
        "files": [str(path) for path in production.files],
    }
