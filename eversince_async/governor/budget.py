"""The request budget: at most N departures in any window, decided without waiting for anything.

An exact log of what has left. A request counts from its departure until `window` after its answer has
arrived: somewhere in between the server counted it, so whichever side of the flight that was, the server
never sees more than N in a window. The guard covers servers whose clocks are coarse or several.

Less urgent lanes do not spend the whole window in one burst: after a burst of all thirty the next user's
call would wait a minute. They leave places free in such a way that for the rest of the window a place comes
free often enough for a share of the pace (`LANE_RESERVES`). Nothing is wasted by it: as the next places come
nearer the kept ones are spent too, and a budget in steady use is spent in full.

All methods are synchronous and take the time; `Governor` does the awaiting.
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
"""For each lane the share of the pace it keeps open for more urgent ones while it bursts."""

CLOCK_TICK: Final = 0.05
"""Seconds added to a window that is counted from an answer: clocks tick."""

RESET_RESOLUTION: Final = 2.5
"""Seconds by which the reset may be told too late: its header and the answer's date are whole seconds."""

ABANDONED_AFTER: Final = 600.0
"""Seconds after which a request is counted as answered although nobody said so."""

ALONE: Final = 5.0
"""Seconds for which at most the first request of all is alone."""

LONGEST_PAUSE: Final = 300.0
"""Seconds. A server that asks for more does not mean this window but a day, which is the quotas' matter."""


