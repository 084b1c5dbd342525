"""The account's limits: which apply, and how a window and a day are counted."""

import enum
from collections import deque
from math import ceil
from typing import Final, Literal, TypeAlias

import attrs

from eversince_async.emulator.revision import RevisionRules

DAY: Final = 86_400.0
"""Seconds in a day."""

UNLIMITED: Final = 1_000_000
"""What `X-RateLimit-Limit` says while requests are not limited: the header is on every answer."""


class Documented(enum.Enum):
    """Type of `DOCUMENTED`."""

    DOCUMENTED = enum.auto()


DOCUMENTED: Final = Documented.DOCUMENTED
"""Stands for "whatever the emulated revision documents"."""

Limit: TypeAlias = int | Documented | None
"""A number, the documented number, or None for no limit."""


@attrs.frozen(kw_only=True)
class Limits:
    """Which limits the emulator keeps; each is a number, `DOCUMENTED`, or None for none.

    Attributes:
        requests_per_minute: Requests in a window, for the account over all its keys. Everything with a
            valid key counts, also what is then refused; a request refused *by this limit* does not, and
            neither does one with a bad key (whose account is unknown) nor a presigned PUT or a download.
        window: "sliding" (at most N requests in any 60 s) or "fixed" (N from the first request on, then a
            new window). The documents say only "a minute".
        window_seconds: Length of that window, in seconds.
        active_projects: Projects queued, running, generating or rendering at once.
        projects_per_day: Projects created a day.
        renders_per_day: Renders started a day.
        day: "rolling" (the last 24 hours) or "utc" (since midnight UTC). Not documented.
        body_bytes: Largest request body, in bytes.
        keys: API keys of the account.
        budgets: Whether skills and memories are held to their budgets.
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
        """No limit at all, but the size of a body."""
        return cls(
            requests_per_minute=None,
            active_projects=None,
            projects_per_day=None,
            renders_per_day=None,
            keys=None,
            budgets=False,
        )

    def requests(self, rules: RevisionRules) -> int | None:
        """Requests in one window under a revision."""
        return (
            rules.requests_per_minute if self.requests_per_minute is DOCUMENTED else self.requests_per_minute
        )

    def renders(self, rules: RevisionRules, *, subscribed: bool) -> int | None:
        """Renders a day under a revision, with or without a subscription."""
        if self.renders_per_day is not DOCUMENTED:
            return self.renders_per_day
        return rules.renders_per_day if subscribed else rules.renders_per_day_unsubscribed


@attrs.frozen
class Admission:
    """What the request window says to one request.

    Attributes:
        allowed: Whether it may pass.
        limit: For `X-RateLimit-Limit`.
        remaining: For `X-RateLimit-Remaining`.
        resets_at: Unix seconds at which the next place is free (sliding) or the window ends (fixed).
    """

    allowed: bool
    limit: int
    remaining: int
    resets_at: float


@attrs.define
class RequestWindow:
    """The request window of one account. It lives in memory: a restarted emulator has forgotten it.

    Attributes:
        limit: Requests in a window; None for no limit.
        seconds: Length of the window.
        sliding: Any window, or one window after another.
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
        """Count one request, unless it is one too many."""
        if self.limit is None:
            return Admission(True, UNLIMITED, UNLIMITED - 1, now + self.seconds)
        self._forget(now)
        allowed = len(self._stamps) < self.limit
        if allowed:
            self._stamps.append(now)
        return self._verdict(now, allowed=allowed)

    def look(self, now: float) -> Admission:
        """What the headers should say without counting anything."""
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
    """How often something happened today.

    Attributes:
        stamps: Unix seconds of what still counts, oldest first.
    """

    stamps: deque[float] = attrs.field(factory=deque)

    def today(self, now: float, day: str) -> int:
        """How many count at this moment; older ones are forgotten."""
        start = now - DAY if day == "rolling" else now // DAY * DAY - 1e-9
        while self.stamps and self.stamps[0] <= start:
            self.stamps.popleft()
        return len(self.stamps)

    def add(self, now: float) -> None:
        """Count one more."""
        self.stamps.append(now)

    def frees_in(self, now: float, day: str) -> float:
        """Seconds until at least one place is free again; call it with a full count only."""
        frees_at = self.stamps[0] + DAY if day == "rolling" else (now // DAY + 1) * DAY
        return ceil(max(1.0, frees_at - now))
