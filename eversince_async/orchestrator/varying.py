"""Variations: other versions of a project, which the agent makes when it is asked by message.

Whether it made one is seen in the list of variations, not in what it says. A new one need not be the
active one, and a render renders the active one: so we ask for the switch, and look again.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

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
    """Have a variation made, render it, and deliver it as a production of its own."""
    project = await steps.look()
    if not project.is_settled:
        project = await steps.settle()
    before = place(project.assembled_url)
    async with steps.slot():
        project, made = await new_variation(desk, steps, project, text)
        project, made = await activated(desk, steps, project, made)
        if place(project.assembled_url) in {None, before}:  # the agent has not rendered it by itself
            if wishes.render is None:
                wishes = Wishes(render=None)  # the video that is there is another variation's
            else:
                project = await rendered(steps, project, wishes.render)
    return await delivered(desk, steps, project, wishes, variation=made)


async def new_variation(desk: Desk, steps: Steps, project: Project, text: str) -> tuple[Project, Variation]:
    """Ask for a variation; return the one that was made, or else the one that is active since.

    Raises:
        NotAllowedNow: The agent did neither; its answer is in the error.
    """
    before = await desk.api.content.variations(project.id)
    known = {variation.id for variation in before}
    project = await steps.message(project, text)
    after = await desk.api.content.variations(project.id)
    fresh = [variation for variation in after if variation.id not in known]
    if fresh:
        return project, _newest(fresh)
    active, other = _active(after), _active(before)
    if active is not None and other is not None and active.id != other.id:
        return project, active
    raise NotAllowedNow(
        f"the agent made no variation; it says: {project.agent_message or 'nothing'}",
        project_id=project.id,
        status=project.status,
    )


async def activated(
    desk: Desk, steps: Steps, project: Project, wanted: Variation
) -> tuple[Project, Variation]:
    """Make a variation the active one, if it is not.

    Raises:
        NotAllowedNow: The agent did not switch; its answer is in the error.
    """
    if wanted.is_active:
        return project, wanted
    project = await steps.message(project, SWITCH.format(id=wanted.id))
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
