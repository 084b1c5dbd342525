"""The emulator's own record of what was asked, for tests to look at."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import attrs

ROOM: Final = 100_000
"""Requests: more than two days of asking as often as the limits allow. They take some 40 MB."""

LONGEST_PATH: Final = 300
"""Characters of a path that are kept; no documented one is longer."""


@attrs.define
class Entry:
    """One request.

    Attributes:
        at: Unix seconds when it arrived.
        method: HTTP method.
        path: Path below the base URL, or the whole path elsewhere.
        route: The documented operation, e.g. "GET /projects/:id"; None for unknown paths.
        api: Whether it is a call of the API, not of the storage or a page.
        status: Status of the answer; None if there was none (yet).
        code: Error code of the answer.
        project_id: The project it was about, also the one a create made.
        shown: Projects a list showed.
        replayed: Whether a create found its project already there.
        fault: Name of the fault that was put in its way.
        request_id: The answer's `X-Request-Id`.
    """

    at: float
    method: str
    path: str
    route: str | None = None
    api: bool = True
    status: int | None = None
    code: str | None = None
    project_id: str | None = None
    shown: tuple[str, ...] = ()
    replayed: bool = False
    fault: str | None = None
    request_id: str = ""


@attrs.define
class RequestLog:
    """The latest requests in the order of arrival.

    Attributes:
        entries: They.
        room: How many are kept; when there are more, the oldest tenth goes.
        forgotten: How many were, but are no longer kept.
    """

    entries: list[Entry] = attrs.field(factory=list)
    room: int = ROOM
    forgotten: int = 0

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @property
    def total(self) -> int:
        """How many there ever were."""
        return self.forgotten + len(self.entries)

    def add(self, entry: Entry) -> None:
        """Put one more in."""
        entry.path = entry.path[:LONGEST_PATH]
        if len(self.entries) >= self.room:
            self._forget(max(1, self.room // 10))  # one by one, each would cost as much as all
        self.entries.append(entry)

    def since(self, total: int) -> list[Entry]:
        """What came after there were so many, as far as it is kept."""
        return self.entries[max(0, total - self.forgotten) :]

    def clear(self) -> None:
        """Forget what was so far."""
        self._forget(len(self.entries))

    def _forget(self, count: int) -> None:
        del self.entries[:count]
        self.forgotten += count

    def of(self, route: str) -> list[Entry]:
        """The requests of one operation, e.g. "POST /projects"."""
        return [entry for entry in self.entries if entry.route == route]

    def routes(self) -> Counter[str]:
        """How often each operation was asked for."""
        return Counter(entry.route for entry in self.entries if entry.route is not None)

    def statuses(self) -> Counter[int | None]:
        """How often each status was answered, by the API alone."""
        return Counter(entry.status for entry in self.entries if entry.api)

    def refusals(self, code: str) -> list[Entry]:
        """The requests answered with one error code."""
        return [entry for entry in self.entries if entry.code == code]

    def most_requests_in_window(self, seconds: float = 60.0) -> int:
        """Most API requests that arrived in any stretch of so many seconds, its end excluded."""
        times = [entry.at for entry in self.entries if entry.api]
        most = first = 0
        for last, at in enumerate(times):
            while times[first] <= at - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most

    def looks(self, project_id: str) -> list[float]:
        """Unix seconds at which a project's status was read, alone or in a list."""
        return [
            entry.at
            for entry in self.entries
            if (entry.route == "GET /projects/:id" and entry.project_id == project_id)
            or project_id in entry.shown
        ]
