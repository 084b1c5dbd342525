"""The one who looks: all waits of a client share their looks at the server.

Five queued projects polled every 5 s would be 60 requests a minute against 30. So nobody polls alone:
waiters say which project they wait for and when it is due, and whenever any is due, one look serves all:
`GET /projects/{id}` when one project is awaited, a list page of up to 100 when several are.
"""

import asyncio
from collections.abc import Callable

import attrs

from eversince_async.errors import (
    ApiError,
    EversinceError,
    NotFound,
    ServerError,
    TooManyRequests,
    TransportError,
    UnreadableAnswer,
)
from eversince_async.governor import Lane
from eversince_async.lifecycle import ACTIVE
from eversince_async.limits import PAGE_PROJECTS
from eversince_async.models.projects import Project, ProjectSummary
from eversince_async.orchestrator.schedule import PollSchedule
from eversince_async.orchestrator.sighting import Sighting
from eversince_async.resources.projects import Projects
from eversince_async.session.observers import RequestSent
from eversince_async.session.session import Session


@attrs.define(eq=False)
class _Wait:
    """Somebody waits for a look at one project."""

    due_at: float
    missing_until: float
    news: "asyncio.Future[Sighting]"


class Watcher:
    """Looks at projects on behalf of everybody who waits for one.

    At most one look is under way at a time, and none while nobody waits.
    """

    def __init__(self, session: Session, schedule: PollSchedule) -> None:
        self.schedule = schedule
        self._governor = session.governor
        self._projects = Projects(_noting_departures(session, self._departed))
        self._waits: dict[str, set[_Wait]] = {}
        self._changed = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._asked_at = 0.0
        self._failing_since: float | None = None

    def __repr__(self) -> str:
        return f"<Watcher of {len(self._waits)} projects>"

    async def sight(self, project_id: str, *, due_at: float, missing_until: float = 0.0) -> Sighting:
        """Wait for the next look at a project. Cancelling forgets the wait at once.

        Args:
            project_id: The project.
            due_at: When it is due, in loop time; a look for somebody else may come earlier and serves, too.
            missing_until: Until when, in loop time, a 404 means that the server has not caught up yet.

        Raises:
            ApiError: The server refused for good: the key is not valid, there is no such project.
            TransportError: Looks have failed without a break for longer than the schedule's patience.
        """
        wait = _Wait(due_at, missing_until, asyncio.get_running_loop().create_future())
        self._waits.setdefault(project_id, set()).add(wait)
        self._changed.set()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_while_awaited(), name="eversince watcher")
        try:
            return await wait.news
        finally:
            self._forget(project_id, wait)

    def nudge(self, project_id: str) -> None:
        """Look at a project now, if anybody waits for it: there seems to be news."""
        for wait in self._waits.get(project_id, ()):
            wait.due_at = 0.0
        self._changed.set()

    async def aclose(self) -> None:
        """Stop looking. Waits that are still there are cancelled."""
        for project_id in list(self._waits):
            for wait in self._take(project_id):
                wait.news.cancel()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
            self._looking = None

    # -- Deciding when ----------------------------------------------------------------------------------

    async def _look_while_awaited(self) -> None:
        try:
            while self._waits:
                due_at = min(wait.due_at for waits in self._waits.values() for wait in waits)
                if await self._comes_due(due_at):
                    await self._look()
        except EversinceError as failure:  # not one that passes: nobody is served by looking on
            self._fail(list(self._waits), failure)

    async def _comes_due(self, due_at: float) -> bool:
        """Wait until then; False when the waits have changed meanwhile."""
        self._changed.clear()
        if asyncio.get_running_loop().time() >= due_at:
            return True
        try:
            async with asyncio.timeout_at(due_at):
                await self._changed.wait()
        except TimeoutError:
            return True
        return False

    def _forget(self, project_id: str, wait: _Wait) -> None:
        waits = self._waits.get(project_id, set())
        waits.discard(wait)
        if not waits:
            self._waits.pop(project_id, None)
            self._changed.set()

    def _take(self, project_id: str) -> list[_Wait]:
        """The waits for a project, which are over now; those cancelled meanwhile left out."""
        return [wait for wait in self._waits.pop(project_id, ()) if not wait.news.done()]

    # -- Looking ----------------------------------------------------------------------------------------

    async def _look(self) -> None:
        awaited = set(self._waits)
        try:
            if len(awaited) == 1:
                await self._look_at(awaited.pop())
            else:
                for project_id in awaited - await self._look_at_page():
                    await self._look_at(project_id)
        except (TransportError, ServerError, TooManyRequests, UnreadableAnswer) as failure:
            self._absorb(failure)
        else:
            self._failing_since = None

    async def _look_at(self, project_id: str) -> None:
        try:
            self._tell(await self._projects.get(project_id))
        except NotFound as missing:
            self._missing(project_id, missing)
        except ApiError as failure:
            if isinstance(failure, ServerError | TooManyRequests):
                raise
            self._fail([project_id], failure)

    async def _look_at_page(self) -> set[str]:
        page = await self._projects.list(limit=PAGE_PROJECTS)
        for project in page.projects:
            self._tell(project)
        self._governor.slots.saw_page(
            [project.id for project in page.projects if project.status in ACTIVE],
            complete=page.total is not None and page.total <= len(page.projects),
            asked_at=self._asked_at,
        )
        return {project.id for project in page.projects}

    def _tell(self, project: Project | ProjectSummary) -> None:
        sighting = Sighting.of(project, self._asked_at)
        self._governor.slots.observed(project.id, project.status, asked_at=self._asked_at)
        for wait in self._take(project.id):
            wait.news.set_result(sighting)

    def _missing(self, project_id: str, missing: NotFound) -> None:
        """A project that was only just created may not be visible yet; any other does not exist."""
        now = asyncio.get_running_loop().time()
        waits = self._waits.get(project_id, set())
        if any(now < wait.missing_until for wait in waits):
            for wait in waits:
                wait.due_at = now + self.schedule.interval(None)
        else:
            self._fail([project_id], missing)

    def _absorb(self, failure: EversinceError) -> None:
        """Try again later, unless looks have failed without a break for too long."""
        now = asyncio.get_running_loop().time()
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since >= self.schedule.patience:
            self._failing_since = None
            self._fail(list(self._waits), failure)
        for waits in self._waits.values():
            for wait in waits:
                wait.due_at = max(wait.due_at, now + self.schedule.interval(None))

    def _fail(self, project_ids: list[str], failure: EversinceError) -> None:
        for project_id in project_ids:
            for wait in self._take(project_id):
                wait.news.set_exception(failure)

    def _departed(self, _: RequestSent) -> None:
        self._asked_at = asyncio.get_running_loop().time()


def _noting_departures(session: Session, note: Callable[[RequestSent], None]) -> Session:
    observers = session.observers
    listening = attrs.evolve(observers, on_request=(*observers.on_request, note))
    return attrs.evolve(session, lane=Lane.POLL, observers=listening)
