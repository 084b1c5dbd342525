"""Daily limits: the projects and renders left, and the next reset.

The time of the server's daily reset is not documented. The table therefore counts rolling 24 hours, which
never asks for too much however the server counts. When a refusal shows that others have spent from the same
quota, the quota counts as spent until the first moment at which any way of counting would give something
back.
"""

import math
from bisect import insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from eversince_async.governor.waiters import Waiter

QuotaName = Literal["projects", "renders"]
"""The name of a daily quota."""

DAY: Final = 24 * 3600.0

MARGIN: Final = 60.0
"""Seconds added to a day.

The server counts a little after us, and its clock is its own."""

PROBE: Final = 120.0
"""Seconds until the first use after a refusal counts as granted.

This applies if its outcome has not been reported."""


FIRST_PATIENCE: Final = 60.0
"""Seconds to wait after a refusal that names neither limit nor time."""

LAST_PATIENCE: Final = 3600.0
"""Seconds of the longest such wait."""

MAX_REMEMBERED: Final = 1000
"""The number of uses remembered where there is no limit.

That is enough for an estimate if the server has a limit after all."""


class QuotaUse:
    """One project or render taken from the day's quota.

    Attributes:
        quota: `projects` or `renders`.
        at: Unix seconds when it was taken, or when the server is known to have counted it.
    """

    __slots__ = ("at", "quota")

    def __init__(self, quota: QuotaName, at: float) -> None:
        self.quota: QuotaName = quota
        self.at = at

    def __lt__(self, other: "QuotaUse") -> bool:
        return self.at < other.at


class QuotaTicket(Waiter):
    """One caller waiting for the daily reset.

    Attributes:
        quota: `projects` or `renders`.
        use: The use that it was granted; None before.
    """

    __slots__ = ("quota", "use")

    def __init__(self, quota: QuotaName, since: float, who: str | None = None) -> None:
        super().__init__(since, who)
        self.quota: QuotaName = quota
        self.use: QuotaUse | None = None


