"""The requests that show the projects for which waiters wait."""

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
"""The active statuses, in the order in which they are polled.

In this order, a project that changes its status meanwhile is rarely missed.
"""

OnProject = Callable[[Project | ProjectSummary, float], None]
"""A function that takes a project as it was seen.

Its second argument is the time of the request, in loop time.
"""


class PollRequests:
    """Requests that poll projects, in the `poll` lane.

    Every project that a response shows is reported.

    Attributes:
        requests: The number of requests that have left so far.
        requested_at: The time at which the latest left, in loop time.
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
        """Poll one project; return the id of the project that was shown.

        Raises:
            EversinceError: Any error that a single call may raise.
        """
        project = await self._projects.get(project_id)
        self._tell(project, self.requested_at)
        return project.id

    async def list_projects(self, wanted: set[str], awaited: Collection[str] = ()) -> tuple[set[str], bool]:
        """Poll the list, which shows up to 100 projects at once.

        The newest projects come first. Further pages are read while that takes fewer requests than polling
        the missing projects singly. Parts of the list that cannot be read show nothing: any of them may be an
        awaited project.

        Args:
            wanted: The projects to be shown now.
            awaited: All projects for which waiters wait.

        Returns:
            The projects that must still be polled singly, and True if all projects of the account were seen.
        """
        if wanted and wanted <= self._beyond and len(wanted) < self._pages:
            return wanted, False  # the first page did not show these projects last time, either
        missing, listing, first_asked_at = set(wanted), _Listed(), None
        while True:
            page = await self._projects.list(limit=PAGE_PROJECTS, offset=listing.entries or None)
            first_asked_at = first_asked_at or self.requested_at
            is_first, is_news = not listing.entries, listing.add(page)
            self._publish_all(page.projects)
            missing -= listing.shown
            if is_first:
                self._beyond = missing - listing.unread
            left = listing.pages_left
            if not missing or len(missing) <= left or not left or not is_news:
                break
        self._pages = 1 + left
        complete = not left and page.total is not None
        self._governor.observed_page(
            listing.may_be_active(awaited), complete=complete, requested_at=first_asked_at
        )
        return missing, complete

    async def list_active(self, awaited: Collection[str] = ()) -> None:
        """Find all active projects, if the list has several pages.

        Args:
            awaited: All projects for which waiters wait.
        """
        active, complete, first_asked_at = set[str](), True, None
        for status in ACTIVE_STATUS_ORDER:
            page = await self._projects.list(limit=PAGE_PROJECTS, status=status)
            first_asked_at = first_asked_at or self.requested_at
            listing = _Listed()
            listing.add(page)
            self._publish_all(page.projects)
            active |= listing.may_be_active(awaited)
            complete = complete and not listing.pages_left
        self._governor.observed_page(active, complete=complete, requested_at=first_asked_at)

    def _publish_all(self, projects: Iterable[ProjectSummary]) -> None:
        """Report all projects of a page."""
        for project in projects:
            self._tell(project, self.requested_at)

    def _on_sent(self, _: RequestSent) -> None:
        self.requests += 1
        self.requested_at = asyncio.get_running_loop().time()


class _Listed:
    """The content of the pages of a list so far.

    Attributes:
        entries: The number of entries, including those that cannot be read.
        shown: The ids of the entries that could be read.
        unread: The ids of the others, as far as the ids can be read.
        pages_left: The number of further pages; perhaps one, if the server does not say.
    """

    def __init__(self) -> None:
        self.entries = 0
        self.shown: set[str] = set()
        self.unread: set[str] = set()
        self.pages_left = 0
        self._active: set[str] = set()
        self._some_unknown = False

    def add(self, page: ProjectPage) -> bool:
        """Add a page; return True if it showed any new project.

        A server may send the same page again and again.
        """
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
        """Return the projects that are active, or may be.

        Those are the projects that were seen active, and the awaited ones that may stand in an entry that
        could not be read.
        """
        if self._some_unknown:
            return self._active | (set(awaited) - self.shown)
        return self._active | (self.unread & set(awaited))

    def _pages_after(self, page: ProjectPage, there: int) -> int:
        if not there:
            return 0
        if page.total is None or page.total < self.entries:  # this total is impossible
            return int(there >= PAGE_PROJECTS)
        return -(-(page.total - self.entries) // PAGE_PROJECTS)


def _with_request_hook(session: Session, note: Callable[[RequestSent], None]) -> Session:
    hooks = session.observers
    more_hooks = attrs.evolve(hooks, on_request=(*hooks.on_request, note))
    return attrs.evolve(session, lane=Lane.POLL, observers=more_hooks, newborn=None)
