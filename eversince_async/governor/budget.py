"""The request budget: at most N departures in any window.

The budget is an exact log of departures. A request counts from its departure until `window` after its
response has arrived: the server counted it somewhere in between, so the server never sees more than N in a
window, at whichever end of the flight it counts. The guard covers servers whose clocks are coarse or several.

Less urgent lanes do not spend the whole window in one burst: after a burst of all thirty, a user's next call
would wait a minute. They leave places free in such a way that for the rest of the window a place becomes free
often enough for a share of the pace (`LANE_RESERVES`). This wastes nothing: as the next places come nearer,
the reserved ones are spent too, and a budget in steady use is spent in full.

All methods are synchronous and take the time as an argument; `Governor` does the awaiting.
"""

import math
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import Final, cast

from eversince_async.governor.forecast import Outlook
from eversince_async.governor.foreign import ExternalUsage
from eversince_async.governor.lanes import LANES, Departure, Lane, Lanes, RequestTicket
from eversince_async.models.receipt import RateLimit

LANE_RESERVES: Final = (0.0, 1 / 2, 2 / 3)
"""The share of the pace each lane leaves free in a burst.

The places are for more urgent lanes."""

CLOCK_TICK: Final = 0.05
"""Seconds added to a window counted from a response: clocks tick."""

RESET_RESOLUTION: Final = 2.5
"""Seconds by which the announced reset may be too late.

Its header and the response's date are whole seconds."""

ABANDONED_AFTER: Final = 600.0
"""Seconds after which a request with no reported outcome counts as answered."""

ALONE: Final = 5.0
"""Seconds for which the very first request is alone, at most."""

LONGEST_PAUSE: Final = 300.0
"""Seconds of the longest pause.

A server that asks for more means not this window but a day, which is the quotas' matter."""


