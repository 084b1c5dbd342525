"""One item of a batch, made under a job of the journal, from wherever an earlier run left it."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Final

import attrs

from eversince_async.batch.item import Item
from eversince_async.batch.outcome import OutcomeStatus
from eversince_async.errors import (
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
from eversince_async.journal import Effect, Job, JobChange, Journal, Json
from eversince_async.models._base import UNSET
from eversince_async.models.projects import Brief
from eversince_async.orchestrator.desk import Desk
from eversince_async.orchestrator.doubt import is_in_doubt
from eversince_async.orchestrator.effects import Effects
from eversince_async.orchestrator.order import ShareOptions, Terms
from eversince_async.orchestrator.producing import produce, resume
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.sharing import found_share
from eversince_async.orchestrator.steps import Steps
from eversince_async.orchestrator.workflow import Emit

WORKING: Final = "working"
"""The stage of a job that is not at its end."""

_LIMITS: Final = 256


async def make(
    desk: Desk,
    item: Item,
    terms: Terms,
    *,
    job: Job | None,
    journal: Journal | None,
    emit: Emit,
    began: Callable[[Steps], object],
) -> Production:
    """Make an item's video.

    Args:
        desk: What to work with.
        item: What to make.
        terms: On which terms to wait.
        job: Its job, leased; None without a journal.
        journal: The journal.
        emit: Told of what happens.
        began: Told of the steps, which show how far it has come.

    Raises:
        EversinceError: As `eversince.produce`.
    """
    assert item.brief is not None
    brief = _with_key(item.brief, 1 if job is None else job.attempt)
    steps = Steps(
        desk,
        terms,
        emit,
        key=str(brief.idempotency_key),
        project_id=None if job is None else job.project_id,
        effects=Effects() if job is None else Effects(journal=journal, job_id=job.id, attempt=job.attempt),
    )
    began(steps)
    async with desk.helping_to_buy():
        if steps.project_id is None:
            return await produce(desk, steps, brief, item.wishes, terms)
        return await resume(desk, steps, item.wishes, terms)


def _with_key(brief: Brief, attempt: int) -> Brief:
    """The brief with an idempotency key. A given one is another for each attempt."""
    given = brief.idempotency_key
    if given is UNSET:
        key = uuid.uuid4().hex
    else:
        key = str(given) if attempt == 1 else f"{str(given)[: _LIMITS - 6]}-{attempt}"
    return attrs.evolve(brief, idempotency_key=key)


def status_after(failure: Exception) -> OutcomeStatus:
    """What a failure makes of an item: what may well pass, or can be bought, leaves it to be gone on with."""
    match failure:
        case ProjectCancelled():
            return "cancelled"
        case EversinceError() if stops_all(failure) or is_in_doubt(failure):
            return "paused"
        case TransportError() | RateLimited() | WaitTimedOut() | InDoubt():
            return "paused"
        case _:
            return "failed"


def stops_all(failure: Exception) -> bool:
    """Whether it would befall all other items as well, until somebody does something or another day comes."""
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


async def shares_in_doubt(journal: Journal) -> dict[str, Effect]:
    """Shares that an earlier run may have made, by job."""
    found: dict[str, Effect] = {}
    async for job in journal.jobs(WORKING):
        for effect in await journal.effects(job.id):
            if effect.kind == "share" and effect.is_open:
                found[job.id] = effect
    return found


async def settle_share(desk: Desk, journal: Journal, effect: Effect) -> None:
    """Find out what became of a share in doubt.

    That has to be done before any other is made, because the list of shares names no project.

    Raises:
        JournalLocked: Somebody else works on its job, and will find out.
    """
    job = await journal.acquire(effect.job_id)
    try:
        options = ShareOptions(**{k: v for k, v in effect.request.items() if k != "project_id"})
        effects = Effects(journal=journal, job_id=job.id, attempt=job.attempt)
        async with effects.doing("share") as deed:
            if deed.in_doubt_since is not None and not await found_share(desk, options, deed):
                await deed.did_not_happen()
    finally:
        await asyncio.shield(journal.release(job.id))
