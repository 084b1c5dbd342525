"""Nudges: hints that a project has news, and the polls they cause.

A nudge causes a poll at once. But a poll costs a request of the account, and any sender of webhooks can send
nudges for free. So many nudges share a poll; the last one always causes a poll in the end.
"""

import math
from typing import Final

from eversince_async.polling.schedule import MIN_POLL_INTERVAL

NUDGE_TTL: Final = 60.0
"""Seconds for which a nudge without a waiter is remembered."""

MIN_INTERVAL: Final = 2.0
"""Seconds between two polls of one project that nudges cause."""

BURST: Final = 5
"""The number of polls that nudges may cause in a row.

After these, nudges cause one poll every `MIN_POLL_INTERVAL` seconds. It equals the default
limit of active projects, so that no project's nudge waits for another's.
"""


class NudgeThrottle:
    """The projects that seem to have news.

    Times are loop time.
    """

    def __init__(self) -> None:
        self._nudged: dict[str, float] = {}  # the time of the last nudge
        self._seen: dict[str, float] = {}  # the time of the last poll of a project that was nudged
        self._paid_until = -math.inf  # each poll adds `MIN_POLL_INTERVAL` seconds
        self._looked_at = -math.inf

    def add(self, project_id: str, now: float) -> None:
        """Record a nudge for a project."""
        _touch(self._nudged, project_id, now)
        _expire(self._nudged, now - NUDGE_TTL)
        _expire(self._seen, now - MIN_INTERVAL)

    def due_at(self, project_id: str, now: float) -> float:
        """Return the time of the poll that nudges cause.

        The time is infinite if the project has no nudge.
        """
        if project_id not in self._nudged:
            return math.inf
        apart = self._seen.get(project_id, -math.inf) + MIN_INTERVAL
        return max(now, apart, self._paid_until - (BURST - 1) * MIN_POLL_INTERVAL)

    def observed(self, project_id: str, requested_at: float) -> None:
        """Record that a poll has shown a project.

        Args:
            project_id: The project.
            requested_at: The time at which the poll was sent.
        """
        if project_id not in self._nudged:
            return
        if self._nudged[project_id] <= requested_at:
            del self._nudged[project_id]
        _touch(self._seen, project_id, requested_at)
        if requested_at > self._looked_at:  # a page shows many projects at once
            self._looked_at = requested_at
            self._paid_until = max(self._paid_until, requested_at) + MIN_POLL_INTERVAL


def _touch(times: dict[str, float], project_id: str, now: float) -> None:
    """Record a time as the latest, so that the oldest come first."""
    times.pop(project_id, None)
    times[project_id] = now


def _expire(times: dict[str, float], until: float) -> None:
    """Drop the times up to `until`.

    They are not searched for, because there may be many.
    """
    while times and times[first := next(iter(times))] <= until:
        del times[first]
