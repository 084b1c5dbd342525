"""Reservations of the day's projects and renders, and waits for the reset."""

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
"""Seconds until the quotas of waiting callers are checked again, at most."""


class QuotaReservation:
    """One reserved project or render of the day.

    It is reserved before the request is sent. The caller need not report that the server performed the
    request; `confirmed` makes the count more exact.

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
        """The time from which it counts.

        Seed another process's governor with it.
        """
        return self._quotas.clock.to_datetime(self._use.at)

    @property
    def is_oversubscribed(self) -> bool:
        """True if the server has reported since that the quota is spent.

        The server would refuse this request: give the reservation back, and make another, which waits.
        """
        return self._quota.is_spent(self._quotas.clock.now())

    def confirmed(self) -> None:
        """Record that the server performed the request."""
        self._quota.confirmed(self._use, self._quotas.clock.now())
        self._quotas.release()

    def give_back(self) -> None:
        """Record that the server definitely did not perform the request.

        The reason is another than the day's limit.
        """
        self._quota.give_back(self._use)
        self._quotas.release()

    def rejected(self, retry_after: float | None = None) -> None:
        """Record that the server refused the request without naming the limit.

        It may be the day's.

        Args:
            retry_after: Seconds that the server asked to wait, if it did.
        """
        self._quota.rejected(self._use, self._quotas.clock.now(), retry_after)
        self._quotas.release()

    def refused(self, retry_after: float | None = None, at: datetime | None = None) -> None:
        """Record that the server reports a spent quota, against our count.

        Args:
            retry_after: Seconds that the server asked to wait, if it did.
            at: The time by the server's clock, whose midnight may be the daily reset; our time by default.
        """
        now = self._quotas.clock.now()
        self._quota.refused(self._use, now, retry_after, wall_seconds() if at is None else at.timestamp())
        self._quotas.release()

    def __repr__(self) -> str:
        return f"<Taken {self.quota} at {self.at:%Y-%m-%d %H:%M:%S} UTC>"


class Quotas:
    """The daily limits of the account. `Governor.quota` is one.

    Args:
        limits: The uses of each quota in 24 hours; None means no limit.
        clock: The governor's clock.
        expect: Called with every waiter that begins to wait.
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
        """Reserve one of the day's uses; wait for the reset without one.

        Hold no slot meanwhile. Cancelling takes nothing.

        Args:
            name: `projects` or `renders`.
            wait: False raises an error rather than wait.
            who: The name of the caller, for people.

        Raises:
            QuotaExhausted: No use is left and `wait` is False; nothing was sent.
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
        """Return the uses left, as far as known; infinite without a limit."""
        return self.daily[name].left(self.clock.now())

    def resets_at(self, name: QuotaName, nth: int = 1) -> datetime | None:
        """Return when the next use is expected to be free.

        With `nth`, when the nth next is, if each is taken at once. None means now.
        """
        now = self.clock.now()
        moment = self.daily[name].available_at(now, nth)
        return None if moment <= now else self.clock.to_datetime(moment)

    def seed(self, name: QuotaName, times: Iterable[datetime]) -> None:
        """Count the uses from before this process began, as in a journal."""
        self.daily[name].seed(map(self.clock.of, times))

    def waiting(self) -> Iterator[QuotaTicket]:
        """Yield all callers waiting for the daily reset."""
        for quota in self.daily.values():
            yield from quota.waiting()

    def release(self) -> None:
        """Grant uses to waiting callers, and set the timer for the next."""
        now = self.clock.now()
        next_at = math.inf
        for quota in self.daily.values():
            for ticket in quota.release(now):
                if ticket.future is not None and not ticket.future.done():
                    ticket.future.set_result(ticket.use)
            if any(True for _ in quota.waiting()):
                next_at = min(next_at, quota.available_at(now))
        # The quotas are also checked now and then: no timer notices that a computer slept.
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