class Budget:
    """The log of departures and the decisions when requests may leave.

    Args:
        limit: Requests in any window; None means no limit.
        window: Length of the window, in seconds.
        guard: Seconds added to the window, against clocks and networks that jitter.
        learns: True if the limit that the server announces replaces `limit`.
        begins_alone: True if the first request leaves alone, so that its response shows how much of the
            window is spent already, for example by a process that has died.

    Attributes:
        limit: The limit in force.
    """

    def __init__(
        self, limit: int | None, *, window: float, guard: float, learns: bool, begins_alone: bool = False
    ) -> None:
        self.limit = limit
        self._announced = limit
        self._learns = learns and limit is not None
        self._window = window
        self._span = window + guard
        self._lanes = Lanes()
        self._foreign = ExternalUsage(window)
        self._ends: list[float] = []  # when each answered request stops counting, sorted
        self._past_ends: deque[float] = deque(maxlen=limit)  # the latest of those that have stopped
        self._flight: dict[Departure, float] = {}  # departed and not answered: when it left
        self._numbers = cast("Iterator[Departure]", count(1))
        self._last = Departure(0)
        # No request leaves before: a pause, or the next step after one. Clocks show 0 or more once they run.
        self._opens_at = 0.0
        # At the beginning one request at a time, until a response has shown the state, and not for long.
        self._alone_until = math.inf if begins_alone and limit is not None else None
        self._careful_until = -math.inf  # after a pause: one by one until a response shows the state
        # While others use the account: the last departure the server has room for, until when,
        # and when it announced that.
        self._server_room = (0, -math.inf, -math.inf)
        self._free: float = 0
        self._in_force = 0  # what the limit and the other users leave to us
        self._reserved: tuple[float, ...] = (0, 0, 0)
        self._recompute(-math.inf)

    # -- Leaving ----------------------------------------------------------------------------------------

    def try_depart(self, lane: Lane, now: float) -> Departure | None:
        """Record a departure at once if a request may leave now.

        Returns None otherwise; the caller then takes a ticket (`enqueue`).
        """
        if self._lanes.count or now < self._opens_at:
            return None
        if self._free <= self._reserved[lane]:
            self._expire(now)
            if self._free < 1 or self._lane_opens_at(lane) > now:
                return None
        return self._record_departure(now)

    def enqueue(self, ticket: RequestTicket) -> bool:
        """Add a ticket to its lane.

        `release` returns the ticket when it may leave.

        Returns:
            True if the ticket is the first of all that wait.
        """
        self._lanes.add(ticket)
        return self._lanes.first_lane() == ticket.lane and self._lanes.waiting(ticket.lane) == 1

    def withdraw(self, ticket: RequestTicket, now: float) -> None:
        """Forget a ticket whose caller gave up, or give its departure back."""
        self._lanes.remove(ticket)
        if ticket.departure is not None:
            self.give_back(ticket.departure, now)

    def release(self, now: float) -> list[RequestTicket]:
        """Grant all waiting tickets that may leave now, in order of departure."""
        self._expire(now)
        granted: list[RequestTicket] = []
        while now >= self._opens_at and self._free >= 1:
            lane = self._lanes.starving_lane()
            if lane is None:
                lane = self._lanes.first_lane()
                if lane is None or self._lane_opens_at(lane) > now:
                    break
            ticket = self._lanes.pop(lane)
            ticket.departure = self._record_departure(now)
            granted.append(ticket)
        return granted

    def next_release(self, now: float) -> float | None:
        """Return the time at which to call `release` again.

        None if only a response or a new ticket can change anything.
        """
        lane = self._lanes.first_lane()
        if lane is None:
            return None
        if now < self._opens_at:
            return self._opens_at
        moments = [self._ends[0]] if self._ends else []
        if self._free >= 1:
            moments.append(self._lane_opens_at(lane))
        elif self._flight:
            moments.append(next(iter(self._flight.values())) + ABANDONED_AFTER)
        if self._server_room[1] > now:
            moments.append(self._server_room[1])
        forgotten = self._foreign.changes_at()
        if forgotten is not None:
            moments.append(forgotten)
        return min(moments, default=None)

    # -- Waiting --------------------------------------------------------------------------------------

    def waiting(self) -> Lanes:
        """Return all waiting tickets, the next to leave first."""
        return self._lanes

    def paused_until(self, now: float) -> float | None:
        """Return the end of the pause; None if there is none."""
        is_paused = self._opens_at > max(now, 0.0) and self._opens_at != self._alone_until
        return self._opens_at if is_paused else None

    def expected(self, lane: Lane, ahead: int, now: float) -> float:
        """Estimate when a request with `ahead` others before it leaves."""
        return self.outlook(now).expected(lane, ahead)

    def outlook(self, now: float) -> Outlook:
        """Return the outlook on coming departures, as things stand."""
        self._expire(now)
        return Outlook(
            opens_at=max(now, self._opens_at),
            free=self._free,
            ends=sorted(self.ends()),
            span=self._span,
            lanes_open_at=[self._lane_opens_at(lane) for lane in LANES] if self._free >= 1 else (),
        )

    def ends(self) -> list[float]:
        """Return the times at which each of our requests stops counting.

        For requests in flight this is the earliest possible time.
        """
        return [*self._ends, *(left + self._span for left in self._flight.values())]

    @property
    def in_flight(self) -> int:
        """The number of requests that have left and are not answered."""
        return len(self._flight)

    def used(self, now: float) -> int:
        """Return the number of places our requests take, including those in flight."""
        return len(self._ends) - bisect_right(self._ends, now) + len(self._flight)

    def external(self, now: float) -> int:
        """Return the number of places left to others on the account."""
        return self._foreign.requests(now)

    # -- After leaving ----------------------------------------------------------------------------------

    def answered(self, departure: Departure, now: float, rate_limit: RateLimit | None = None) -> bool:
        """Record that a departure's response has arrived or never will.

        From now on the departure counts for one window more.

        Returns:
            True if this may change when the next request may leave.
        """
        departed = self._flight.pop(departure, None)
        if departed is None or self.limit is None:
            return False
        is_first_word = self._alone_until is not None
        if is_first_word:
            self._next_alone(now, is_last=True)
        insort(self._ends, max(departed + self._span, now + self._window + CLOCK_TICK))
        if rate_limit is not None:
            self._apply_headers(rate_limit, departed, now, is_first_word=is_first_word)
        return self._lanes.count > 0 and (len(self._ends) == 1 or rate_limit is not None)

    def give_back(self, departure: Departure, now: float) -> None:
        """Free the place of a request that never left."""
        if self._flight.pop(departure, None) is not None:
            if self._alone_until is not None:
                self._next_alone(now, is_last=False)
            self._recompute(now)

    def pause(self, seconds: float, now: float) -> None:
        """Let no request leave for `seconds`.

        Pauses do not add up: the one that ends last counts.
        """
        self._alone_until = None
        until = now + min(max(seconds, 0.0), LONGEST_PAUSE)
        self._opens_at = max(self._opens_at, until)
        self._careful_until = max(self._careful_until, until + self._window)

    def move_clock(self, shift: float, now: float) -> None:
        """Switch to another clock, which is `shift` ahead and shows `now`.

        The waiting tickets are dropped.
        """
        self._lanes = Lanes()
        for departure in list(self._flight):
            self.answered(departure, now - shift)
        self._ends = [end + shift for end in self._ends]
        self._past_ends.clear()
        self._opens_at += shift
        if self._alone_until is not None:
            self._alone_until += shift
        self._careful_until += shift
        self._server_room = (self._server_room[0], self._server_room[1] + shift, self._server_room[2] + shift)
        self._foreign.shift(shift)

    # -- Rate limit headers -----------------------------------------------------------------------------

    def _apply_headers(
        self, rate_limit: RateLimit, departed: float, now: float, *, is_first_word: bool = False
    ) -> None:
        announced, remaining = rate_limit.limit, rate_limit.remaining
        if announced is not None and announced >= 1 and announced != self._announced:
            self._announced = announced
            if self._learns:
                self.limit = announced
                self._past_ends = deque(self._past_ends, maxlen=announced)
            self._recompute(now)
        if remaining is None or self._announced is None:
            return
        if self.limit is not None and self.limit > self._announced:  # pinned: the server's window is another
            self._careful_until = -math.inf
            return
        resets_in = rate_limit.resets_in
        if resets_in is not None and resets_in > self._window - 2 * RESET_RESOLUTION and not is_first_word:
            resets_in = None  # a whole window away: the window has just begun, or the server always says so
        others = self._external_usage(self._announced - remaining, resets_in, departed, now)
        self._foreign.record(others, now)
        if resets_in is not None:
            # Our own log does not show when others make room. The server's does: not before the reset.
            until = (
                now + resets_in if self._foreign.requests(now) else departed + resets_in - RESET_RESOLUTION
            )
            self._server_room = (self._last + remaining - len(self._flight), until, departed)
        if departed >= self._careful_until - self._window:
            self._careful_until = -math.inf  # left after the pause: the state is known again
        self._recompute(now)

    def _external_usage(self, used: int, resets_in: float | None, departed: float, now: float) -> int:
        """Return how many of the `used` requests were surely not ours."""
        oldest = self._ends[0] if self._ends else math.inf
        # In every kind of window, what the server counts now counts until the reset at least.
        counted_until = -math.inf if resets_in is None else departed + resets_in - RESET_RESOLUTION
        if used <= len(self._ends) + len(self._flight) and counted_until <= oldest:
            return 0
        # The server counted while this response was in flight; some of ours have stopped counting since.
        self._expire(now)
        since = max(departed, counted_until)
        ours = sum(end > since for end in (*self._past_ends, *self._ends)) + len(self._flight)
        return max(0, used - ours)

    # -- The log ----------------------------------------------------------------------------------------

    def _record_departure(self, now: float) -> Departure:
        departure = self._last = next(self._numbers)
        self._flight[departure] = now
        self._free -= 1
        if self._alone_until is not None:
            self._leave_alone(now)
        elif now < self._careful_until and self.limit is not None:
            self._opens_at = now + self._window / self.limit
        return departure

    def _leave_alone(self, now: float) -> None:
        """Hold the other requests back while the first is in flight."""
        assert self._alone_until is not None
        self._alone_until = min(self._alone_until, now + ALONE)
        if now < self._alone_until:
            self._opens_at = max(self._opens_at, self._alone_until)
        else:
            self._alone_until = None

    def _next_alone(self, now: float, *, is_last: bool) -> None:
        """Let the others leave once the first request is answered.

        If the first request never left, the next one leaves alone instead.
        """
        if self._opens_at == self._alone_until:
            self._opens_at = now
        if is_last or self._alone_until is None or now >= self._alone_until:
            self._alone_until = None

    def _expire(self, now: float) -> None:
        """Drop the departures that have stopped counting."""
        passed = bisect_right(self._ends, now)
        if passed:
            self._past_ends.extend(self._ends[:passed])
            del self._ends[:passed]
        while self._flight and next(iter(self._flight.values())) + ABANDONED_AFTER <= now:
            self.answered(next(iter(self._flight)), now)
        self._recompute(now)

    def _recompute(self, now: float) -> None:
        if self.limit is None:
            self._free = math.inf
            return
        limit = self.limit
        others = self._foreign.requests(now)
        if others and self._announced is not None:
            # A tenth is always ours, however many others send: else we would stop and never learn more.
            limit = min(limit, max(self._announced, limit) - others)
            limit = max(limit, self.limit // 10, 1)
        self._free = limit - len(self._ends) - len(self._flight)
        last, until, announced_at = self._server_room
        if now < until:
            # Others continue at their pace, unseen.
            meanwhile = others * (now - announced_at) / self._window
            self._free = min(self._free, last - self._last - round(meanwhile))
        if limit != self._in_force:
            self._in_force = limit
            self._reserved = tuple(share * limit for share in LANE_RESERVES)

    def _lane_opens_at(self, lane: Lane) -> float:
        """Return when `lane` may take a free place.

        From then on more urgent lanes still find theirs in time.

        With a place taken now, the j-th next place becomes free at `ends[j]`; until then `free + j` places
        (counting the one that becomes free) must satisfy a demand of `pace`.
        """
        reserved = self._reserved[lane]
        if self._free > reserved:
            return -math.inf
        opens_at = -math.inf
        pause = self._span / reserved
        enough_for = self._free * pause
        for end in sorted(self.ends()):
            if end - enough_for > opens_at:  # max() would double the cost of this loop
                opens_at = end - enough_for
            enough_for += pause
        return opens_at
