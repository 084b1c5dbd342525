"""The emulator's log of the requests it received, for tests to read."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import attrs

ROOM: Final = 100_000
"""Number of requests the log keeps.

That is more than two days of requests at the rate the limits allow, and takes some 40 MB.
"""

LONGEST_PATH: Final = 300
"""Characters of a path that the log keeps.

No documented path is longer.
"""


@attrs.define
class Entry:
    """One request.

    Attributes:
        at: Unix seconds when the request arrived.
        method: HTTP method.
        path: Path below the base URL; the whole path outside the API.
        route: The documented operation, e.g. "GET /projects/:id"; None for unknown paths.
        api: True if the request is a call of the API, not of the storage or a page.
        status: Status of the response; None if there is no response (yet).
        code: Error code of the response.
        project_id: The project that the request concerns, including one that a create made.
        shown: Projects that a list showed.
        replayed: True if a create found that its project existed already.
        fault: Name of the fault that was injected into the request.
        request_id: The response's `X-Request-Id`.
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
        entries: The requests.
        room: Largest number of requests kept; when the log is full, the oldest tenth is dropped.
        forgotten: Number of requests that were dropped.
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
        """The number of requests ever received."""
        return self.forgotten + len(self.entries)

    def add(self, entry: Entry) -> None:
        """Append a request."""
        entry.path = entry.path[:LONGEST_PATH]
        if len(self.entries) >= self.room:
            self._forget(max(1, self.room // 10))  # dropping one entry costs as much as dropping many
        self.entries.append(entry)

    def since(self, total: int) -> list[Entry]:
        """Return the requests that followed the first `total`, if still kept."""
        return self.entries[max(0, total - self.forgotten) :]

    def clear(self) -> None:
        """Drop all requests so far."""
        self._forget(len(self.entries))

    def _forget(self, count: int) -> None:
        del self.entries[:count]
        self.forgotten += count

    def of(self, route: str) -> list[Entry]:
        """Return the requests of one operation, e.g. "POST /projects"."""
        return [entry for entry in self.entries if entry.route == route]

    def routes(self) -> Counter[str]:
        """Count the requests of each operation."""
        return Counter(entry.route for entry in self.entries if entry.route is not None)

    def statuses(self) -> Counter[int | None]:
        """Count the responses of each status; only those of the API."""
        return Counter(entry.status for entry in self.entries if entry.api)

    def refusals(self, code: str) -> list[Entry]:
        """Return the requests that received one error code."""
        return [entry for entry in self.entries if entry.code == code]

    def most_requests_in_window(self, seconds: float = 60.0) -> int:
        """Return the largest number of API requests in any period.

        The period lasts `seconds`; its end is excluded.
        """
        times = [entry.at for entry in self.entries if entry.api]
        most = first = 0
        for last, at in enumerate(times):
            while times[first] <= at - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most

    def looks(self, project_id: str) -> list[float]:
        """Return the times at which a project's status was read.

        The times are in Unix seconds. Reads in a list count too.
        """
        return [
            entry.at
            for entry in self.entries
            if (entry.route == "GET /projects/:id" and entry.project_id == project_id)
            or project_id in entry.shown
        ]