class Budget:
    """Who may leave when.

    Args:
        limit: Requests in any window; None: no limit.
        window: Seconds of the window.
        guard: Seconds added to the window, against clocks and networks that jitter.
        learns: Whether the limit the server announces replaces `limit`.
        begins_alone: Whether the first leaves alone, so that its answer tells what of the window is spent
            already: by a process that has died, say.

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
        self._gone: deque[float] = deque(maxlen=limit)  # the latest of those that have stopped
        self._flight: dict[Departure, float] = {}  # departed and not answered: when it left
        self._numbers = cast("Iterator[Departure]", count(1))
        self._last = Departure(0)
        # Nobody leaves before: a pause, or the next step after one. Clocks show 0 or more once they run.
        self._opens_at = 0.0
        # Until an answer has told how things stand at the beginning, and not for long: one at a time.
        self._alone_until = math.inf if begins_alone and limit is not None else None
        self._careful_until = -math.inf  # after a pause: one by one until an answer shows how things stand
        # Beside others: the last departure the server has room for, until when, and when it said so.
        self._told = (0, -math.inf, -math.inf)
        self._free: float = 0
        self._in_force = 0  # what the limit and others leave to us
        self._kept: tuple[float, ...] = (0, 0, 0)
        self._recompute(-math.inf)

    # -- Leaving ----------------------------------------------------------------------------------------

    def try_depart(self, lane: Lane, now: float) -> Departure | None:
        """Leave at once if that is possible; None: take a ticket (`enqueue`)."""
        if self._lanes.count or now < self._opens_at:
            return None
        if self._free <= self._kept[lane]:
            self._expire(now)
            if self._free < 1 or self._lane_opens_at(lane) > now:
                return None
        return self._record_departure(now)

    def enqueue(self, ticket: RequestTicket) -> bool:
        """Wait in line; `release` will name the ticket when it may leave. Returns whether it is first."""
        self._lanes.add(ticket)
        return self._lanes.first_lane() == ticket.lane and self._lanes.waiting(ticket.lane) == 1

    def withdraw(self, ticket: RequestTicket, now: float) -> None:
        """The caller gave up waiting: forget the ticket, or take its departure back if it has one."""
        self._lanes.remove(ticket)
        if ticket.departure is not None:
            self.give_back(ticket.departure, now)

    def release(self, now: float) -> list[RequestTicket]:
        """Grant every waiting ticket that may leave now, in their order of leaving."""
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
        """When to call `release` again; None if only an answer or a new ticket can change anything."""
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
        if self._told[1] > now:
            moments.append(self._told[1])
        forgotten = self._foreign.changes_at()
        if forgotten is not None:
            moments.append(forgotten)
        return min(moments, default=None)

    # -- Who waits ------------------------------------------------------------------------------------

    def waiting(self) -> Lanes:
        """All who wait, those who go next first."""
        return self._lanes

    def paused_until(self, now: float) -> float | None:
        """The end of the pause; None when there is none."""
        is_paused = self._opens_at > max(now, 0.0) and self._opens_at != self._alone_until
        return self._opens_at if is_paused else None

    def expected(self, lane: Lane, ahead: int, now: float) -> float:
        """About when a request leaves that has `ahead` others before it."""
        return self.outlook(now).expected(lane, ahead)

    def outlook(self, now: float) -> Outlook:
        """When requests will leave, as things stand."""
        self._expire(now)
        return Outlook(
            opens_at=max(now, self._opens_at),
            free=self._free,
            ends=sorted(self.ends()),
            span=self._span,
            lanes_open_at=[self._lane_opens_at(lane) for lane in LANES] if self._free >= 1 else (),
        )

    def ends(self) -> list[float]:
        """When each of our requests stops counting; for those in flight the earliest moment."""
        return [*self._ends, *(left + self._span for left in self._flight.values())]

    @property
    def in_flight(self) -> int:
        """Requests that have left and are not answered."""
        return len(self._flight)

    def used(self, now: float) -> int:
        """Places our own requests take, those in flight included."""
        return len(self._ends) - bisect_right(self._ends, now) + len(self._flight)

    def external(self, now: float) -> int:
        """Places left to others on the account."""
        return self._foreign.requests(now)

    # -- After leaving ----------------------------------------------------------------------------------

    def answered(self, departure: Departure, now: float, rate_limit: RateLimit | None = None) -> bool:
        """The answer is there, or will never be: from now on the departure counts for one window more.

        Returns:
            Whether this may change when the next may leave.
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
        """The request never left: its place is free again."""
        if self._flight.pop(departure, None) is not None:
            if self._alone_until is not None:
                self._next_alone(now, is_last=False)
            self._recompute(now)

    def pause(self, seconds: float, now: float) -> None:
        """Nobody leaves for so long. Pauses do not add up: the one that ends last counts."""
        self._alone_until = None
        until = now + min(max(seconds, 0.0), LONGEST_PAUSE)
        self._opens_at = max(self._opens_at, until)
        self._careful_until = max(self._careful_until, until + self._window)

    def move_clock(self, shift: float, now: float) -> None:
        """Go on by another clock, which is `shift` ahead and shows `now`. Whoever waited is gone."""
        self._lanes = Lanes()
        for departure in list(self._flight):
            self.answered(departure, now - shift)
        self._ends = [end + shift for end in self._ends]
        self._gone.clear()
        self._opens_at += shift
        if self._alone_until is not None:
            self._alone_until += shift
        self._careful_until += shift
        self._told = (self._told[0], self._told[1] + shift, self._told[2] + shift)
        self._foreign.shift(shift)

    # -- What the headers say ---------------------------------------------------------------------------

    def _apply_headers(
        self, rate_limit: RateLimit, departed: float, now: float, *, is_first_word: bool = False
    ) -> None:
        announced, remaining = rate_limit.limit, rate_limit.remaining
        if announced is not None and announced >= 1 and announced != self._announced:
            self._announced = announced
            if self._learns:
                self.limit = announced
                self._gone = deque(self._gone, maxlen=announced)
            self._recompute(now)
        if remaining is None or self._announced is None:
            return
        if self.limit is not None and self.limit > self._announced:  # pinned: of another window than this
            self._careful_until = -math.inf
            return
        resets_in = rate_limit.resets_in
        if resets_in is not None and resets_in > self._window - 2 * RESET_RESOLUTION and not is_first_word:
            resets_in = None  # a whole window away: either it has just begun, or the server always says so
        others = self._external_usage(self._announced - remaining, resets_in, departed, now)
        self._foreign.record(others, now)
        if resets_in is not None:
            # Our own log cannot tell when others make room. The server can: not before the reset.
            until = (
                now + resets_in if self._foreign.requests(now) else departed + resets_in - RESET_RESOLUTION
            )
            self._told = (self._last + remaining - len(self._flight), until, departed)
        if departed >= self._careful_until - self._window:
            self._careful_until = -math.inf  # left after the pause, and we know where we stand again
        self._recompute(now)

    def _external_usage(self, used: int, resets_in: float | None, departed: float, now: float) -> int:
        """How many of the `used` requests of the account's window were surely not ours."""
        oldest = self._ends[0] if self._ends else math.inf
        # Whatever kind of window the server has, what it counts now counts until the reset at least.
        counted_until = -math.inf if resets_in is None else departed + resets_in - RESET_RESOLUTION
        if used <= len(self._ends) + len(self._flight) and counted_until <= oldest:
            return 0
        # The server counted while this answer was on its way; some of ours have stopped counting since.
        self._expire(now)
        since = max(departed, counted_until)
        ours = sum(end > since for end in (*self._gone, *self._ends)) + len(self._flight)
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
        """Keep the others back while the first is under way."""
        assert self._alone_until is not None
        self._alone_until = min(self._alone_until, now + ALONE)
        if now < self._alone_until:
            self._opens_at = max(self._opens_at, self._alone_until)
        else:
            self._alone_until = None

    def _next_alone(self, now: float, *, is_last: bool) -> None:
        """The first is answered: let the others leave; or it never left: let the next leave alone."""
        if self._opens_at == self._alone_until:
            self._opens_at = now
        if is_last or self._alone_until is None or now >= self._alone_until:
            self._alone_until = None

    def _expire(self, now: float) -> None:
        """Drop what has stopped counting."""
        passed = bisect_right(self._ends, now)
        if passed:
            self._gone.extend(self._ends[:passed])
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
            # However greedy others are, a tenth is ours: else we would stand still and never learn more.
            limit = min(limit, max(self._announced, limit) - others)
            limit = max(limit, self.limit // 10, 1)
        self._free = limit - len(self._ends) - len(self._flight)
        last, until, told_at = self._told
        if now < until:
            meanwhile = others * (now - told_at) / self._window  # others go on at their pace, unheard of
            self._free = min(self._free, last - self._last - round(meanwhile))
        if limit != self._in_force:
            self._in_force = limit
            self._kept = tuple(share * limit for share in LANE_RESERVES)

    def _lane_opens_at(self, lane: Lane) -> float:
        """When `lane` may take a free place, so that more urgent lanes still find theirs in time.

        With a place taken now, the j-th next place comes free at `ends[j]`; until then `free + j` places
        (counting the one that comes) must do for a demand of `pace`.
        """
        kept = self._kept[lane]
        if self._free > kept:
            return -math.inf
        opens_at = -math.inf
        pause = self._span / kept
        enough_for = self._free * pause
        for end in sorted(self.ends()):
            if end - enough_for > opens_at:  # max() would double the cost of this loop
                opens_at = end - enough_for
            enough_for += pause
        return opens_at
