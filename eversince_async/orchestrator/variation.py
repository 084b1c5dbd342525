"""Variations: other versions of a project, which the agent makes on request.

The list of variations, which may lag behind, shows whether the agent made one; its messages do not. A new
variation need not be the active one, and a render renders the active one: so the switch is requested by
message, and the list is fetched again.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from eversince_async.durable.api import loop_time
from eversince_async.durable.confirm import CONFIRM_DELAYS, retry_transient, wait_for_effect
from eversince_async.durable.executor import EffectExecutor
from eversince_async.errors import InvalidProjectState
from eversince_async.journal.fields import Field
from eversince_async.journal.memory import MemoryJournal
from eversince_async.models.content import Variation
from eversince_async.models.projects import Project
from eversince_async.orchestrator.options import DeliveryOptions
from eversince_async.orchestrator.produce import deliver, need_place, render_with_retries
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.project import ProjectOperations
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.polling.observation import url_without_query

SWITCH_MESSAGE: Final = "Switch to variation {id}"
"""The request for another active variation, in the documents' words."""

_EPOCH: Final = datetime.min.replace(tzinfo=UTC)


async def create_variation(
    runtime: Runtime,
    steps: ProjectOperations,
    text: str,
    delivery: DeliveryOptions,
    *,
    of: Production | None = None,
) -> Production:
    """Make a variation, render it, and deliver it as its own production.

    Without a render the production has no video, unless the agent has rendered by itself: the video that is
    there is another variation's.
    """
    await need_place(delivery)
    if of is not None:
        steps.knows(of.project, loop_time())
    project = await wait_idle(steps)
    before = await steps.effects.checkpoint("video before", video_location(project), Field.text_or_none)
    async with steps.slot():
        project, variation = await request_variation(runtime, steps, project, text)
        project, variation = await activate(runtime, steps, project, variation)
        # Otherwise the agent has rendered the variation by itself.
        if url_without_query(project.assembled_url) in {None, before}:
            if delivery.render is None:
                project = attrs.evolve(project, assembled_url=None, assembled_url_expires_at=None)
            else:
                project = await render_with_retries(steps, project, delivery.render)
    await steps.adopt_render(project)
    return await deliver(runtime, steps, project, delivery, variation=variation)


async def wait_idle(steps: ProjectOperations) -> Project:
    """Wait until the project has settled, and return it."""
    project = await steps.refresh()
    return project if project.is_settled else await steps.settle()


def video_location(project: Project) -> Callable[[], Awaitable[str | None]]:
    """Return a function that returns the URL of the project's present video.

    The URL is recorded before another video is made.
    """

    async def video() -> str | None:
        return url_without_query(project.assembled_url)

    return video


async def in_memory(text: str) -> EffectExecutor:
    """Return effects that this process remembers in case of a repeated call."""
    journal = MemoryJournal()
    await journal.open()
    await journal.put(text, None)
    await journal.acquire(text)
    return EffectExecutor(journal=journal, job_id=text)


async def request_variation(
    runtime: Runtime, steps: ProjectOperations, project: Project, text: str
) -> tuple[Project, Variation]:
    """Ask for a variation; return the new or newly active one.

    Raises:
        InvalidProjectState: The agent neither made one nor switched; its answer is in the error.
    """

    async def list_known() -> dict[str, Any]:
        variations = await retry_transient(runtime, lambda: runtime.api.content.variations(project.id))
        active = _active(variations)
        return {"known": [each.id for each in variations], "active": None if active is None else active.id}

    before = await steps.effects.checkpoint("variations before", list_known, _read_known)
    settled = await steps.message(project, text)

    async def find_new() -> str | None:
        variations = await runtime.api.content.variations(project.id)
        new = [each for each in variations if each.id not in before["known"]]
        if new:
            return _newest(new).id
        active = _active(variations)
        return None if active is None or before["active"] in {None, active.id} else active.id

    async def wait_for_new() -> str:
        new_id = await wait_for_effect(runtime, find_new, CONFIRM_DELAYS)
        if new_id is None:
            raise InvalidProjectState(
                f"the agent made no variation; it says: {settled.agent_message or 'nothing'}",
                project_id=project.id,
                status=settled.status,
            )
        return new_id

    variation_id = await steps.effects.checkpoint("variation made", wait_for_new, Field.text)
    return settled, await find_variation(runtime, settled, variation_id)


async def find_variation(runtime: Runtime, project: Project, variation_id: str) -> Variation:
    """Return one of a project's variations, by its id.

    Raises:
        InvalidProjectState: The variation does not exist any more.
    """

    async def find() -> Variation | None:
        variations = await runtime.api.content.variations(project.id)
        return next((each for each in variations if each.id == variation_id), None)

    variation = await wait_for_effect(runtime, find, CONFIRM_DELAYS)
    if variation is None:
        raise InvalidProjectState(
            f"there is no variation {variation_id} any more", project_id=project.id, status=project.status
        )
    return variation


async def activate(
    runtime: Runtime, steps: ProjectOperations, project: Project, wanted: Variation
) -> tuple[Project, Variation]:
    """Make a variation the active one, if it is not.

    Raises:
        InvalidProjectState: The agent did not switch; its answer is in the error.
    """
    # While a switch of an earlier run is open, the agent may still be at work on it.
    if wanted.is_active and not await steps.effects.is_open("switch"):
        return project, wanted
    project = await steps.message(project, SWITCH_MESSAGE.format(id=wanted.id), name="switch")

    async def find_active() -> Variation | None:
        active = _active(await runtime.api.content.variations(project.id))
        return active if active is not None and active.id == wanted.id else None

    active = await wait_for_effect(runtime, find_active, CONFIRM_DELAYS)
    if active is None:
        raise InvalidProjectState(
            f"the agent did not switch to {wanted.id}; it says: {project.agent_message or 'nothing'}",
            project_id=project.id,
            status=project.status,
        )
    return project, active


def _read_known(record: Field) -> dict[str, Any]:
    return {"known": record["known"].texts(), "active": record["active"].text_or_none()}


def _active(variations: Sequence[Variation]) -> Variation | None:
    return next((variation for variation in variations if variation.is_active), None)


def _newest(variations: Sequence[Variation]) -> Variation:
    """Return the newest variation; of equally old ones, the one listed last."""
    return max(reversed(variations), key=lambda variation: variation.created_at or _EPOCH)
