"""Variations: other versions of a project, which the agent makes when it is asked by message.

Whether it made one is seen in the list of variations, which may lag behind, not in what it says. A new one
need not be the active one, and a render renders the active one: so we ask for the switch, and look again.
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
"""How to ask for another active variation, in the documents' own words."""

_EPOCH: Final = datetime.min.replace(tzinfo=UTC)


async def create_variation(
    runtime: Runtime,
    steps: ProjectOperations,
    text: str,
    delivery: DeliveryOptions,
    *,
    of: Production | None = None,
) -> Production:
    """Have a variation made, render it, and deliver it as a production of its own.

    Without a render it has no video, unless the agent has rendered it by itself: the one that is there is
    another variation's.
    """
    await need_place(delivery)
    if of is not None:
        steps.knows(of.project, loop_time())
    project = await wait_idle(steps)
    before = await steps.effects.checkpoint("video before", video_location(project), Field.text_or_none)
    async with steps.slot():
        project, made = await request_variation(runtime, steps, project, text)
        project, made = await activate(runtime, steps, project, made)
        if url_without_query(project.assembled_url) in {
            None,
            before,
        }:  # the agent has not rendered it by itself
            if delivery.render is None:
                project = attrs.evolve(project, assembled_url=None, assembled_url_expires_at=None)
            else:
                project = await render_with_retries(steps, project, delivery.render)
    await steps.adopt_render(project)
    return await deliver(runtime, steps, project, delivery, variation=made)


async def wait_idle(steps: ProjectOperations) -> Project:
    """The project once nothing is at work on it."""
    project = await steps.refresh()
    return project if project.is_settled else await steps.settle()


def video_location(project: Project) -> Callable[[], Awaitable[str | None]]:
    """Says where a project's video lies, to be noted before another is made."""

    async def video() -> str | None:
        return url_without_query(project.assembled_url)

    return video


async def in_memory(text: str) -> EffectExecutor:
    """Effects of which this process remembers how far they have come, for whoever asks for them again."""
    journal = MemoryJournal()
    await journal.open()
    await journal.put(text, None)
    await journal.acquire(text)
    return EffectExecutor(journal=journal, job_id=text)


async def request_variation(
    runtime: Runtime, steps: ProjectOperations, project: Project, text: str
) -> tuple[Project, Variation]:
    """Ask for a variation; return the one that was made, or else the one that is active since.

    Raises:
        InvalidProjectState: The agent did neither; its answer is in the error.
    """

    async def standing() -> dict[str, Any]:
        there = await retry_transient(runtime, lambda: runtime.api.content.variations(project.id))
        active = _active(there)
        return {"known": [each.id for each in there], "active": None if active is None else active.id}

    before = await steps.effects.checkpoint("variations before", standing, _standing)
    answered = await steps.message(project, text)

    async def fresh() -> str | None:
        there = await runtime.api.content.variations(project.id)
        new = [each for each in there if each.id not in before["known"]]
        if new:
            return _newest(new).id
        active = _active(there)
        return None if active is None or before["active"] in {None, active.id} else active.id

    async def made() -> str:
        found = await wait_for_effect(runtime, fresh, CONFIRM_DELAYS)
        if found is None:
            raise InvalidProjectState(
                f"the agent made no variation; it says: {answered.agent_message or 'nothing'}",
                project_id=project.id,
                status=answered.status,
            )
        return found

    made_id = await steps.effects.checkpoint("variation made", made, Field.text)
    return answered, await find_variation(runtime, answered, made_id)


async def find_variation(runtime: Runtime, project: Project, variation_id: str) -> Variation:
    """One of a project's variations, by its id.

    Raises:
        InvalidProjectState: It is not there any more.
    """

    async def there() -> Variation | None:
        variations = await runtime.api.content.variations(project.id)
        return next((each for each in variations if each.id == variation_id), None)

    found = await wait_for_effect(runtime, there, CONFIRM_DELAYS)
    if found is None:
        raise InvalidProjectState(
            f"there is no variation {variation_id} any more", project_id=project.id, status=project.status
        )
    return found


async def activate(
    runtime: Runtime, steps: ProjectOperations, project: Project, wanted: Variation
) -> tuple[Project, Variation]:
    """Make a variation the active one, if it is not.

    Raises:
        InvalidProjectState: The agent did not switch; its answer is in the error.
    """
    if wanted.is_active and not await steps.effects.is_open("switch"):  # else the agent may be at it still
        return project, wanted
    project = await steps.message(project, SWITCH_MESSAGE.format(id=wanted.id), name="switch")

    async def switched() -> Variation | None:
        active = _active(await runtime.api.content.variations(project.id))
        return active if active is not None and active.id == wanted.id else None

    active = await wait_for_effect(runtime, switched, CONFIRM_DELAYS)
    if active is None:
        raise InvalidProjectState(
            f"the agent did not switch to {wanted.id}; it says: {project.agent_message or 'nothing'}",
            project_id=project.id,
            status=project.status,
        )
    return project, active


def _standing(kept: Field) -> dict[str, Any]:
    return {"known": kept["known"].texts(), "active": kept["active"].text_or_none()}


def _active(variations: Sequence[Variation]) -> Variation | None:
    return next((variation for variation in variations if variation.is_active), None)


def _newest(variations: Sequence[Variation]) -> Variation:
    """By time as far as that is known; of equals the one listed last."""
    return max(reversed(variations), key=lambda variation: variation.created_at or _EPOCH)
