"""Who waits for a look at which project."""

import asyncio
from collections.abc import Iterable, Iterator, KeysView

import attrs

from eversince_async.errors import copy_of
from eversince_async.polling.early import PendingStage
from eversince_async.polling.observation import Observation


@attrs.define(eq=False)
class Wait:
    """Somebody waits for a look at one project.

    Attributes:
        due_at: When a look at it is due, in loop time.
        unseen: What may have ended since it was seen.
        news: What the look shows.
    """

    due_at: float
    unseen: PendingStage
    news: "asyncio.Future[Observation]"


class Awaited:
    """The projects that somebody waits for, each until a look has shown it or it is given up."""

    def __init__(self) -> None:
        self._waits: dict[str, set[Wait]] = {}

    def __len__(self) -> int:
        """How many projects."""
        return len(self._waits)

    def __iter__(self) -> Iterator[tuple[str, Iterable[Wait]]]:
        """Each project with those who wait for it."""
        return iter(self._waits.items())

    def ids(self) -> KeysView[str]:
        """The projects; a view, which changes with them."""
        return self._waits.keys()

    def due_of(self, project_id: str) -> float:
        """When a look at a project is due that somebody waits for."""
        return min([wait.due_at for wait in self._waits[project_id]])

    def add(self, project_id: str, wait: Wait) -> None:
        """Somebody begins to wait."""
        self._waits.setdefault(project_id, set()).add(wait)

    def discard(self, project_id: str, wait: Wait) -> bool:
        """Somebody waits no longer; returns whether anybody still did, for any look at it."""
        waits = self._waits.get(project_id)
        if waits is None or wait not in waits:
            return False
        waits.discard(wait)
        if not waits:
            del self._waits[project_id]
        return True

    def hasten(self, project_id: str, due_at: float) -> None:
        """A look at a project is due by then."""
        for wait in self._waits.get(project_id, ()):
            wait.due_at = min(wait.due_at, due_at)

    def tell(self, seen: Observation) -> None:
        """A look showed a project: tell those who wait, unless they know something newer."""
        for wait in [*self._waits.get(seen.project_id, ())]:
            if wait.unseen.seen_at <= seen.requested_at:
                self.discard(seen.project_id, wait)
                if not wait.news.done():
                    wait.news.set_result(seen)

    def fail(self, project_id: str, failure: Exception) -> None:
        """Give a project up, telling whoever waits why."""
        for wait in self._waits.pop(project_id, ()):
            if not wait.news.done():
                wait.news.set_exception(copy_of(failure))

    def abandon(self) -> None:
        """Nobody looks any more: whoever waits would wait for ever."""
        for project_id in list(self._waits):
            for wait in self._waits.pop(project_id):
                wait.news.cancel()

    def keep_only_of(self, loop: asyncio.AbstractEventLoop) -> None:
        """Forget those who waited in another loop."""
        self._waits = {
            project_id: here
            for project_id, waits in self._waits.items()
            if (here := {wait for wait in waits if wait.news.get_loop() is loop})
        }
