"""The day's projects and renders: taking one, and waiting for another day."""

import math
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from eversince_async.clock import wall_seconds
from eversince_async.errors import QuotaExhausted
from eversince_async.governor.quota_table import DailyQuota, QuotaName, QuotaTicket, QuotaUse
from eversince_async.governor.timers import DayClock, LoopClock, Timer
from eversince_async.governor.waiters import Waiter

LOOK: Final = 600.0
"""Seconds after which those who wait are looked after at the latest."""


class QuotaReservation:
    """One project or render of the day, taken before the request is sent.

    Nothing need be said about it when the server did it; `confirmed` makes the count more exact.

    Attributes:
        quota: `projects` or `renders`.
    """

    __slots__ = ("_quota", "_quotas", "_use", "quota")

    def __init__(self, quotas: "Quotas", quota: DailyQuota, use: QuotaUse) -> None:
        self._quotas = quotas
        self._quota = quota
        self._use = use
        self.quota = quota.name

    @property
    def at(self) -> datetime:
        """When it counts from; seed another process's governor with it."""
        return self._quotas.clock.to_datetime(self._use.at)

    @property
    def is_oversubscribed(self) -> bool:
        """Whether the server has said meanwhile that the day's are spent, so that it would refuse this one.

        Give it back then, and take another, which waits.
        """
        return self._quota.is_spent(self._quotas.clock.now())

    def confirmed(self) -> None:
        """The server has done it."""
        self._quota.confirmed(self._use, self._quotas.clock.now())
        self._quotas.release()

    def give_back(self) -> None:
        """The server definitely did not do it, for another reason than the day's limit."""
        self._quota.give_back(self._use)
        self._quotas.release()

    def rejected(self, retry_after: float | None = None) -> None:
        """The server refused it and did not say which limit it means; it may be the day's.

        Args:
            retry_after: Seconds the server asked to wait, if it did.
        """
        self._quota.rejected(self._use, self._quotas.clock.now(), retry_after)
        self._quotas.release()

    def refused(self, retry_after: float | None = None, at: datetime | None = None) -> None:
        """The server answered that the day's are spent, although we counted some left.

        Args:
            retry_after: Seconds the server asked to wait, if it did.
            at: What the server's clock shows, whose midnight may turn its day; ours by default.
        """
        now = self._quotas.clock.now()
        self._quota.refused(self._use, now, retry_after, wall_seconds() if at is None else at.timestamp())
        self._quotas.release()

    def __repr__(self) -> str:
        return f"<Taken {self.quota} at {self.at:%Y-%m-%d %H:%M:%S} UTC>"


class Quotas:
    """The day's limits of the account. `Governor.quota` is one.

    Args:
        limits: How many of each in 24 hours; None: no limit.
        clock: The governor's clock.
        expect: Told of everybody who begins to wait.
    """

    def __init__(
        self, limits: dict[QuotaName, int | None], clock: LoopClock, expect: Callable[[Waiter], None]
    ) -> None:
        self.daily = {name: DailyQuota(name, limit) for name, limit in limits.items()}
        self.clock = DayClock()
        self._clock = clock
        self._expect = expect
        self._alarm = Timer(clock, self.release)
        clock.on_loop_change(self._cancel_waiters)

    async def reserve(
        self, name: QuotaName, *, wait: bool = True, who: str | None = None
    ) -> QuotaReservation:
        """Take one of the day's; wait for another day if there is none. Hold no slot meanwhile.

        Cancelling takes nothing.

        Args:
            name: `projects` or `renders`.
            wait: False: raise rather than wait.
            who: What to call the caller to people.

        Raises:
            QuotaExhausted: There is none and the caller would not wait; nothing was sent.
            ConfigurationError: The governor is in use by another running event loop.
        """
        self._clock.loop()
        quota = self.daily[name]
        use = quota.take(self.clock.now())
        if use is None:
            if not wait:
                raise QuotaExhausted(name, resets_at=self.resets_at(name))
            use = await self._queue(quota, who)
        return QuotaReservation(self, quota, use)

    def left(self, name: QuotaName) -> float:
        """How many are left for now, as far as we know; infinite without a limit."""
        return self.daily[name].left(self.clock.now())

    def resets_at(self, name: QuotaName, nth: int = 1) -> datetime | None:
        """When the next one is expected to be free, or the nth next if each is taken at once; None: now."""
        now = self.clock.now()
        moment = self.daily[name].available_at(now, nth)
        return None if moment <= now else self.clock.to_datetime(moment)

    def seed(self, name: QuotaName, times: Iterable[datetime]) -> None:
        """Count what was done before this process began, as a journal remembers it."""
        self.daily[name].seed(map(self.clock.of, times))

    def waiting(self) -> Iterator[QuotaTicket]:
        """All who wait for another day."""
        for quota in self.daily.values():
            yield from quota.waiting()

    def release(self) -> None:
        """Let go on everybody for whom there is something, and come back when there is more."""
        now = self.clock.now()
        next_at = math.inf
        for quota in self.daily.values():
            for ticket in quota.release(now):
                if ticket.future is not None and not ticket.future.done():
                    ticket.future.set_result(ticket.use)
            if any(True for _ in quota.waiting()):
                next_at = min(next_at, quota.available_at(now))
        # Now and then it looks by itself: no timer notices that a computer slept.
        wait = min(max(next_at - now, 0.001), LOOK)
        self._alarm.set(None if next_at == math.inf else self._clock.time() + wait)

    async def _queue(self, quota: DailyQuota, who: str | None) -> QuotaUse:
        loop = self._clock.loop()
        ticket = QuotaTicket(quota.name, loop.time(), who)
        ticket.future = loop.create_future()
        quota.enqueue(ticket)
        self.release()
        self._expect(ticket)
        try:
            use: QuotaUse = await ticket.future
        except BaseException:
            quota.withdraw(ticket)
            self.release()
            raise
        return use

    def _cancel_waiters(self, _shift: float) -> None:
        for quota in self.daily.values():
            for ticket in list(quota.waiting()):
                quota.withdraw(ticket)
