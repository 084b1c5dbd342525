"""The waiters for polls, by project."""

import asyncio
from collections.abc import Iterable, Iterator, KeysView

import attrs

from eversince_async.errors import copy_of
from eversince_async.polling.early import PendingStage
from eversince_async.polling.observation import Observation


@attrs.define(eq=False)
class Waiter:
    """A waiter for a poll of one project.

    Attributes:
        due_at: The time at which a poll is due, in loop time.
        unseen: The stage that may have ended since the project's last observation.
        news: The future that receives the observation.
    """

    due_at: float
    unseen: PendingStage
    news: "asyncio.Future[Observation]"


class Waiters:
    """The projects that have waiters.

    A project stays until a poll has shown it or it is given up.
    """

    def __init__(self) -> None:
        self._waits: dict[str, set[Waiter]] = {}

    def __len__(self) -> int:
        """Return the number of projects."""
        return len(self._waits)

    def __iter__(self) -> Iterator[tuple[str, Iterable[Waiter]]]:
        """Iterate over the projects, each with its waiters."""
        return iter(self._waits.items())

    def ids(self) -> KeysView[str]:
        """Return the ids of the projects.

        The result is a view, which changes with the projects.
        """
        return self._waits.keys()

    def due_of(self, project_id: str) -> float:
        """Return the earliest time at which the project is due."""
        return min([wait.due_at for wait in self._waits[project_id]])

    def add(self, project_id: str, wait: Waiter) -> None:
        """Add a waiter."""
        self._waits.setdefault(project_id, set()).add(wait)

    def discard(self, project_id: str, wait: Waiter) -> bool:
        """Remove a waiter; return True if it was still waiting."""
        waits = self._waits.get(project_id)
        if waits is None or wait not in waits:
            return False
        waits.discard(wait)
        if not waits:
            del self._waits[project_id]
        return True

    def hasten(self, project_id: str, due_at: float) -> None:
        """Make a poll of the project due no later than `due_at`."""
        for wait in self._waits.get(project_id, ()):
            wait.due_at = min(wait.due_at, due_at)

    def tell(self, seen: Observation) -> None:
        """Give an observation to the project's waiters.

        A waiter that knows a newer state keeps waiting.
        """
        for wait in [*self._waits.get(seen.project_id, ())]:
            if wait.unseen.seen_at <= seen.requested_at:
                self.discard(seen.project_id, wait)
                if not wait.news.done():
                    wait.news.set_result(seen)

    def fail(self, project_id: str, failure: Exception) -> None:
        """Give a project up, and raise the failure in its waiters."""
        for wait in self._waits.pop(project_id, ()):
            if not wait.news.done():
                wait.news.set_exception(copy_of(failure))

    def abandon(self) -> None:
        """Cancel all waiters, because polling has ended.

        They would wait for ever.
        """
        for project_id in list(self._waits):
            for wait in self._waits.pop(project_id):
                wait.news.cancel()

    def keep_only_of(self, loop: asyncio.AbstractEventLoop) -> None:
        """Forget the waiters of other event loops."""
        self._waits = {
            project_id: here
            for project_id, waits in self._waits.items()
            if (here := {wait for wait in waits if wait.news.get_loop() is loop})
        }
