"""Project operations behind the steps of a pipeline.

Each continues from the point at which an earlier run left its project.
"""

import asyncio
import math
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import attrs

from eversince_async.durable.api import loop_time
from eversince_async.durable.executor import EffectExecutor
from eversince_async.errors import InvalidProjectState
from eversince_async.journal import Effect
from eversince_async.journal.fields import Field
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.content import Variation
from eversince_async.models.projects import Brief, Project
from eversince_async.models.references import Reference, UploadReference
from eversince_async.orchestrator.options import DeliveryOptions
from eversince_async.orchestrator.produce import cancel_once, deliver, need_place, render_with_retries
from eversince_async.orchestrator.produce import produce as produce_video
from eversince_async.orchestrator.produce import resume as resume_video
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.project import ProjectOperations
from eversince_async.orchestrator.tracker import LAGS
from eversince_async.orchestrator.variation import activate, find_variation, video_location, wait_idle
from eversince_async.orchestrator.variation import create_variation as make_variation
from eversince_async.pipelines.steps import StepExecutor
from eversince_async.polling.observation import Known, url_without_query

ProjectRef = str | Project | Production
"""A project: its id, or a `Project` or `Production` that holds it."""

Body = Callable[[EffectExecutor, Effect], Awaitable[object]]


def project_id_of(project: ProjectRef) -> str:
    """Return a project's id."""
    match project:
        case str():
            return project
        case Production():
            return project.project_id
        case Project():
            return project.id


async def upload(executor: StepExecutor, path: Path) -> UploadReference:
    """Upload a file.

    An upload in doubt is repeated: remains of the first one do no harm.
    """
    upload = await executor.runtime.api.uploads.upload(path)
    return UploadReference(upload_id=upload.upload_id)


async def produce(
    executor: StepExecutor, effects: EffectExecutor, step: Effect, brief: Brief, delivery: DeliveryOptions
) -> Production:
    """Produce a video from a brief, or resume an earlier run's production."""
    project_id = await effects.project_id()
    if project_id is None and (earlier := Field.of(step, "request").get("project_id")) is not None:
        project_id = earlier.text()
    brief = with_idempotency_key(brief, effects.attempt)
    policy = executor.manner.policy
    async with executor.operations(effects, key=str(brief.idempotency_key), project_id=project_id) as steps:
        if project_id is None:
            return await produce_video(executor.runtime, steps, brief, delivery, policy)
        return await resume_video(executor.runtime, steps, delivery, policy)


async def create(executor: StepExecutor, effects: EffectExecutor, brief: Brief) -> str:
    """Create a project, and return its id."""
    brief = with_idempotency_key(brief, effects.attempt)
    async with executor.operations(effects, key=str(brief.idempotency_key)) as steps, steps.slot():
        return (await steps.create(brief)).id


async def wait_settled(executor: StepExecutor, effects: EffectExecutor, project_id: str) -> Project:
    """Wait until a project is idle, and return it."""
    async with executor.operations(effects, key=project_id, project_id=project_id) as steps:
        return await wait_idle(steps)


async def send_message(
    executor: StepExecutor,
    effects: EffectExecutor,
    project_id: str,
    text: str,
    references: Sequence[Reference] | Unset,
) -> Project:
    """Send a message, and wait until the agent has dealt with it."""
    async with executor.operations(effects, key=project_id, project_id=project_id) as steps:
        return await steps.message(await wait_idle(steps), text, references)


async def create_variation(
    executor: StepExecutor, effects: EffectExecutor, of: ProjectRef, text: str, delivery: DeliveryOptions
) -> Production:
    """Have the agent create a variation, and return its production."""
    project_id = project_id_of(of)
    async with executor.operations(effects, key=project_id, project_id=project_id) as steps:
        return await make_variation(
            executor.runtime, steps, text, delivery, of=of if isinstance(of, Production) else None
        )


