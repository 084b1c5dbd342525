"""Consequences of a failure for an item, its job and the batch."""

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
    """Return the status that a failure gives to an item.

    A failure that may pass, or that a purchase ends, leaves the item `paused`, to be resumed.
    """
    if isinstance(failure, ApprovalPending | SleepPending) or is_retryable(failure):
        return "paused"
    return final_status(failure)


def stops_batch(failure: Exception) -> bool:
    """Return True if a failure would befall all other items as well.

    Such a failure lasts until the user acts or until the daily reset.
    """
    if isinstance(failure, DownloadFailed):
        return failure.is_local
    if isinstance(failure, TransportError):  # after all retries, the server is unreachable
        return failure.outcome == "never_sent"
    if isinstance(failure, InsufficientCredits):
        return failure.is_documented
    return isinstance(failure, QuotaExhausted) or is_of_the_account(failure)


def failure_to_json(failure: Exception) -> Json:
    """Return a failure as the journal stores it."""
    error = {"type": kind_of(failure), "message": str(failure)}
    return {**error, "comes_last": True} if may_be_odd(failure) else error


def may_be_odd(failure: Exception) -> bool:
    """Return True if a batch-stopping failure may concern one item only.

    A 403 may be about what the item asks for, the price may be too high for the remaining credits, and the
    folder may be the item's own. So in the next run, the item that stopped this run comes last; otherwise it
    would stop every run.
    """
    return stops_batch(failure) and isinstance(failure, Forbidden | InsufficientCredits | DownloadFailed)


def comes_last(job: Job) -> bool:
    """Return True if an unfinished item has stopped an earlier run.

    The item itself may have caused that failure.
    """
    return job.stage == RUNNING and isinstance(job.error, Mapping) and bool(job.error.get("comes_last"))


def was_deleted(job: Job) -> bool:
    """Return True if a job failed because its project was deleted."""
    match job.error:
        case {"type": "NotFound", "message": str() as message}:
            return job.project_id is not None and message.startswith(f"{GET_PROJECT.name}:")
        case _:
            return False


def next_attempt(job: Job) -> JobChange:
    """Return the change that restarts a failed job.

    The job gets another project only if the old one can give nothing more.

    Raises:
        UnreadableRow: The stored failure cannot be read.
    """
    failed_of = None if job.error is None else Field.of(job, "error")["type"].text()
    if failed_of in {ProjectFailed.__name__, ProjectCancelled.__name__} or was_deleted(job):
        return JobChange(stage=RUNNING, attempt=job.attempt + 1, project_id=None, error=None)
    if failed_of == RenderProducedNothing.__name__:
        return JobChange(stage=RUNNING, attempt=job.attempt + 1, error=None)
    return JobChange(stage=RUNNING, error=None)
