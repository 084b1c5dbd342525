"""Variations: other versions of a project, which the agent makes when it is asked by message.

Whether it made one is seen in the list of variations, not in what it says. A new one need not be the
active one, and a render renders the active one: so we ask for the switch, and look again.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from eversince_async.errors import NotAllowedNow
from eversince_async.models.content import Variation
from eversince_async.models.projects import Project
from eversince_async.orchestrator.desk import Desk
from eversince_async.orchestrator.order import Wishes
from eversince_async.orchestrator.producing import delivered, rendered
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.sighting import place
from eversince_async.orchestrator.steps import Steps

SWITCH: Final = "Switch to variation {id}"
"""How to ask for another active variation, in the documents' own words."""

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


async def vary(desk: Desk, steps: Steps, text: str, wishes: Wishes) -> Production:
    """Have a variation made, render it, and deliver it as a production of its own.

    Without a render it has no video, unless the agent has rendered it by itself: the one that is there is
    another variation's.
    """
    project = await at_rest(steps)
    before = await steps.effects.noted("video before", video_of(project))
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


async def new_variation(desk: Desk, steps: Steps, project: Project, text: str) -> tuple[Project, Variation]:
    """Ask for a variation; return the one that was made, or else the one that is active since.

    Raises:
        NotAllowedNow: The agent did neither; its answer is in the error.
    """

    async def standing() -> dict[str, Any]:
        there = await desk.api.content.variations(project.id)
        active = _active(there)
        return {"known": [each.id for each in there], "active": None if active is None else active.id}

    before = await steps.effects.noted("variations before", standing)
    answered = await steps.message(project, text)

    there = list[Variation]()

    async def made() -> str:
        there.extend(await desk.api.content.variations(project.id))
        fresh = [each for each in there if each.id not in before["known"]]
        if fresh:
            return _newest(fresh).id
        active = _active(there)
        if active is None or before["active"] in {None, active.id}:
            raise NotAllowedNow(
                f"the agent made no variation; it says: {answered.agent_message or 'nothing'}",
                project_id=project.id,
                status=answered.status,
            )
        return active.id

    made_id = await steps.effects.noted("variation made", made)
    return answered, the_variation(there or await desk.api.content.variations(project.id), made_id, answered)


def the_variation(there: Sequence[Variation], variation_id: str, project: Project) -> Variation:
    """One of a project's variations, by its id.

    Raises:
        NotAllowedNow: It is not there any more.
    """
    found = next((each for each in there if each.id == variation_id), None)
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
    if wanted.is_active:
        return project, wanted
    project = await steps.message(project, SWITCH.format(id=wanted.id), name="switch")
    active = _active(await desk.api.content.variations(project.id))
    if active is None or active.id != wanted.id:
        raise NotAllowedNow(
            f"the agent did not switch to {wanted.id}; it says: {project.agent_message or 'nothing'}",
            project_id=project.id,
            status=project.status,
        )
    return project, active


def _active(variations: Sequence[Variation]) -> Variation | None:
    return next((variation for variation in variations if variation.is_active), None)


def _newest(variations: Sequence[Variation]) -> Variation:
    """By time as far as that is known; of equals the one listed last."""
    return max(reversed(variations), key=lambda variation: variation.created_at or _LONG_AGO)
