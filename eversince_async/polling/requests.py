"""Looking: which requests show the projects that somebody wants to see."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Final

import attrs

from eversince_async.governor import Lane
from eversince_async.lifecycle import ACTIVE, ProjectStatus
from eversince_async.limits import PAGE_PROJECTS
from eversince_async.models.projects import Project, ProjectPage, ProjectSummary
from eversince_async.resources.projects import Projects
from eversince_async.session.hooks import RequestSent
from eversince_async.session.session import Session

ACTIVE_STATUS_ORDER: Final = (
    ProjectStatus.QUEUED,
    ProjectStatus.GENERATING,
    ProjectStatus.RUNNING,
    ProjectStatus.RENDERING,
)
"""Active statuses in an order in which a project that moves on meanwhile is rarely missed."""

OnProject = Callable[[Project | ProjectSummary, float], None]
"""Takes a project as it was seen, and when that was asked for in loop time."""


class PollRequests:
    """Carries looks out, in the `poll` lane, telling everything they show.

    Attributes:
        requests: How many have left so far.
        requested_at: When the latest left, in loop time.
    """

    def __init__(self, session: Session, tell: OnProject) -> None:
        self.requests = 0
        self.requested_at = 0.0
        self._governor = session.governor
        self._projects = Projects(_with_request_hook(session, self._on_sent))
        self._tell = tell
        self._beyond: set[str] = set()
        self._pages = 1

    async def get_project(self, project_id: str) -> str:
        """Look at one project; return the id of what was shown.

        Raises:
            EversinceError: Whatever a single call may raise.
        """
        project = await self._projects.get(project_id)
        self._tell(project, self.requested_at)
        return project.id

    async def list_projects(self, wanted: set[str], awaited: Collection[str] = ()) -> tuple[set[str], bool]:
        """Look at the list, which shows up to 100 projects at once, newest first.

        Goes on to the next page while that takes fewer requests than asking for the missing ones singly. What
        cannot be read of the list shows nothing: it may be one of ours.

        Args:
            wanted: Those that somebody wants to see now.
            awaited: All that anybody waits for.

        Returns:
            Those that are still to be asked for singly, and whether all projects of the account were seen.
        """
        if wanted and wanted <= self._beyond and len(wanted) < self._pages:
            return wanted, False  # the first page did not show them the last time, either
        missing, listed, first_asked_at = set(wanted), _Listed(), None
        while True:
            page = await self._projects.list(limit=PAGE_PROJECTS, offset=listed.entries or None)
            first_asked_at = first_asked_at or self.requested_at
            is_first, is_news = not listed.entries, listed.add(page)
            self._publish_all(page.projects)
            missing -= listed.shown
            if is_first:
                self._beyond = missing - listed.unread
            left = listed.pages_left
            if not missing or len(missing) <= left or not left or not is_news:
                break
        self._pages = 1 + left
        complete = not left and page.total is not None
        self._governor.observed_page(
            listed.may_be_active(awaited), complete=complete, requested_at=first_asked_at
        )
        return missing, complete

    async def list_active(self, awaited: Collection[str] = ()) -> None:
        """Find all active projects of an account with so many that its list has several pages.

        Args:
            awaited: All that anybody waits for.
        """
        active, complete, first_asked_at = set[str](), True, None
        for status in ACTIVE_STATUS_ORDER:
            page = await self._projects.list(limit=PAGE_PROJECTS, status=status)
            first_asked_at = first_asked_at or self.requested_at
            listed = _Listed()
            listed.add(page)
            self._publish_all(page.projects)
            active |= listed.may_be_active(awaited)
            complete = complete and not listed.pages_left
        self._governor.observed_page(active, complete=complete, requested_at=first_asked_at)

    def _publish_all(self, projects: Iterable[ProjectSummary]) -> None:
        """Tell of projects."""
        for project in projects:
            self._tell(project, self.requested_at)

    def _on_sent(self, _: RequestSent) -> None:
        self.requests += 1
        self.requested_at = asyncio.get_running_loop().time()


class _Listed:
    """What the pages of a list have shown so far.

    Attributes:
        entries: How many, those that cannot be read included.
        shown: Ids of those that could be read.
        unread: Ids of the others, as far as these can be read.
        pages_left: How many pages there are after these; where the server does not say, perhaps one.
    """

    def __init__(self) -> None:
        self.entries = 0
        self.shown: set[str] = set()
        self.unread: set[str] = set()
        self.pages_left = 0
        self._active: set[str] = set()
        self._some_unknown = False

    def add(self, page: ProjectPage) -> bool:
        """Add a page; returns whether it showed anything new: a server may answer with the same for ever."""
        unread = [each.id for each in page.unreadable if each.is_item]
        there = len(page.projects) + len(unread)
        before = len(self.shown) + len(self.unread)
        self.entries += there
        self.shown |= {project.id for project in page.projects}
        self.unread |= {each for each in unread if each is not None}
        self.unread -= self.shown
        self._active |= {project.id for project in page.projects if project.status in ACTIVE}
        self._some_unknown = self._some_unknown or None in unread
        self.pages_left = self._pages_after(page, there)
        return len(self.shown) + len(self.unread) > before

    def may_be_active(self, awaited: Collection[str]) -> set[str]:
        """Projects that were seen active, and those of ours that may stand where nothing could be read."""
        if self._some_unknown:
            return self._active | (set(awaited) - self.shown)
        return self._active | (self.unread & set(awaited))

    def _pages_after(self, page: ProjectPage, there: int) -> int:
        if not there:
            return 0
        if page.total is None or page.total < self.entries:  # which cannot be
            return int(there >= PAGE_PROJECTS)
        return -(-(page.total - self.entries) // PAGE_PROJECTS)


def _with_request_hook(session: Session, note: Callable[[RequestSent], None]) -> Session:
    observers = session.observers
    listening = attrs.evolve(observers, on_request=(*observers.on_request, note))
    return attrs.evolve(session, lane=Lane.POLL, observers=listening, newborn=None)
