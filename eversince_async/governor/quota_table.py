"""Limits of the day: how many projects and renders are left, and when there are more.

When the server's day turns is not documented. So we count rolling 24 hours, which never asks for too much
however the server counts; and when a refusal shows that others have spent from the same quota, it is spent
until the first moment at which any way of counting would give something back.
"""

import math
from bisect import insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from eversince_async.governor.waiters import Waiter

QuotaName = Literal["projects", "renders"]
"""What the account may do so many times a day."""

DAY: Final = 24 * 3600.0

MARGIN: Final = 60.0
"""Seconds added to a day: the server counts a little after us, and its clock is its own."""

PROBE: Final = 120.0
"""Seconds after which the first use after a refusal counts as granted although nobody said so."""


FIRST_PATIENCE: Final = 60.0
"""Seconds to wait after a refusal that says neither what it means nor for how long."""

LAST_PATIENCE: Final = 3600.0
"""Seconds such waits grow to."""

MAX_REMEMBERED: Final = 1000
"""Uses of a day that are remembered where there is no limit: enough to say something, if there is one."""


class QuotaUse:
    """One project or render taken from the day.

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
    """Somebody waiting for another day.

    Attributes:
        quota: `projects` or `renders`.
        use: What it was granted.
    """

    __slots__ = ("quota", "use")

    def __init__(self, quota: QuotaName, since: float, who: str | None = None) -> None:
        super().__init__(since, who)
        self.quota: QuotaName = quota
        self.use: QuotaUse | None = None


class DailyQuota:
    """The count of one thing over the last 24 hours. Times are Unix seconds.

    Args:
        name: `projects` or `renders`.
        limit: How many in 24 hours; None: no limit.

    Attributes:
        name: `projects` or `renders`.
        limit: How many in 24 hours; None: no limit.
    """

    def __init__(self, name: QuotaName, limit: int | None) -> None:
        self.name: QuotaName = name
        self.limit = limit
        self._uses: list[QuotaUse] = []
        self._spent_until = -math.inf
        self._probe: QuotaUse | None = None  # the first after a refusal; its outcome tells for all
        self._patience = 0.0  # how long it was waited after a refusal that did not say what it meant
        self._queue: OrderedDict[QuotaTicket, None] = OrderedDict()

    def take(self, now: float) -> QuotaUse | None:
        """Take one at once; None: there is none, or others wait already."""
        return None if self._queue else self._take(now)

    def enqueue(self, ticket: QuotaTicket) -> None:
        """Wait in line; `release` will name the ticket when its turn has come."""
        self._queue[ticket] = None

    def withdraw(self, ticket: QuotaTicket) -> None:
        """The caller gave up waiting: forget the ticket, or take back what it was just given."""
        self._queue.pop(ticket, None)
        if ticket.use is not None:
            self.give_back(ticket.use)

    def release(self, now: float) -> list[QuotaTicket]:
        """Grant every ticket for which there is something now, in order."""
        granted: list[QuotaTicket] = []
        while self._queue and (use := self._take(now)):
            ticket, _ = self._queue.popitem(last=False)
            ticket.use = use
            granted.append(ticket)
        return granted

    def waiting(self) -> Iterator[QuotaTicket]:
        """All who wait, in order."""
        return iter(self._queue)

    def available_at(self, now: float, nth: int = 1) -> float:
        """When there is one again, or the nth if each is taken at once; `now` or earlier: at once."""
        moment = self._spent_until
        if self._probe is not None:
            moment = max(moment, self._probe.at + PROBE)
        if self.limit is None:
            return moment
        uses = self._recent(now)
        over = nth - 1 - (self.limit - len(uses))  # so many of those of the last day have to lapse before
        if over < 0:
            return moment
        days = max(0, -(-(over - len(uses) + 1) // self.limit))  # and then those that come in between
        over -= days * self.limit
        lapses = uses[over].at + DAY + MARGIN if over >= 0 else max(moment, now)
        return max(moment, lapses + days * (DAY + MARGIN))

    def used(self, now: float) -> int:
        """How many were taken in the last 24 hours, as far as we know."""
        return len(self._recent(now))

    def left(self, now: float) -> float:
        """How many are left, as far as we know; infinite without a limit."""
        if self.is_spent(now):
            return 0
        return math.inf if self.limit is None else max(0, self.limit - self.used(now))

    def describe(self, now: float) -> str:
        """What one who waits is waiting for, in words."""
        used = self.used(now)
        if self.limit is not None and used >= self.limit:
            return f"the {self.name} of a day are used up ({used} of {self.limit})"
        return f"the server says that the {self.name} of a day are used up (we know of {used})"

    # -- What became of it ------------------------------------------------------------------------------

    def confirmed(self, use: QuotaUse, now: float) -> None:
        """The server did it, so it has counted it by now."""
        if use in self._uses:
            self._uses.remove(use)
            use.at = now
            self._remember(use)
        if use is self._probe:
            self._reopen()

    def give_back(self, use: QuotaUse) -> None:
        """The server definitely did not do it, for another reason than the quota."""
        if use in self._uses:
            self._uses.remove(use)
        if use is self._probe:
            self._probe = None

    def rejected(self, use: QuotaUse, now: float, retry_after: float | None = None) -> None:
        """The server refuses this now, and does not say which limit it means.

        It may be the day's, so one tries for all, at first after the pace that the server asks for, and
        after twice the time whenever it is refused again.

        Args:
            use: What was taken in vain.
            now: Unix seconds.
            retry_after: Seconds the server asked to wait, if it did.
        """
        is_first = use is self._probe or self._spent_until == -math.inf
        self.give_back(use)
        if is_first:
            self._patience = min(max(2 * self._patience, retry_after or FIRST_PATIENCE, 1.0), LAST_PATIENCE)
        self._spent_until = max(self._spent_until, now + self._patience)

    def refused(
        self, use: QuotaUse, now: float, retry_after: float | None = None, server_now: float | None = None
    ) -> None:
        """The server says that the day's are spent, although we counted some left.

        Args:
            use: What was taken in vain.
            now: Unix seconds.
            retry_after: Seconds the server asked to wait, if it did.
            server_now: Unix seconds by the server's clock; `now` by default.
        """
        self.give_back(use)
        server_now = now if server_now is None else server_now
        self._spent_until = max(self._spent_until, self._estimated_reset(now, retry_after, server_now))

    def is_spent(self, now: float) -> bool:
        """Whether the server has said so, and nothing has shown since that there is more."""
        return self._spent_until > now

    def seed(self, times: Iterable[float]) -> None:
        """Count what was taken before this process began."""
        for at in times:
            self._remember(QuotaUse(self.name, at))

    # -- Inside -----------------------------------------------------------------------------------------

    def _take(self, now: float) -> QuotaUse | None:
        if self.available_at(now) > now:
            return None
        if self._probe is not None:
            self._reopen()  # nobody said what became of it, but nobody said that it was refused
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
        """The first moment at which a server that counts in some usual way has one again."""
        if retry_after is not None and retry_after > MARGIN:
            return now + min(retry_after, DAY)
        moments = [now + DAY - server_now % DAY + MARGIN]  # midnight in UTC
        uses = self._recent(now)
        if uses:
            moments.append(uses[0].at + DAY + MARGIN)
        return min(moments)
