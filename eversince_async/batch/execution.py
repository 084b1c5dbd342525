"""One item of a batch, made under a job of the journal, from wherever an earlier run left it."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs

from eversince_async.batch.items import Item
from eversince_async.durable.api import loop_time
from eversince_async.durable.executor import EffectExecutor
from eversince_async.durable.status import RUNNING
from eversince_async.governor import WaitReason
from eversince_async.journal import Job, Journal, MemoryJournal
from eversince_async.models._base import UNSET
from eversince_async.models.projects import Brief
from eversince_async.orchestrator.events import Waiting
from eversince_async.orchestrator.options import WaitPolicy
from eversince_async.orchestrator.produce import need_free, produce, refetch, resume
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.project import ProjectOperations
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.orchestrator.workflow import EventHandler
from eversince_async.pipelines.runner import PipelineCall, run_pipeline
from eversince_async.pipelines.steps import RunOptions

MAX_KEY_LENGTH: Final = 256

NO_EXPIRY: Final = 365 * 24 * 3600.0
"""Seconds of a lease that nobody contends for."""


async def run_item(
    runtime: Runtime,
    item: Item,
    policy: WaitPolicy,
    *,
    job: Job | None,
    journal: Journal | None,
    emit: EventHandler,
    on_start: Callable[[ProjectOperations], object],
    stopping_since: Callable[[], float | None],
    missing: Path | None = None,
) -> Any:
    """Make an item: its video, or what its pipeline returns; or fetch what is missing of its files.

    Args:
        runtime: What to work with.
        item: What to make.
        policy: On which terms to wait.
        job: Its job, leased; None without a journal.
        journal: The journal.
        emit: Told of what happens.
        on_start: Told of the steps, which show how far it has come.
        stopping_since: Since when, in loop time, nothing is to be waited for that takes long; None: it is.
        missing: Its file, if that is all that it lacks; None: it is made, or gone on with.

    Raises:
        EversinceError: As `eversince.produce`.
        ApprovalPending: The pipeline waits for an approval.
        SleepPending: The pipeline sleeps for longer than it may.
        Exception: What the pipeline raises.
    """
    if item.call is not None:
        manner = RunOptions(
            policy=policy,
            emit=emit,
            has_listeners=True,
            waits_for_approvals=False,
            on_start=on_start,
            stopping_since=stopping_since,
        )
        return await _run_pipeline(runtime, item.key, item.call, manner, job, journal)
    return await _produce_video(
        runtime, item, policy, job=job, journal=journal, emit=emit, on_start=on_start, missing=missing
    )


async def _run_pipeline(
    runtime: Runtime,
    key: str,
    order: PipelineCall,
    manner: RunOptions,
    job: Job | None,
    journal: Journal | None,
) -> Any:
    """Run a pipeline: without a journal, in one that is forgotten."""
    if job is not None and journal is not None:
        return await run_pipeline(runtime, order, job, journal, manner)
    async with MemoryJournal() as forgotten:
        await forgotten.put(key, None, stage=RUNNING)
        return await run_pipeline(runtime, order, await forgotten.acquire(key, NO_EXPIRY), forgotten, manner)


async def _produce_video(
    runtime: Runtime,
    item: Item,
    policy: WaitPolicy,
    *,
    job: Job | None,
    journal: Journal | None,
    emit: EventHandler,
    on_start: Callable[[ProjectOperations], object],
    missing: Path | None,
) -> Production:
    assert item.brief is not None
    brief = with_idempotency_key(item.brief, item.derived_key, 1 if job is None else job.attempt)
    steps = ProjectOperations(
        runtime,
        attrs.evolve(policy, has_rivals=item.derived_key is not None),
        emit,
        key=str(brief.idempotency_key),
        project_id=None if job is None else job.project_id,
        effects=EffectExecutor()
        if job is None
        else EffectExecutor(journal=journal, job_id=job.id, attempt=job.attempt),
    )
    on_start(steps)

    def tell(reason: WaitReason) -> None:
        emit(Waiting(at=loop_time(), project_id=steps.project_id, reason=reason))

    with runtime.listening(steps.key, tell):
        async with runtime.attach_purchase_options():
            if missing is not None:
                return await refetch(runtime, steps, missing)
            if steps.project_id is None:
                await _need_free(item)
                return await produce(runtime, steps, brief, item.to_do, policy)
            return await resume(runtime, steps, item.to_do, policy)


async def _need_free(item: Item) -> None:
    """Refuse an item whose file is another's before it is paid for.

    Raises:
        DownloadFailed: It is.
    """
    target = item.delivery.download
    if target is not None and not item.delivery.replaces and not target.endswith(("/", os.sep)):
        await need_free(Path(target))


def with_idempotency_key(brief: Brief, derived: str | None, attempt: int) -> Brief:
    """The brief with an idempotency key: its own, or a derived one. These are others for each attempt."""
    given = derived if brief.idempotency_key is UNSET else brief.idempotency_key
    if given is None:
        key = uuid.uuid4().hex
    else:
        key = str(given) if attempt == 1 else f"{str(given)[: MAX_KEY_LENGTH - 6]}-{attempt}"
    return attrs.evolve(brief, idempotency_key=key)
