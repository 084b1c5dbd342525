"""Looking: which requests show the projects that somebody wants to see."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import attrs

from eversince_async.governor import Lane
from eversince_async.lifecycle import ACTIVE, ProjectStatus
from eversince_async.limits import PAGE_PROJECTS
from eversince_async.models.projects import Project, ProjectPage, ProjectSummary
from eversince_async.resources.projects import Projects
from eversince_async.session.observers import RequestSent
from eversince_async.session.session import Session

SURVEYED: Final = (
    ProjectStatus.QUEUED,
    ProjectStatus.GENERATING,
    ProjectStatus.RUNNING,
    ProjectStatus.RENDERING,
)
"""Active statuses in an order in which a project that moves on meanwhile is rarely missed."""

Tell = Callable[[Project | ProjectSummary, float], None]
"""Takes a project as it was seen, and when that was asked for in loop time."""


class Looks:
    """Carries looks out, in the `poll` lane, telling everything they show.

    Attributes:
        requests: How many have left so far.
        asked_at: When the latest left, in loop time.
    """

    def __init__(self, session: Session, tell: Tell) -> None:
        self.requests = 0
        self.asked_at = 0.0
        self._governor = session.governor
        self._projects = Projects(_noting_departures(session, self._departed))
        self._tell = tell
        self._beyond: set[str] = set()
        self._pages = 1

    async def at(self, project_id: str) -> str:
        """Look at one project; return the id of what was shown.

        Raises:
            EversinceError: Whatever a single call may raise.
        """
        project = await self._projects.get(project_id)
        self._tell(project, self.asked_at)
        return project.id

    async def through(self, wanted: set[str]) -> tuple[set[str], bool]:
        """Look at the list, which shows up to 100 projects at once, newest first.

        Goes on to the next page while that takes fewer requests than asking for the missing ones singly.

        Returns:
            Those that are still to be asked for singly, and whether all projects of the account were seen.
        """
        if wanted and wanted <= self._beyond and len(wanted) < self._pages:
            return wanted, False  # the first page did not show them the last time, either
        missing, active, seen, first_asked_at = set(wanted), set[str](), 0, None
        while True:
            page = await self._projects.list(limit=PAGE_PROJECTS, offset=seen or None)
            first_asked_at = first_asked_at or self.asked_at
            active |= self._show(page.projects)
            missing -= {project.id for project in page.projects}
            if not seen:
                self._beyond = set(missing)
            seen += len(page.projects)
            left = _pages_left(page, seen)
            if not missing or len(missing) <= left or not left:
                break
        self._pages = 1 + left
        complete = page.total is not None and page.total <= seen
        self._governor.saw_page(active, complete=complete, asked_at=first_asked_at)
        return missing, complete

    async def survey(self) -> None:
        """Find all active projects of an account with so many that its list has several pages."""
        active, complete, first_asked_at = set[str](), True, None
        for status in SURVEYED:
            page = await self._projects.list(limit=PAGE_PROJECTS, status=status)
            first_asked_at = first_asked_at or self.asked_at
            active |= self._show(page.projects)
            complete = complete and not _pages_left(page, len(page.projects))
        self._governor.saw_page(active, complete=complete, asked_at=first_asked_at)

    def _show(self, projects: Iterable[ProjectSummary]) -> set[str]:
        """Tell of projects; which of them are active."""
        active = set()
        for project in projects:
            self._tell(project, self.asked_at)
            if project.status in ACTIVE:
                active.add(project.id)
        return active

    def _departed(self, _: RequestSent) -> None:
        self.requests += 1
        self.asked_at = asyncio.get_running_loop().time()


def _pages_left(page: ProjectPage, seen: int) -> int:
    """How many pages there are after this one; where the server does not say, perhaps one."""
    if page.total is None:
        return int(len(page.projects) == PAGE_PROJECTS)
    return -(-(page.total - seen) // PAGE_PROJECTS) if page.projects else 0


def _noting_departures(session: Session, note: Callable[[RequestSent], None]) -> Session:
    observers = session.observers
    listening = attrs.evolve(observers, on_request=(*observers.on_request, note))
    return attrs.evolve(session, lane=Lane.POLL, observers=listening, newborn=None)
