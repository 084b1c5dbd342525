"""What the steps of a pipeline do with projects, each gone on with from wherever an earlier run left it."""

import asyncio
import math
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import attrs

from eversince_async.errors import NotAllowedNow
from eversince_async.journal import Effect
from eversince_async.journal.fields import Field
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.content import Variation
from eversince_async.models.projects import Brief, Project
from eversince_async.models.references import Reference, UploadReference
from eversince_async.orchestrator.desk import now
from eversince_async.orchestrator.effects import Effects
from eversince_async.orchestrator.footing import LAGS
from eversince_async.orchestrator.order import Wishes
from eversince_async.orchestrator.producing import (
    cancelled_once,
    delivered,
    need_place,
    produce,
    rendered,
    resume,
)
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.sighting import Known, place
from eversince_async.orchestrator.steps import Steps
from eversince_async.orchestrator.varying import activated, at_rest, the_variation, vary, video_of
from eversince_async.pipelines.course import Course

Of = str | Project | Production
"""A project, by its id or by what is known of it."""

Body = Callable[[Effects, Effect], Awaitable[object]]


def id_of(project: Of) -> str:
    """A project's id."""
    match project:
        case str():
            return project
        case Production():
            return project.project_id
        case Project():
            return project.id


async def uploaded(course: Course, path: Path) -> UploadReference:
    """Upload a file. One in doubt is begun again: what there is of it is harmless."""
    upload = await course.desk.api.uploads.upload(path)
    return UploadReference(upload_id=upload.upload_id)


async def produced(
    course: Course, effects: Effects, step: Effect, brief: Brief, wishes: Wishes
) -> Production:
    """Make a production from its brief."""
    project_id = await effects.project_id()
    if project_id is None and (earlier := Field.of(step, "request").get("project_id")) is not None:
        project_id = earlier.text()
    brief = _with_key(brief, effects.attempt)
    terms = course.manner.terms
    async with course.steps(effects, key=str(brief.idempotency_key), project_id=project_id) as steps:
        if project_id is None:
            return await produce(course.desk, steps, brief, wishes, terms)
        return await resume(course.desk, steps, wishes, terms)


async def created(course: Course, effects: Effects, brief: Brief) -> str:
    """Create a project; returns its id."""
    brief = _with_key(brief, effects.attempt)
    async with course.steps(effects, key=str(brief.idempotency_key)) as steps, steps.slot():
        return (await steps.create(brief)).id


async def settled(course: Course, effects: Effects, project_id: str) -> Project:
    """Wait until nothing is at work on a project."""
    async with course.steps(effects, key=project_id, project_id=project_id) as steps:
        return await at_rest(steps)


async def said(
    course: Course, effects: Effects, project_id: str, text: str, references: Sequence[Reference] | Unset
) -> Project:
    """Send a message, and wait until the agent has dealt with it."""
    async with course.steps(effects, key=project_id, project_id=project_id) as steps:
        return await steps.message(await at_rest(steps), text, references)


async def varied(course: Course, effects: Effects, of: Of, text: str, wishes: Wishes) -> Production:
    """Have a variation made."""
    project_id = id_of(of)
    async with course.steps(effects, key=project_id, project_id=project_id) as steps:
        return await vary(course.desk, steps, text, wishes, of=of if isinstance(of, Production) else None)


async def rendered_and_more(
    course: Course, effects: Effects, of: Of, wishes: Wishes, *, anew: bool
) -> Production:
    """Render a project, or the variation that a production is of, and share and download it.

    What has a video already is not rendered again, unless it is asked to be.
    """
    await need_place(wishes)
    project_id = id_of(of)
    async with course.steps(effects, key=project_id, project_id=project_id) as steps:
        project = await _no_less_than(of, steps)
        async with steps.slot():
            project, variation = await _as_it_was(course, steps, project, of)
            if wishes.render is not None:
                project = await _with_its_video(steps, project, of, wishes.render, anew=anew)
        await steps.saw_render(project)
        _need_its_video(project, of, wishes)
        return await delivered(course.desk, steps, project, wishes, variation=variation)


async def cancelled(course: Course, effects: Effects, project_id: str) -> None:
    """Cancel a project."""
    await cancelled_once(course.desk, project_id, effects)


async def _no_less_than(of: Of, steps: Steps) -> Project:
    """The project at rest, as an answer shows it that does not lag behind the production that is meant."""
    project = await at_rest(steps)
    if not isinstance(of, Production):
        return project
    known = Known(project=of.project, asked_at=now())
    for pause in LAGS:
        if not known.is_ahead_of(project, now(), for_seconds=math.inf):
            return project
        await asyncio.sleep(pause)
        project = await at_rest(steps)
    return known.grown(project, now(), for_seconds=math.inf).project


async def _as_it_was(
    course: Course, steps: Steps, project: Project, of: Of
) -> tuple[Project, Variation | None]:
    """The project with the variation active that is meant; that, if a production is meant."""
    meant = _variation_of(of)
    if meant is None:
        return project, None
    variation = of.variation if isinstance(of, Production) else None
    if meant == project.variation_id:
        return project, variation
    wanted = await the_variation(course.desk, project, meant)
    project, found = await activated(course.desk, steps, project, wanted)
    return project, None if variation is None else found


def _variation_of(of: Of) -> str | None:
    match of:
        case Production(variation=Variation() as variation):
            return variation.id
        case Production():
            return of.project.variation_id
        case Project():
            return of.variation_id
        case _:
            return None


async def _with_its_video(steps: Steps, project: Project, of: Of, quality: str, *, anew: bool) -> Project:
    """The project with the video that is meant, rendered if it is not there."""
    has_it = project.assembled_url is not None and _is_its_video(project, of)
    before = await steps.effects.noted("video before", video_of(project), Field.text_or_none)
    wanted = await steps.effects.noted("render wanted", _said(anew or not has_it), Field.flag)
    if wanted and place(project.assembled_url) in {None, before}:
        return await rendered(steps, project, quality)
    return project


def _said(truth: bool) -> Callable[[], Awaitable[bool]]:  # noqa: FBT001 - it is all there is to say
    async def say() -> bool:
        return truth

    return say


def _is_its_video(project: Project, of: Of) -> bool:
    """Whether the project's video is still the production's, and not another variation's."""
    if not isinstance(of, Production):
        return True
    return place(of.assembled_url) == place(project.assembled_url)


def _need_its_video(project: Project, of: Of, wishes: Wishes) -> None:
    """Nothing but the video that is meant is shared.

    Raises:
        NotAllowedNow: It is not there, or is another variation's.
    """
    if wishes.render is None and (project.assembled_url is None or not _is_its_video(project, of)):
        raise NotAllowedNow(
            "there is no video of this to share: render it first",
            project_id=project.id,
            status=project.status,
        )


def _with_key(brief: Brief, attempt: int) -> Brief:
    """The brief with an idempotency key; a given one is another in each attempt."""
    given = brief.idempotency_key
    if given is UNSET:
        return attrs.evolve(brief, idempotency_key=uuid.uuid4().hex)
    return brief if attempt == 1 else attrs.evolve(brief, idempotency_key=f"{str(given)[:250]}-{attempt}")