class DailyQuota:
    """The count of one quota over the last 24 hours.

    Times are Unix seconds.

    Args:
        name: `projects` or `renders`.
        limit: Uses in 24 hours; None means no limit.

    Attributes:
        name: `projects` or `renders`.
        limit: Uses in 24 hours; None means no limit.
    """

    def __init__(self, name: QuotaName, limit: int | None) -> None:
        self.name: QuotaName = name
        self.limit = limit
        self._uses: list[QuotaUse] = []
        self._spent_until = -math.inf
        self._probe: QuotaUse | None = None  # the first use after a refusal; its outcome holds for all
        self._patience = 0.0  # seconds of the latest wait after a refusal that named no limit
        self._queue: OrderedDict[QuotaTicket, None] = OrderedDict()

    def take(self, now: float) -> QuotaUse | None:
        """Take one use at once.

        None if there is none, or if other callers wait already.
        """
        return None if self._queue else self._take(now)

    def enqueue(self, ticket: QuotaTicket) -> None:
        """Add a ticket to the queue.

        `release` returns the ticket when its turn has come.
        """
        self._queue[ticket] = None

    def withdraw(self, ticket: QuotaTicket) -> None:
        """Forget a ticket whose caller gave up, or take its use back."""
        self._queue.pop(ticket, None)
        if ticket.use is not None:
            self.give_back(ticket.use)

    def release(self, now: float) -> list[QuotaTicket]:
        """Grant, in order, every ticket for which there is a use now."""
        granted: list[QuotaTicket] = []
        while self._queue and (use := self._take(now)):
            ticket, _ = self._queue.popitem(last=False)
            ticket.use = use
            granted.append(ticket)
        return granted

    def waiting(self) -> Iterator[QuotaTicket]:
        """Return all waiting tickets, in order."""
        return iter(self._queue)

    def available_at(self, now: float, nth: int = 1) -> float:
        """Return when a use is available again.

        With `nth`, when the nth is, if each is taken at once. The result is `now` or earlier if there is one
        at once.
        """
        moment = self._spent_until
        if self._probe is not None:
            moment = max(moment, self._probe.at + PROBE)
        if self.limit is None:
            return moment
        uses = self._recent(now)
        over = nth - 1 - (self.limit - len(uses))  # uses of the last day that have to lapse before
        if over < 0:
            return moment
        days = max(0, -(-(over - len(uses) + 1) // self.limit))  # and then the uses taken in between
        over -= days * self.limit
        lapses = uses[over].at + DAY + MARGIN if over >= 0 else max(moment, now)
        return max(moment, lapses + days * (DAY + MARGIN))

    def used(self, now: float) -> int:
        """Return the uses known from the last 24 hours."""
        return len(self._recent(now))

    def left(self, now: float) -> float:
        """Return the uses left, as far as known; infinite without a limit."""
        if self.is_spent(now):
            return 0
        return math.inf if self.limit is None else max(0, self.limit - self.used(now))

    def describe(self, now: float) -> str:
        """Describe in words what a waiting caller is waiting for."""
        used = self.used(now)
        if self.limit is not None and used >= self.limit:
            return f"the {self.name} of a day are used up ({used} of {self.limit})"
        return f"the server says that the {self.name} of a day are used up (we know of {used})"

    # -- Outcomes ---------------------------------------------------------------------------------------

    def confirmed(self, use: QuotaUse, now: float) -> None:
        """Record that the server performed the request of a use.

        The server has counted the use by now, so it counts from now.
        """
        if use in self._uses:
            self._uses.remove(use)
            use.at = now
            self._remember(use)
        if use is self._probe:
            self._reopen()

    def give_back(self, use: QuotaUse) -> None:
        """Take a use back: the server definitely did not perform its request.

        The reason is another than the quota.
        """
        if use in self._uses:
            self._uses.remove(use)
        if use is self._probe:
            self._probe = None

    def rejected(self, use: QuotaUse, now: float, retry_after: float | None = None) -> None:
        """Record that the server refused a request without naming the limit.

        It may mean the day's limit, so one caller tries for all: at first after the pause that the server
        asks for, and after twice the time whenever the request is refused again.

        Args:
            use: The use whose request was refused.
            now: Unix seconds.
            retry_after: Seconds that the server asked to wait, if it did.
        """
        is_first = use is self._probe or self._spent_until == -math.inf
        self.give_back(use)
        if is_first:
            self._patience = min(max(2 * self._patience, retry_after or FIRST_PATIENCE, 1.0), LAST_PATIENCE)
        self._spent_until = max(self._spent_until, now + self._patience)

    def refused(
        self, use: QuotaUse, now: float, retry_after: float | None = None, server_now: float | None = None
    ) -> None:
        """Record that the server reports a spent quota, against our count.

        Args:
            use: The use whose request was refused.
            now: Unix seconds.
            retry_after: Seconds that the server asked to wait, if it did.
            server_now: Unix seconds by the server's clock; `now` by default.
        """
        self.give_back(use)
        server_now = now if server_now is None else server_now
        self._spent_until = max(self._spent_until, self._estimated_reset(now, retry_after, server_now))

    def is_spent(self, now: float) -> bool:
        """Return True if the server has reported a spent quota.

        False again once something has shown that uses are left.
        """
        return self._spent_until > now

    def seed(self, times: Iterable[float]) -> None:
        """Count the uses from before this process began."""
        for at in times:
            self._remember(QuotaUse(self.name, at))

    # -- Inside -----------------------------------------------------------------------------------------

    def _take(self, now: float) -> QuotaUse | None:
        if self.available_at(now) > now:
            return None
        if self._probe is not None:
            self._reopen()  # its outcome was not reported, nor was a refusal
        use = QuotaUse(self.name, now)
        self._remember(use)
        if self._spent_until > -math.inf:
            self._probe = use
        return use

    def _remember(self, use: QuotaUse) -> None:
        insort(self._uses, use)
        if self.limit is None:
            del self._uses[:-MAX_REMEMBERED]

    def _reopen(self) -> None:
        self._probe = None
        self._spent_until = -math.inf
        self._patience = 0.0

    def _recent(self, now: float) -> list[QuotaUse]:
        while self._uses and self._uses[0].at + DAY + MARGIN <= now:
            del self._uses[0]
        return self._uses

    def _estimated_reset(self, now: float, retry_after: float | None, server_now: float) -> float:
        """Return the first moment at which a use may be available.

        It covers servers that count in any of the usual ways.
        """
        if retry_after is not None and retry_after > MARGIN:
            return now + min(retry_after, DAY)
        moments = [now + DAY - server_now % DAY + MARGIN]  # midnight in UTC
        uses = self._recent(now)
        if uses:
            moments.append(uses[0].at + DAY + MARGIN)
        return min(moments)
