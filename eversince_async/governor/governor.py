"""The governor: decisions come from budget, slots and quotas; this is the door they share."""

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
    """One door for the limits of one account; share it between all clients of that account.

    It belongs to one event loop at a time, and moves by itself to another when the first has stopped. While
    it is in use by a running loop, whoever asks for anything in another gets `ConfigurationError`, before
    anything is sent.
    `repr()` tells in a sentence how things stand.

    Args:
        limits: What the account allows; the documented limits by default.

    Attributes:
        limits: What it was given.
        slots: The account's active projects.
        quota: The day's projects and renders.
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
            lane: How urgent it is.
            who: What it is, in words, for those who ask what is being waited for.

        Raises:
            ConfigurationError: The governor is in use by another running event loop.
        """
        if get_ident() != self.clock.thread:  # a quick look for what `loop` finds out
            self.clock.loop()
        departure = self.budget.try_depart(lane, self._time())
        if departure is not None:
            return departure
        return await self._queue(lane, who)

    def answered(self, departure: Departure, rate_limit: RateLimit | None = None) -> None:
        """An answer's headers have arrived, or the request failed after it may have been sent.

        Args:
            departure: What `admit` gave.
            rate_limit: What the headers said; None if there were none.
        """
        if self.clock.is_here() and self.budget.answered(departure, self._time(), rate_limit):
            self._release()

    def give_back(self, departure: Departure) -> None:
        """The request was surely never sent: its place is free again."""
        if self.clock.is_here():
            self.budget.give_back(departure, self._time())
            self._release()

    def pause(self, seconds: float) -> None:
        """Let nobody leave for `seconds`, because the server said so.

        Of several pauses the one that ends last counts, and nothing ends it earlier. After it requests
        leave one by one until an answer shows how things stand.
        """
        if self.clock.is_here():
            self.budget.pause(seconds, self._time())
            self._release()

    def estimated_departure(self, lane: Lane, now: float | None = None) -> float:
        """About when a request would leave that asked now, in clock seconds; `now`: at once.

        Args:
            lane: How urgent it would be.
            now: What the clock (`loop.time()`) shows, for a caller who compares the answer with that: two
                readings are never equal on a running clock. It is read by default.
        """
        return self.budget.expected(lane, self.budget.waiting().count, self._time() if now is None else now)

    @property
    def request_limit(self) -> int | None:
        """Requests in a window, as the server has announced or as it was told; None: no limit."""
        return self.budget.limit

    def allowance(self) -> float:
        """Requests in a window that are not left to others on the account; infinite without a limit."""
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
        """Let out whoever may leave, and come back when the next may."""
        now = self._time()
        for ticket in self.budget.release(now):
            if ticket.future is not None and not ticket.future.done():
                ticket.future.set_result(ticket.departure)
        self._alarm.set(self.budget.next_release(now))

    def _on_loop_change(self, shift: float) -> None:
        self._time = self.clock.time
        self.budget.move_clock(shift, self._time())
        self._account.move(shift)

    # -- What answers tell of projects and credits ------------------------------------------------------

    def observed(self, project_id: str, status: str, *, requested_at: float | None = None) -> None:
        """Tell what status an answer showed, of any project, ours or not.

        A settled one frees its slot unless its production still holds it; an active one that is not
        ours counts; an unknown status changes nothing.

        Args:
            project_id: The project.
            status: What the server called its status.
            requested_at: Clock seconds (`loop.time()`) when the request left; now by default. An answer that
                was asked for before the last write to the project does not free its slot.
        """
        self.slots.observed(project_id, status, requested_at)

    def observed_page(
        self, active_ids: Iterable[str], *, complete: bool, requested_at: float | None = None
    ) -> None:
        """Tell which active projects a list showed.

        Args:
            active_ids: The projects it showed as active, ours and others.
            complete: Whether these are all that the account has: what is missing has settled.
            requested_at: Clock seconds (`loop.time()`) when the request left; now by default.
        """
        self.slots.observed_page(active_ids, complete=complete, requested_at=requested_at)

    def record_credits(self, balance: float, *, requested_at: float | None = None) -> None:
        """Tell the balance that an answer showed.

        Args:
            balance: Credits left.
            requested_at: Clock seconds (`loop.time()`) when the request left; now by default. Of two
                responses that were on their way together, the lower balance is the later one.
        """
        now = self._time()
        self._account.note(balance, now, now if requested_at is None else requested_at)

    @property
    def credits(self) -> CreditsSnapshot | None:
        """The credits as last told; None before any answer told."""
        return self._account.snapshot()

    # -- Explaining itself ------------------------------------------------------------------------------

    def on_wait(
        self, callback: Callable[[WaitReason], object], *, wants: Callable[[str | None], bool] | None = None
    ) -> Callable[[], None]:
        """Call `callback` for every wait that lasts longer than a second, once for each.

        A callback that fails is logged and breaks nothing.

        Args:
            callback: Called with the reason.
            wants: Tells by its name (`WaitReason.who`) whether a wait is of interest; all are by default.
                Nothing is put into words that interests nobody, however many wait.

        Returns:
            What ends the subscription when called.
        """
        return self._announcer.subscribe(callback, self.waiting(), wants or (lambda _: True))

    def on_wait_end(self, callback: Callable[[WaitEnded], object]) -> Callable[[], None]:
        """Call `callback` as each wait ends that begins from now on, however short it was: for statistics.

        A callback that fails is logged and breaks nothing.

        Returns:
            What ends the subscription when called.
        """
        return self._announcer.subscribe_to_ends(callback)

    def waiting(self) -> Iterator[Waiter]:
        """Everybody who waits: requests, productions, and those who wait for another day."""
        yield from self.budget.waiting()
        yield from self.slots.table.waiting()
        yield from self.quota.waiting()

    def snapshot(self) -> GovernorSnapshot:
        """Everything it knows, at this moment."""
        return snapshot(self)

    def __repr__(self) -> str:
        return f"<Governor {self.snapshot()}>"
