"""Three lanes of waiting requests: who goes next when a place in the budget comes free."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NewType

from eversince_async.governor.queue import Line
from eversince_async.governor.waiters import Waiter

Departure = NewType("Departure", int)
"""The number of one request that may leave; hand it back with `answered` or `give_back`."""


class Lane(IntEnum):
    """How urgent a request is; the lower number goes first."""

    INTERACTIVE = 0
    """Somebody waits for the answer: a user's own call, a cancel."""
    WORK = 1
    """Moves a production on: create, message, render, share."""
    POLL = 2
    """Looks whether something has happened."""


LANES: Final = tuple(Lane)
"""All lanes, the most urgent first. (Walking through an enum costs a microsecond.)"""

MAX_PASSED: Final = (0, 3, 9)
"""For each lane how many grants to more urgent lanes it lets pass while it waits; the next is its own.
So however urgent lanes flood, work keeps a quarter of the budget and looks keep a tenth."""


class RequestTicket(Waiter):
    """One waiting request.

    Attributes:
        lane: Where it queues.
        departure: Its departure, once granted.
    """

    __slots__ = ("departure", "lane")

    def __init__(self, lane: Lane, since: float, who: str | None = None) -> None:
        super().__init__(since, who)
        self.lane = lane
        self.departure: Departure | None = None


class Lanes:
    """The queues, first come first served inside each lane.

    Attributes:
        count: How many wait in all.
    """

    def __init__(self) -> None:
        self._queues: tuple[Line[RequestTicket], ...] = tuple(Line() for _ in Lane)
        self._passed = [0] * len(Lane)
        self.count = 0  # kept, because every request asks for it

    def __iter__(self) -> Iterator[RequestTicket]:
        """All tickets, the most urgent lane first."""
        for queue in self._queues:
            yield from queue

    def waiting(self, lane: Lane) -> int:
        """How many wait in one lane."""
        return len(self._queues[lane])

    def ahead_of(self, ticket: RequestTicket) -> int:
        """How many go before a waiting ticket, as things stand."""
        urgent = sum(len(queue) for queue in self._queues[: ticket.lane])
        return urgent + self._queues[ticket.lane].ahead_of(ticket)

    def add(self, ticket: RequestTicket) -> None:
        """Queue a ticket at the end of its lane."""
        self._queues[ticket.lane].add(ticket)
        self.count += 1

    def remove(self, ticket: RequestTicket) -> None:
        """Forget a ticket whose caller gave up; nothing happens if it has left already."""
        if self._queues[ticket.lane].discard(ticket):
            self.count -= 1

    def starving_lane(self) -> Lane | None:
        """The lane that has let enough others pass and goes next whatever the rest wants."""
        for lane in (Lane.POLL, Lane.WORK):
            if self._passed[lane] >= MAX_PASSED[lane] and self._queues[lane]:
                return lane
        return None

    def first_lane(self) -> Lane | None:
        """The most urgent lane in which anybody waits."""
        for lane in LANES:
            if self._queues[lane]:
                return lane
        return None

    def pop(self, lane: Lane) -> RequestTicket:
        """Take the head of a lane; every less urgent lane that waits has been passed once more."""
        ticket = self._queues[lane].pop()
        self.count -= 1
        self._passed[lane] = 0
        for lower in range(lane + 1, len(self._queues)):
            if self._queues[lower]:
                self._passed[lower] += 1
        return ticket
