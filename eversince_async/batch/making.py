"""One item of a batch, made under a job of the journal, from wherever an earlier run left it."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs

from eversince_async.batch.item import Item
from eversince_async.batch.stages import WORKING
from eversince_async.governor import WaitReason
from eversince_async.journal import Job, Journal, MemoryJournal
from eversince_async.models._base import UNSET
from eversince_async.models.projects import Brief
from eversince_async.orchestrator.desk import Desk, now
from eversince_async.orchestrator.effects import Effects
from eversince_async.orchestrator.events import Waiting
from eversince_async.orchestrator.order import Terms
from eversince_async.orchestrator.producing import need_free, produce, refetched, resume
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.steps import Steps
from eversince_async.orchestrator.workflow import Emit
from eversince_async.pipelines.course import Manner
from eversince_async.pipelines.running import Order, run_pipeline

_LIMITS: Final = 256

FOR_EVER: Final = 365 * 24 * 3600.0
"""Seconds of a lease that nobody contends for."""


async def make(
    desk: Desk,
    item: Item,
    terms: Terms,
    *,
    job: Job | None,
    journal: Journal | None,
    emit: Emit,
    began: Callable[[Steps], object],
    stopping_since: Callable[[], float | None],
    missing: Path | None = None,
) -> Any:
    """Make an item: its video, or what its pipeline returns; or fetch what is missing of its files.

    Args:
        desk: What to work with.
        item: What to make.
        terms: On which terms to wait.
        job: Its job, leased; None without a journal.
        journal: The journal.
        emit: Told of what happens.
        began: Told of the steps, which show how far it has come.
        stopping_since: Since when, in loop time, nothing is to be waited for that takes long; None: it is.
        missing: Its file, if that is all that it lacks; None: it is made, or gone on with.

    Raises:
        EversinceError: As `eversince.produce`.
        ApprovalPending: The pipeline waits for an approval.
        SleepPending: The pipeline sleeps for longer than it may.
        Exception: What the pipeline raises.
    """
    if item.order is not None:
        manner = Manner(
            terms=terms, emit=emit, is_followed=True, waits=False, began=began, stopping_since=stopping_since
        )
        return await _run(desk, item.key, item.order, manner, job, journal)
    return await _produce(
        desk, item, terms, job=job, journal=journal, emit=emit, began=began, missing=missing
    )


async def _run(
    desk: Desk, key: str, order: Order, manner: Manner, job: Job | None, journal: Journal | None
) -> Any:
    """Run a pipeline: without a journal, in one that is forgotten."""
    if job is not None and journal is not None:
        return await run_pipeline(desk, order, job, journal, manner)
    async with MemoryJournal() as forgotten:
        await forgotten.put(key, None, stage=WORKING)
        return await run_pipeline(desk, order, await forgotten.acquire(key, FOR_EVER), forgotten, manner)


async def _produce(
    desk: Desk,
    item: Item,
    terms: Terms,
    *,
    job: Job | None,
    journal: Journal | None,
    emit: Emit,
    began: Callable[[Steps], object],
    missing: Path | None,
) -> Production:
    assert item.brief is not None
    brief = _with_key(item.brief, item.derived_key, 1 if job is None else job.attempt)
    steps = Steps(
        desk,
        attrs.evolve(terms, has_rivals=item.derived_key is not None),
        emit,
        key=str(brief.idempotency_key),
        project_id=None if job is None else job.project_id,
        effects=Effects() if job is None else Effects(journal=journal, job_id=job.id, attempt=job.attempt),
    )
    began(steps)

    def tell(reason: WaitReason) -> None:
        emit(Waiting(at=now(), project_id=steps.project_id, reason=reason))

    with desk.listening(steps.key, tell):
        async with desk.helping_to_buy():
            if missing is not None:
                return await refetched(desk, steps, missing)
            if steps.project_id is None:
                await _need_free(item)
                return await produce(desk, steps, brief, item.to_do, terms)
            return await resume(desk, steps, item.to_do, terms)


async def _need_free(item: Item) -> None:
    """Refuse an item whose file is another's before it is paid for.

    Raises:
        DownloadFailed: It is.
    """
    target = item.wishes.download
    if target is not None and not item.wishes.replaces and not target.endswith(("/", os.sep)):
        await need_free(Path(target))


def _with_key(brief: Brief, derived: str | None, attempt: int) -> Brief:
    """The brief with an idempotency key: its own, or a derived one. These are others for each attempt."""
    given = derived if brief.idempotency_key is UNSET else brief.idempotency_key
    if given is None:
        key = uuid.uuid4().hex
    else:
        key = str(given) if attempt == 1 else f"{str(given)[: _LIMITS - 6]}-{attempt}"
    return attrs.evolve(brief, idempotency_key=key)
