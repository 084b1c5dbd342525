"""Variations: other versions of a project, which the agent makes when it is asked by message.

Whether it made one is seen in the list of variations, which may lag behind, not in what it says. A new one
need not be the active one, and a render renders the active one: so we ask for the switch, and look again.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from eversince_async.errors import NotAllowedNow
from eversince_async.journal.fields import Field
from eversince_async.journal.memory import MemoryJournal
from eversince_async.models.content import Variation
from eversince_async.models.projects import Project
from eversince_async.orchestrator.desk import Desk, now
from eversince_async.orchestrator.effects import Effects
from eversince_async.orchestrator.observing import LOOKS_AFTER, look_for, persistently
from eversince_async.orchestrator.order import Wishes
from eversince_async.orchestrator.producing import delivered, need_place, rendered
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.sighting import place
from eversince_async.orchestrator.steps import Steps

SWITCH: Final = "Switch to variation {id}"
"""How to ask for another active variation, in the documents' own words."""

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


async def vary(
    desk: Desk, steps: Steps, text: str, wishes: Wishes, *, of: Production | None = None
) -> Production:
    """Have a variation made, render it, and deliver it as a production of its own.

    Without a render it has no video, unless the agent has rendered it by itself: the one that is there is
    another variation's.
    """
    await need_place(wishes)
    if of is not None:
        steps.knows(of.project, now())
    project = await at_rest(steps)
    before = await steps.effects.noted("video before", video_of(project), Field.text_or_none)
    async with steps.slot():
        project, made = await new_variation(desk, steps, project, text)
        project, made = await activated(desk, steps, project, made)
        if place(project.assembled_url) in {None, before}:  # the agent has not rendered it by itself
            if wishes.render is None:
                project = attrs.evolve(project, assembled_url=None, assembled_url_expires_at=None)
            else:
                project = await rendered(steps, project, wishes.render)
    await steps.saw_render(project)
    return await delivered(desk, steps, project, wishes, variation=made)


async def at_rest(steps: Steps) -> Project:
    """The project once nothing is at work on it."""
    project = await steps.look()
    return project if project.is_settled else await steps.settle()


def video_of(project: Project) -> Callable[[], Awaitable[str | None]]:
    """Says where a project's video lies, to be noted before another is made."""

    async def video() -> str | None:
        return place(project.assembled_url)

    return video


async def in_memory(text: str) -> Effects:
    """Effects of which this process remembers how far they have come, for whoever asks for them again."""
    journal = MemoryJournal()
    await journal.open()
    await journal.put(text, None)
    await journal.acquire(text)
    return Effects(journal=journal, job_id=text)


async def new_variation(desk: Desk, steps: Steps, project: Project, text: str) -> tuple[Project, Variation]:
    """Ask for a variation; return the one that was made, or else the one that is active since.

    Raises:
        NotAllowedNow: The agent did neither; its answer is in the error.
    """

    async def standing() -> dict[str, Any]:
        there = await persistently(desk, lambda: desk.api.content.variations(project.id))
        active = _active(there)
        return {"known": [each.id for each in there], "active": None if active is None else active.id}

    before = await steps.effects.noted("variations before", standing, _standing)
    answered = await steps.message(project, text)

    async def fresh() -> str | None:
        there = await desk.api.content.variations(project.id)
        new = [each for each in there if each.id not in before["known"]]
        if new:
            return _newest(new).id
        active = _active(there)
        return None if active is None or before["active"] in {None, active.id} else active.id

    async def made() -> str:
        found = await look_for(desk, fresh, LOOKS_AFTER)
        if found is None:
            raise NotAllowedNow(
                f"the agent made no variation; it says: {answered.agent_message or 'nothing'}",
                project_id=project.id,
                status=answered.status,
            )
        return found

    made_id = await steps.effects.noted("variation made", made, Field.text)
    return answered, await the_variation(desk, answered, made_id)


async def the_variation(desk: Desk, project: Project, variation_id: str) -> Variation:
    """One of a project's variations, by its id.

    Raises:
        NotAllowedNow: It is not there any more.
    """

    async def there() -> Variation | None:
        variations = await desk.api.content.variations(project.id)
        return next((each for each in variations if each.id == variation_id), None)

    found = await look_for(desk, there, LOOKS_AFTER)
    if found is None:
        raise NotAllowedNow(
            f"there is no variation {variation_id} any more", project_id=project.id, status=project.status
        )
    return found


async def activated(
    desk: Desk, steps: Steps, project: Project, wanted: Variation
) -> tuple[Project, Variation]:
    """Make a variation the active one, if it is not.

    Raises:
        NotAllowedNow: The agent did not switch; its answer is in the error.
    """
    if wanted.is_active and not await steps.effects.is_open("switch"):  # else the agent may be at it still
        return project, wanted
    project = await steps.message(project, SWITCH.format(id=wanted.id), name="switch")

    async def switched() -> Variation | None:
        active = _active(await desk.api.content.variations(project.id))
        return active if active is not None and active.id == wanted.id else None

    active = await look_for(desk, switched, LOOKS_AFTER)
    if active is None:
        raise NotAllowedNow(
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
    return max(reversed(variations), key=lambda variation: variation.created_at or _LONG_AGO)
