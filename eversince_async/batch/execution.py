"""Execution of one batch item, resumed where an earlier run stopped."""

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
"""Seconds of a lease that no other process competes for."""


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
    """Make an item's video, run its pipeline, or download a missing file.

    Args:
        runtime: The client's runtime.
        item: The item to make.
        policy: The terms on which to wait.
        job: The item's job, leased to this process; None without a journal.
        journal: The journal.
        emit: Called with each event.
        on_start: Called with the `ProjectOperations`, which show how far the item has come.
        stopping_since: Returns the loop time since which nothing may wait for long; None if waits are
            allowed.
        missing: The item's file, if only that is missing; None to make the item or to resume it.

    Returns:
        The production, or the return value of the pipeline.

    Raises:
        EversinceError: As for `eversince.produce`.
        ApprovalPending: The pipeline waits for an approval.
        SleepPending: The pipeline sleeps for longer than it may.
        Exception: Any exception that the pipeline raises.
    """
    if item.call is not None:
        options = RunOptions(
            policy=policy,
            emit=emit,
            has_listeners=True,
            waits_for_approvals=False,
            on_start=on_start,
            stopping_since=stopping_since,
        )
        return await _run_pipeline(runtime, item.key, item.call, options, job, journal)
    return await _produce_video(
        runtime, item, policy, job=job, journal=journal, emit=emit, on_start=on_start, missing=missing
    )


async def _run_pipeline(
    runtime: Runtime,
    key: str,
    order: PipelineCall,
    options: RunOptions,
    job: Job | None,
    journal: Journal | None,
) -> Any:
    """Run a pipeline; without a journal, in a temporary one in memory."""
    if job is not None and journal is not None:
        return await run_pipeline(runtime, order, job, journal, options)
    async with MemoryJournal() as temporary:
        await temporary.put(key, None, stage=RUNNING)
        return await run_pipeline(runtime, order, await temporary.acquire(key, NO_EXPIRY), temporary, options)


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
    """Refuse an item whose target file exists, before it is paid for.

    Raises:
        DownloadFailed: The file exists and may not be replaced.
    """
    target = item.delivery.download
    if target is not None and not item.delivery.replaces and not target.endswith(("/", os.sep)):
        await need_free(Path(target))


def with_idempotency_key(brief: Brief, derived: str | None, attempt: int) -> Brief:
    """Return the brief with an idempotency key of its own.

    The key is the brief's, or the derived one, or else random. Each attempt has a different key.
    """
    given = derived if brief.idempotency_key is UNSET else brief.idempotency_key
    if given is None:
        key = uuid.uuid4().hex
    else:
        key = str(given) if attempt == 1 else f"{str(given)[: MAX_KEY_LENGTH - 6]}-{attempt}"
    return attrs.evolve(brief, idempotency_key=key)
