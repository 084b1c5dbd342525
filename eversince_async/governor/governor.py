"""The governor: decisions come from the budget, waiting for them happens here."""

import asyncio
import math

from eversince_async.errors import ConfigurationError
from eversince_async.governor.budget import Budget
from eversince_async.governor.lanes import Departure, Lane, Ticket
from eversince_async.governor.limits import Limits
from eversince_async.models.receipt import RateLimit


def _no_clock_yet() -> float:
    return -math.inf


class Governor:
    """One door for the limits of one account.

    Belongs to one event loop at a time; when nothing waits it moves to another by itself.

    Args:
        limits: What the account allows; the documented limits by default.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._budget = Budget(
            self.limits.requests,
            window=self.limits.window,
            guard=self.limits.guard,
            learns=not self.limits.pinned,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._time = _no_clock_yet
        self._timer: asyncio.TimerHandle | None = None

    # -- Requests ---------------------------------------------------------------------------------------

    async def admit(self, lane: Lane = Lane.INTERACTIVE, *, who: str | None = None) -> Departure:
        """Wait until a request may leave.

        Every departure ends in exactly one `answered` or `give_back`, also when the request fails.
        Cancelling gives the place back, also in the instant after it was granted.

        Args:
            lane: How urgent it is.
            who: What it is, in words, for those who ask what is being waited for.

        Raises:
            ConfigurationError: The governor is in use by another running event loop.
        """
        if self._loop is not None:
            departure = self._budget.depart(lane, self._time())
            if departure is not None:
                return departure
        return await self._queue(lane, who)

    def answered(self, departure: Departure, rate_limit: RateLimit | None = None) -> None:
        """An answer's headers have arrived, or the request failed after it may have been sent.

        Args:
            departure: What `admit` gave.
            rate_limit: What the headers said; None if there were none.
        """
        self._budget.answered(departure, self._bind().time(), rate_limit)
        self._release()

    def give_back(self, departure: Departure) -> None:
        """The request was surely never sent: its place is free again."""
        self._budget.give_back(departure, self._bind().time())
        self._release()

    def pause(self, seconds: float) -> None:
        """Let nobody leave for `seconds`, because the server said so. The pause that ends last counts."""
        self._budget.pause(seconds, self._bind().time())
        self._release()

    async def _queue(self, lane: Lane, who: str | None) -> Departure:
        loop = self._bind()
        ticket = Ticket(lane, loop.time(), who)
        ticket.future = loop.create_future()
        self._budget.enqueue(ticket)
        self._release()
        try:
            return await ticket.future
        except BaseException:
            self._budget.withdraw(ticket, self._bind().time())
            self._release()
            raise

    def _release(self) -> None:
        """Let out whoever may leave, and come back when the next may."""
        now = self._time()
        for ticket in self._budget.release(now):
            if ticket.future is not None and ticket.departure is not None and not ticket.future.done():
                ticket.future.set_result(ticket.departure)
        self._set_timer(self._budget.next_release(now))

    def _set_timer(self, when: float | None) -> None:
        timer = self._timer
        if timer is not None:
            if when is not None and timer.when() == when:
                return
            timer.cancel()
            self._timer = None
        if when is not None and self._loop is not None:
            self._timer = self._loop.call_at(when, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._release()

    # -- The clock --------------------------------------------------------------------------------------

    def _bind(self) -> asyncio.AbstractEventLoop:
        """The running loop, which is made ours if it is not."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._move_to(loop)
        return loop

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        before = self._loop
        if before is not None:
            if before.is_running():
                raise ConfigurationError(
                    "this governor is in use by another running event loop; use one governor for each loop"
                )
            self._budget.restart(loop.time() - before.time(), loop.time())
        self._timer = None
        self._loop = loop
        self._time = loop.time