async def render_and_deliver(
    executor: StepExecutor, effects: EffectExecutor, of: ProjectRef, delivery: DeliveryOptions, *, anew: bool
) -> Production:
    """Render a project, or a production's variation, then share and download it.

    A project that has a video already is rendered again only if `anew` is True.
    """
    await need_place(delivery)
    project_id = project_id_of(of)
    async with executor.operations(effects, key=project_id, project_id=project_id) as steps:
        project = await _no_less_than(of, steps)
        async with steps.slot():
            project, variation = await _activate_variation(executor, steps, project, of)
            if delivery.render is not None:
                project = await _ensure_video(steps, project, of, delivery.render, anew=anew)
        await steps.adopt_render(project)
        _require_video(project, of, delivery)
        return await deliver(executor.runtime, steps, project, delivery, variation=variation)


async def cancel(executor: StepExecutor, effects: EffectExecutor, project_id: str) -> None:
    """Cancel a project."""
    await cancel_once(executor.runtime, project_id, effects)


async def _no_less_than(of: ProjectRef, steps: ProjectOperations) -> Project:
    """Return the idle project in a state no older than the production's.

    A response of the server may lag behind the production; the project is then polled again after short
    pauses. If the response still lags, both states are merged.
    """
    project = await wait_idle(steps)
    if not isinstance(of, Production):
        return project
    known = Known(project=of.project, requested_at=loop_time())
    for pause in LAGS:
        if not known.is_ahead_of(project, loop_time(), for_seconds=math.inf):
            return project
        await asyncio.sleep(pause)
        project = await wait_idle(steps)
    return known.merge(project, loop_time(), for_seconds=math.inf).project


async def _activate_variation(
    executor: StepExecutor, steps: ProjectOperations, project: Project, of: ProjectRef
) -> tuple[Project, Variation | None]:
    """Activate the variation that is meant; return the project and the variation.

    The variation is None unless `of` is a production of one.
    """
    variation_id = _variation_id(of)
    if variation_id is None:
        return project, None
    variation = of.variation if isinstance(of, Production) else None
    if variation_id == project.variation_id:
        return project, variation
    wanted = await find_variation(executor.runtime, project, variation_id)
    project, found = await activate(executor.runtime, steps, project, wanted)
    return project, None if variation is None else found


def _variation_id(of: ProjectRef) -> str | None:
    match of:
        case Production(variation=Variation() as variation):
            return variation.id
        case Production():
            return of.project.variation_id
        case Project():
            return of.variation_id
        case _:
            return None


async def _ensure_video(
    steps: ProjectOperations, project: Project, of: ProjectRef, quality: str, *, anew: bool
) -> Project:
    """Return the project with the video that is meant, rendered if missing."""
    has_it = project.assembled_url is not None and _has_same_video(project, of)
    before = await steps.effects.checkpoint("video before", video_location(project), Field.text_or_none)
    wanted = await steps.effects.checkpoint("render wanted", _constant(anew or not has_it), Field.flag)
    if wanted and url_without_query(project.assembled_url) in {None, before}:
        return await render_with_retries(steps, project, quality)
    return project


def _constant(truth: bool) -> Callable[[], Awaitable[bool]]:  # noqa: FBT001 - the only argument
    async def get() -> bool:
        return truth

    return get


def _has_same_video(project: Project, of: ProjectRef) -> bool:
    """Return True if the project's video is still the production's.

    Otherwise it is another variation's.
    """
    if not isinstance(of, Production):
        return True
    return url_without_query(of.assembled_url) == url_without_query(project.assembled_url)


def _require_video(project: Project, of: ProjectRef, delivery: DeliveryOptions) -> None:
    """Refuse to share any video but the one that is meant.

    Raises:
        InvalidProjectState: The video is missing, or is another variation's.
    """
    if delivery.render is None and (project.assembled_url is None or not _has_same_video(project, of)):
        raise InvalidProjectState(
            "there is no video to share: render it first",
            project_id=project.id,
            status=project.status,
        )


def with_idempotency_key(brief: Brief, attempt: int) -> Brief:
    """Return the brief with an idempotency key for this attempt.

    A key that the caller gave serves the first attempt; each later attempt has a key derived from it.
    """
    key = brief.idempotency_key
    if key is UNSET:
        return attrs.evolve(brief, idempotency_key=uuid.uuid4().hex)
    return brief if attempt == 1 else attrs.evolve(brief, idempotency_key=f"{str(key)[:250]}-{attempt}")
