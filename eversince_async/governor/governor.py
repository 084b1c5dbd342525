"""The governor, the one door to the request budget, slots and quotas."""

import math
from _thread import get_ident
from collections.abc import Callable, Iterable, Iterator
from typing import cast

from eversince_async.governor.account import Account
from eversince_async.governor.budget import Budget
from eversince_async.governor.explanation import snapshot, wait_kind, wait_reason
from eversince_async.governor.lanes import Departure, Lane, RequestTicket
from eversince_async.governor.limits import Limits
from eversince_async.governor.quotas import Quotas
from eversince_async.governor.slots import Slots
from eversince_async.governor.snapshot import CreditsSnapshot, GovernorSnapshot
from eversince_async.governor.timers import LoopClock, Timer
from eversince_async.governor.waiters import WaitEnded, Waiter, WaitNotifier, WaitReason
from eversince_async.models.receipt import RateLimit


class Governor:
    """One door for the limits of one account.

    Share it between all clients of that account. It belongs to one event loop at a time, and moves by itself
    to another when the first has stopped. While a running loop uses it, a caller in another loop gets
    `ConfigurationError` before anything is sent. `repr()` describes its state in a sentence.

    Args:
        limits: The limits of the account; the documented ones by default.

    Attributes:
        limits: The limits it was given.
        slots: The account's active projects.
        quota: The projects and renders of the day.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.clock = LoopClock()
        self.clock.on_loop_change(self._on_loop_change)
        self.budget = Budget(
            self.limits.requests,
            window=self.limits.window,
            guard=self.limits.guard,
            learns=not self.limits.pinned,
            begins_alone=True,
        )
        self._time = self.clock.time
        self._alarm = Timer(self.clock, self._release)
        self._announcer = WaitNotifier(
            self.clock, lambda waiters: wait_reason(self, waiters), lambda waiter: wait_kind(self, waiter)
        )
        self.slots = Slots(self.limits.active_projects, self.clock, self._announcer.watch)
        self.quota = Quotas(
            {"projects": self.limits.projects_per_day, "renders": self.limits.renders_per_day},
            self.clock,
            self._announcer.watch,
        )
        self._account = Account(self.limits.credits_reserve)

    # -- Requests ---------------------------------------------------------------------------------------

    async def admit(self, lane: Lane = Lane.INTERACTIVE, *, who: str | None = None) -> Departure:
        """Wait until a request may leave.

        Every departure ends in exactly one `answered` or `give_back`, also when the request fails.
        Cancelling gives the place back, also in the instant after it was granted.

        Args:
            lane: The urgency of the request.
            who: The request in words, for explanations of the wait.

        Raises:
            ConfigurationError: The governor is in use by another running event loop.
        """
        if get_ident() != self.clock.thread:  # a cheap test for the check that `loop` makes
            self.clock.loop()
        departure = self.budget.try_depart(lane, self._time())
        if departure is not None:
            return departure
        return await self._queue(lane, who)

    def answered(self, departure: Departure, rate_limit: RateLimit | None = None) -> None:
        """Record that a request was answered or may have been sent.

        Call it when the response's headers have arrived, or when the request failed after it may have been
        sent.

        Args:
            departure: The departure that `admit` returned.
            rate_limit: The rate limit in the headers; None if there was none.
        """
        if self.clock.is_here() and self.budget.answered(departure, self._time(), rate_limit):
            self._release()

    def give_back(self, departure: Departure) -> None:
        """Free the place of a request that was surely never sent."""
        if self.clock.is_here():
            self.budget.give_back(departure, self._time())
            self._release()

    def pause(self, seconds: float) -> None:
        """Let no request leave for `seconds`, as the server asked.

        Of several pauses the one that ends last counts, and nothing ends it earlier. After the pause requests
        leave one by one until a response shows how much of the budget is left.

        Args:
            seconds: Length of the pause, in seconds.
        """
        if self.clock.is_here():
            self.budget.pause(seconds, self._time())
            self._release()

    def estimated_departure(self, lane: Lane, now: float | None = None) -> float:
        """Estimate when a request would leave that asked now, in clock seconds.

        The estimate equals `now` if it would leave at once.

        Args:
            lane: The urgency of the request.
            now: The present clock time (`loop.time()`), for a caller who compares the estimate with that
                time: two readings are never equal on a running clock. The clock is read by default.
        """
        return self.budget.expected(lane, self.budget.waiting().count, self._time() if now is None else now)

    @property
    def request_limit(self) -> int | None:
        """The number of requests in a window, as announced or configured.

        None if there is no limit.
        """
        return self.budget.limit

    def allowance(self) -> float:
        """Return the requests in a window that are not left to others.

        Infinite without a limit.
        """
        limit = self.budget.limit
        return math.inf if limit is None else max(0, limit - self.budget.external(self._time()))

    async def _queue(self, lane: Lane, who: str | None) -> Departure:
        loop = self.clock.loop()
        ticket = RequestTicket(lane, loop.time(), who)
        ticket.future = loop.create_future()
        if self.budget.enqueue(ticket):
            self._release()
        self._announcer.watch(ticket)
        try:
            return cast("Departure", await ticket.future)
        except BaseException:
            self.budget.withdraw(ticket, self._time())
            self._release()
            raise

    def _release(self) -> None:
        """Let requests leave that may, and set the timer for the next."""
        now = self._time()
        for ticket in self.budget.release(now):
            if ticket.future is not None and not ticket.future.done():
                ticket.future.set_result(ticket.departure)
        self._alarm.set(self.budget.next_release(now))

    def _on_loop_change(self, shift: float) -> None:
        self._time = self.clock.time
        self.budget.move_clock(shift, self._time())
        self._account.move(shift)

    # -- Observations of projects and credits -----------------------------------------------------------

    def observed(self, project_id: str, status: str, *, requested_at: float | None = None) -> None:
        """Record the status of a project that a response showed.

        The project may be ours or not. A settled project frees its slot unless its production still holds it;
        an active project that is not ours counts; an unknown status changes nothing.

        Args:
            project_id: The project.
            status: The status as the server named it.
            requested_at: Clock seconds (`loop.time()`) when the request left; now by default. A response to a
                request that left before the last write to the project does not free its slot.
        """
        self.slots.observed(project_id, status, requested_at)

    def observed_page(
        self, active_ids: Iterable[str], *, complete: bool, requested_at: float | None = None
    ) -> None:
        """Record the active projects that a list showed.

        Args:
            active_ids: The projects that the list showed as active, ours and others.
            complete: True if these are all active projects of the account: the missing ones have settled.
            requested_at: Clock seconds (`loop.time()`) when the request left; now by default.
        """
        self.slots.observed_page(active_ids, complete=complete, requested_at=requested_at)

    def record_credits(self, balance: float, *, requested_at: float | None = None) -> None:
        """Record the balance that a response showed.

        Args:
            balance: Credits left.
            requested_at: Clock seconds (`loop.time()`) when the request left; now by default. Of two
                responses whose requests were in flight together, the one with the lower balance is the later
                one.
        """
        now = self._time()
        self._account.note(balance, now, now if requested_at is None else requested_at)

    @property
    def credits(self) -> CreditsSnapshot | None:
        """The credits as last reported; None before any response reported them."""
        return self._account.snapshot()

    # -- Explanations -----------------------------------------------------------------------------------

    def on_wait(
        self, callback: Callable[[WaitReason], object], *, wants: Callable[[str | None], bool] | None = None
    ) -> Callable[[], None]:
        """Call `callback` once for every wait that lasts longer than a second.

        A callback that fails is logged and breaks nothing.

        Args:
            callback: Called with the reason.
            wants: Called with the name of a wait (`WaitReason.who`); returns True if the wait is of interest.
                All are by default. No reason is put into words unless a subscriber wants it, however many
                waits there are.

        Returns:
            A function that ends the subscription.
        """
        return self._announcer.subscribe(callback, self.waiting(), wants or (lambda _: True))

    def on_wait_end(self, callback: Callable[[WaitEnded], object]) -> Callable[[], None]:
        """Call `callback` as each wait ends, however short it was.

        This is for statistics; only waits that begin from now on count. A callback that fails is logged and
        breaks nothing.

        Returns:
            A function that ends the subscription.
        """
        return self._announcer.subscribe_to_ends(callback)

    def waiting(self) -> Iterator[Waiter]:
        """Yield all waiters: requests, productions, and callers waiting for the daily reset."""
        yield from self.budget.waiting()
        yield from self.slots.table.waiting()
        yield from self.quota.waiting()

    def snapshot(self) -> GovernorSnapshot:
        """Return the governor's whole state at this moment."""
        return snapshot(self)

    def __repr__(self) -> str:
        return f"<Governor {self.snapshot()}>"
