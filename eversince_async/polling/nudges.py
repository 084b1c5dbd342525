"""Hints that there is news of a project, and when a look shall follow them up.

A hint is followed up at once, but a look costs a request of the account, and hints are free to whoever sends
webhooks. So of many hints some share a look: the last one is always followed up, in the end.
"""

import math
from typing import Final

from eversince_async.polling.schedule import MIN_POLL_INTERVAL

NUDGE_TTL: Final = 60.0
"""Seconds for which a nudge is remembered that came while nobody waited."""

MIN_INTERVAL: Final = 2.0
"""Seconds between two looks at one project that nudges may ask for."""

BURST: Final = 5
"""Polls that nudges may ask for in a row; after these, one every `MIN_POLL_INTERVAL` seconds.

As many as projects may be active by default, so that their news never wait for each other."""


class NudgeThrottle:
    """Which projects there seems to be news of. Times are loop time."""

    def __init__(self) -> None:
        self._nudged: dict[str, float] = {}  # when last
        self._seen: dict[str, float] = {}  # when a project that was nudged was looked at last
        self._paid_until = -math.inf  # every look is paid with so many seconds
        self._looked_at = -math.inf

    def add(self, project_id: str, now: float) -> None:
        """There seems to be news of a project."""
        _touch(self._nudged, project_id, now)
        _expire(self._nudged, now - NUDGE_TTL)
        _expire(self._seen, now - MIN_INTERVAL)

    def due_at(self, project_id: str, now: float) -> float:
        """When to look at a project because of its news; infinite when there are none."""
        if project_id not in self._nudged:
            return math.inf
        apart = self._seen.get(project_id, -math.inf) + MIN_INTERVAL
        return max(now, apart, self._paid_until - (BURST - 1) * MIN_POLL_INTERVAL)

    def observed(self, project_id: str, requested_at: float) -> None:
        """A look that was asked for at that time has shown a project."""
        if project_id not in self._nudged:
            return
        if self._nudged[project_id] <= requested_at:
            del self._nudged[project_id]
        _touch(self._seen, project_id, requested_at)
        if requested_at > self._looked_at:  # a page shows many projects at once
            self._looked_at = requested_at
            self._paid_until = max(self._paid_until, requested_at) + MIN_POLL_INTERVAL


def _touch(times: dict[str, float], project_id: str, now: float) -> None:
    """Note a time as the latest of all, so that the oldest stand first."""
    times.pop(project_id, None)
    times[project_id] = now


def _expire(times: dict[str, float], until: float) -> None:
    """Drop what is no later; it is never searched for, as there may be many."""
    while times and times[first := next(iter(times))] <= until:
        del times[first]
