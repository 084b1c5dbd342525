"""What a failure makes of an item, of its job, and of the whole batch."""

from eversince_async.batch.outcome import OutcomeStatus
from eversince_async.batch.stages import WORKING
from eversince_async.errors import (
    DownloadFailed,
    EversinceError,
    InDoubt,
    InsufficientCredits,
    ProjectCancelled,
    ProjectFailed,
    QuotaSpent,
    RateLimited,
    RenderProducedNothing,
    TransportError,
    Unauthorized,
    WaitTimedOut,
)
from eversince_async.journal import Job, JobChange, Json
from eversince_async.orchestrator.doubt import is_in_doubt
from eversince_async.orchestrator.download import passes


def status_after(failure: Exception) -> OutcomeStatus:
    """What a failure makes of an item: what may well pass, or can be bought, leaves it to be gone on with."""
    match failure:
        case ProjectCancelled():
            return "cancelled"
        case EversinceError() if stops_all(failure) or is_in_doubt(failure):
            return "paused"
        case DownloadFailed() if failure.status is None or passes(failure.status):
            return "paused"
        case TransportError() | RateLimited() | WaitTimedOut() | InDoubt():
            return "paused"
        case _:
            return "failed"


def stops_all(failure: Exception) -> bool:
    """Whether it would befall all other items as well, until somebody does something or another day comes."""
    if isinstance(failure, DownloadFailed):
        return failure.is_local
    return isinstance(failure, InsufficientCredits | QuotaSpent | Unauthorized)


def told(failure: Exception) -> Json:
    """What the journal keeps of a failure."""
    return {"type": type(failure).__name__, "message": str(failure)}


def another_try(job: Job) -> JobChange:
    """How a failed job is begun again: with another project only if there is nothing to be had of the old."""
    failed_of = (job.error or {}).get("type")
    if failed_of in {ProjectFailed.__name__, ProjectCancelled.__name__}:
        return JobChange(stage=WORKING, attempt=job.attempt + 1, project_id=None, error=None)
    if failed_of == RenderProducedNothing.__name__:
        return JobChange(stage=WORKING, attempt=job.attempt + 1, error=None)
    return JobChange(stage=WORKING, error=None)
