"""Changes to projects from outside the API, as in the studio.

Tests use them, too.
"""

from typing import Any, Final

import attrs

from eversince_async import clock
from eversince_async.emulator.agent import say
from eversince_async.emulator.project import Project
from eversince_async.emulator.scenario import Scenario, Step, Walk
from eversince_async.emulator.world import World

_FURNITURE: Final = (
    ("Harvest teaser", "A teaser for a vineyard's harvest festival", "16:9"),
    ("Sneaker drop", "A vertical drop film for a pair of running shoes", "9:16"),
)


@attrs.frozen
class Studio:
    """The people in the studio, who change projects without the API.

    Attributes:
        world: The world that they change.
    """

    world: World

    def populate(self, now: float) -> None:
        """Add the two studio projects of a new account."""
        for at, (title, brief, ratio) in enumerate(_FURNITURE):
            fields = {"title": title, "aspect_ratio": ratio, "mode": "collaborative", "studio": True}
            made_at = now - 86_400.0 * (len(_FURNITURE) - at)
            self.add(brief, status="idle", walks=None, rendered=False, now=made_at, fields=fields)

    def add(
        self,
        brief: str,
        *,
        status: str,
        walks: Walk | None,
        rendered: bool,
        now: float,
        fields: dict[str, Any],
    ) -> Project:
        """Add a project in a given state; see `Emulator.add_project`."""
        world = self.world
        output = fields.pop("output", "assembled")
        scenario = attrs.evolve(world.life.scenario, walk=None)
        values: dict[str, Any] = {"title": None, "mode": "autonomous", "aspect_ratio": "16:9", **fields}
        project = Project(
            id=world.new_project_id(),
            number=world.next_number(),
            account_id=world.account.id,
            asked={"brief": brief},
            status="queued",
            created_at=now,
            updated_at=now,
            output=output,
            works=scenario.works(output),
            **values,
        )
        say(project, "user", brief, now)
        if walks is not None:
            world.add(project)
            self._walk(project, scenario, walks, now)
            return project
        world.life.fill(project, status, rendered=rendered, at=now)
        project.status = status
        if status == "failed":
            project.error_message = scenario.error_message
        return world.add(project)

    def _walk(self, project: Project, scenario: Scenario, walks: Walk, now: float) -> None:
        steps: list[Step] = attrs.evolve(scenario, walk=walks).follow(project.works)
        project.runs += 1
        self.world.life.schedule(project, steps, now)

    def occupy(self, count: int = 1, *, visible: bool = True) -> list[Project]:
        """Hold slots until they are released.

        Another client or a person in the studio does the same.

        Args:
            count: Number of slots.
            visible: True if the API lists these projects; False if it only counts them.
        """
        return [
            self.add(
                "Somebody else's film",
                status="running",
                walks=None,
                rendered=False,
                now=clock.wall_seconds(),
                fields={"studio": not visible},
            )
            for _ in range(count)
        ]

    def release(self, project: Project) -> None:
        """End a project's run successfully."""
        self.world.life.finish(project, clock.wall_seconds())

    def fail(self, project_id: str, message: str = "Something went wrong.") -> None:
        """End a project's run with a failure."""
        self.world.life.fail(self.world.projects[project_id], message, clock.wall_seconds())

    def cancel(self, project_id: str) -> None:
        """Cancel a project in any status."""
        self.world.life.stop(self.world.projects[project_id], clock.wall_seconds())
