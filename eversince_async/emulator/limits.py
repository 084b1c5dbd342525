"""The account's limits, and the counting of request windows and days."""

import enum
from collections import deque
from math import ceil
from typing import Final, Literal, TypeAlias

import attrs

from eversince_async.emulator.revision import RevisionRules

DAY: Final = 86_400.0
"""Seconds in a day."""

UNLIMITED: Final = 1_000_000
"""Value of `X-RateLimit-Limit` without a request limit.

Every response has the header.
"""


class Documented(enum.Enum):
    """Type of `DOCUMENTED`."""

    DOCUMENTED = enum.auto()


DOCUMENTED: Final = Documented.DOCUMENTED
"""Stands for the limit that the emulated revision documents."""

Limit: TypeAlias = int | Documented | None
"""A number, the documented number, or None for no limit."""


@attrs.frozen(kw_only=True)
class Limits:
    """The limits that the emulator enforces.

    Each limit is a number, `DOCUMENTED`, or None for no limit.

    Attributes:
        requests_per_minute: Requests in a window, for the account over all its keys. Every request with a
            valid key counts, even if it is then refused. A request refused *by this limit* does not count,
            and neither does one with an invalid key (its account is unknown), a presigned PUT or a download.
        window: "sliding" (at most N requests in any 60 s) or "fixed" (N from the first request on, then a new
            window). The documents say only "a minute".
        window_seconds: Length of that window, in seconds.
        active_projects: Projects queued, running, generating or rendering at once.
        projects_per_day: Projects created a day.
        renders_per_day: Renders started a day.
        day: "rolling" (the last 24 hours) or "utc" (since midnight UTC). Not documented.
        body_bytes: Largest request body, in bytes.
        keys: Number of API keys of the account.
        budgets: True if the budgets of skills and memories are enforced.
    """

    requests_per_minute: Limit = DOCUMENTED
    window: Literal["sliding", "fixed"] = "sliding"
    window_seconds: float = 60.0
    active_projects: int | None = 5
    projects_per_day: int | None = 500
    renders_per_day: Limit = DOCUMENTED
    day: Literal["rolling", "utc"] = "rolling"
    body_bytes: int | None = 2**20
    keys: int | None = 10
    budgets: bool = True

    @classmethod
    def none(cls) -> "Limits":
        """Return limits that restrict only the size of a body."""
        return cls(
            requests_per_minute=None,
            active_projects=None,
            projects_per_day=None,
            renders_per_day=None,
            keys=None,
            budgets=False,
        )

    def requests(self, rules: RevisionRules) -> int | None:
        """Return the number of requests allowed in one window under a revision."""
        return (
            rules.requests_per_minute if self.requests_per_minute is DOCUMENTED else self.requests_per_minute
        )

    def renders(self, rules: RevisionRules, *, subscribed: bool) -> int | None:
        """Return the number of renders allowed a day under a revision.

        Args:
            rules: The rules of the revision.
            subscribed: True if the account has a subscription.
        """
        if self.renders_per_day is not DOCUMENTED:
            return self.renders_per_day
        return rules.renders_per_day if subscribed else rules.renders_per_day_unsubscribed


@attrs.frozen
class Admission:
    """The request window's decision on one request.

    Attributes:
        allowed: True if the request may pass.
        limit: Value for `X-RateLimit-Limit`.
        remaining: Value for `X-RateLimit-Remaining`.
        resets_at: Unix seconds at which the next place is free (sliding) or the window ends (fixed).
    """

    allowed: bool
    limit: int
    remaining: int
    resets_at: float


@attrs.define
class RequestWindow:
    """The request window of one account.

    It is kept in memory only: a restarted emulator starts with an empty window.

    Attributes:
        limit: Requests in a window; None for no limit.
        seconds: Length of the window.
        sliding: True if the limit applies to any window; False if one window follows another.
    """

    limit: int | None
    seconds: float = 60.0
    sliding: bool = True
    _stamps: deque[float] = attrs.field(factory=deque, init=False)

    def _forget(self, now: float) -> None:
        stamps = self._stamps
        if self.sliding:
            while stamps and stamps[0] <= now - self.seconds:
                stamps.popleft()
        elif stamps and stamps[0] <= now - self.seconds:
            stamps.clear()

    def admit(self, now: float) -> Admission:
        """Count one request unless it exceeds the limit."""
        if self.limit is None:
            return Admission(True, UNLIMITED, UNLIMITED - 1, now + self.seconds)
        self._forget(now)
        allowed = len(self._stamps) < self.limit
        if allowed:
            self._stamps.append(now)
        return self._verdict(now, allowed=allowed)

    def look(self, now: float) -> Admission:
        """Return the values for the headers without counting a request."""
        if self.limit is None:
            return Admission(True, UNLIMITED, UNLIMITED, now + self.seconds)
        self._forget(now)
        return self._verdict(now, allowed=True)

    def _verdict(self, now: float, *, allowed: bool) -> Admission:
        assert self.limit is not None
        first = self._stamps[0] if self._stamps else now
        return Admission(allowed, self.limit, self.limit - len(self._stamps), first + self.seconds)


@attrs.define
class DayCount:
    """A count of events within the current day.

    Attributes:
        stamps: Unix seconds of the events that still count, oldest first.
    """

    stamps: deque[float] = attrs.field(factory=deque)

    def today(self, now: float, day: str) -> int:
        """Return the number of events that count now, and drop older ones."""
        start = now - DAY if day == "rolling" else now // DAY * DAY - 1e-9
        while self.stamps and self.stamps[0] <= start:
            self.stamps.popleft()
        return len(self.stamps)

    def add(self, now: float) -> None:
        """Count one more event."""
        self.stamps.append(now)

    def frees_in(self, now: float, day: str) -> float:
        """Return the seconds until at least one place is free again.

        Call this only when the count is full.
        """
        frees_at = self.stamps[0] + DAY if day == "rolling" else (now // DAY + 1) * DAY
        return ceil(max(1.0, frees_at - now))
