"""What a failure makes of an item, of its job, and of the whole batch."""

from collections.abc import Mapping

from eversince_async._wire.endpoints import GET_PROJECT
from eversince_async.batch.outcome import OutcomeStatus
from eversince_async.durable.failures import final_status, is_of_the_account, is_retryable, kind_of
from eversince_async.durable.status import RUNNING
from eversince_async.errors import (
    ApprovalPending,
    DownloadFailed,
    Forbidden,
    InsufficientCredits,
    ProjectCancelled,
    ProjectFailed,
    QuotaExhausted,
    RenderProducedNothing,
    SleepPending,
    TransportError,
)
from eversince_async.journal import Job, JobChange, Json
from eversince_async.journal.fields import Field


def outcome_status(failure: Exception) -> OutcomeStatus:
    """What a failure makes of an item: what may well pass, or can be bought, leaves it to be gone on with."""
    if isinstance(failure, ApprovalPending | SleepPending) or is_retryable(failure):
        return "paused"
    return final_status(failure)


def stops_batch(failure: Exception) -> bool:
    """Whether it would befall all other items as well, until somebody does something or another day comes."""
    if isinstance(failure, DownloadFailed):
        return failure.is_local
    if isinstance(failure, TransportError):  # after all retries: the server cannot be reached at all
        return failure.outcome == "never_sent"
    if isinstance(failure, InsufficientCredits):
        return failure.is_documented
    return isinstance(failure, QuotaExhausted) or is_of_the_account(failure)


def failure_to_json(failure: Exception) -> Json:
    """What the journal keeps of a failure."""
    kept = {"type": kind_of(failure), "message": str(failure)}
    return {**kept, "comes_last": True} if may_be_odd(failure) else kept


def may_be_odd(failure: Exception) -> bool:
    """Whether it stops all other items, although it may after all be about its own alone.

    A 403 may be about what an item asks for, a price too high for what is left, a folder its own. So in the
    next run, the item that has stopped this one comes last: or it would stop each of them.
    """
    return stops_batch(failure) and isinstance(failure, Forbidden | InsufficientCredits | DownloadFailed)


def comes_last(job: Job) -> bool:
    """Whether an unfinished item has stopped an earlier run, which may have been its own fault."""
    return job.stage == RUNNING and isinstance(job.error, Mapping) and bool(job.error.get("comes_last"))


def was_deleted(job: Job) -> bool:
    """Whether a job has failed because somebody has deleted its project."""
    match job.error:
        case {"type": "NotFound", "message": str() as message}:
            return job.project_id is not None and message.startswith(f"{GET_PROJECT.name}:")
        case _:
            return False


def next_attempt(job: Job) -> JobChange:
    """How a failed job is begun again: with another project only if there is nothing to be had of the old.

    Raises:
        UnreadableRow: What it has failed of cannot be read.
    """
    failed_of = None if job.error is None else Field.of(job, "error")["type"].text()
    if failed_of in {ProjectFailed.__name__, ProjectCancelled.__name__} or was_deleted(job):
        return JobChange(stage=RUNNING, attempt=job.attempt + 1, project_id=None, error=None)
    if failed_of == RenderProducedNothing.__name__:
        return JobChange(stage=RUNNING, attempt=job.attempt + 1, error=None)
    return JobChange(stage=RUNNING, error=None)
