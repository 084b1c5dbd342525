"""Three lanes of waiting requests, and the order in which they leave."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NewType

from eversince_async.governor.queue import Line
from eversince_async.governor.waiters import Waiter

Departure = NewType("Departure", int)
"""The number of one request that may leave.

Hand it back with `answered` or `give_back`.
"""


class Lane(IntEnum):
    """The urgency of a request; the lower number goes first."""

    INTERACTIVE = 0
    """A caller waits for the response: a user's own call, a cancel."""
    WORK = 1
    """A request that advances a production: create, message, render, share."""
    POLL = 2
    """A poll for something that may have happened."""


LANES: Final = tuple(Lane)
"""All lanes, the most urgent first.

(Iterating over an enum costs a microsecond.)"""

MAX_PASSED: Final = (0, 3, 9)
"""The number of more urgent grants that each waiting lane lets pass.

The next grant is its own. So however many urgent requests arrive, work keeps a quarter of the budget and
polls keep a tenth."""


class RequestTicket(Waiter):
    """One waiting request.

    Attributes:
        lane: The lane in which it queues.
        departure: Its departure, once granted.
    """

    __slots__ = ("departure", "lane")

    def __init__(self, lane: Lane, since: float, who: str | None = None) -> None:
        super().__init__(since, who)
        self.lane = lane
        self.departure: Departure | None = None


class Lanes:
    """The queues of all lanes, first come, first served inside each.

    Attributes:
        count: The number of waiting requests in all lanes.
    """

    def __init__(self) -> None:
        self._queues: tuple[Line[RequestTicket], ...] = tuple(Line() for _ in Lane)
        self._passes = [0] * len(Lane)
        self.count = 0  # a field, because every request reads it

    def __iter__(self) -> Iterator[RequestTicket]:
        """Yield all tickets, the most urgent lane first."""
        for queue in self._queues:
            yield from queue

    def waiting(self, lane: Lane) -> int:
        """Return the number of waiting requests in one lane."""
        return len(self._queues[lane])

    def ahead_of(self, ticket: RequestTicket) -> int:
        """Return the number of requests before a ticket, as things stand."""
        urgent = sum(len(queue) for queue in self._queues[: ticket.lane])
        return urgent + self._queues[ticket.lane].ahead_of(ticket)

    def add(self, ticket: RequestTicket) -> None:
        """Queue a ticket at the end of its lane."""
        self._queues[ticket.lane].add(ticket)
        self.count += 1

    def remove(self, ticket: RequestTicket) -> None:
        """Forget a ticket whose caller gave up.

        Does nothing if the ticket has left already.
        """
        if self._queues[ticket.lane].discard(ticket):
            self.count -= 1

    def starving_lane(self) -> Lane | None:
        """Return the lane that has let enough others pass.

        It goes next, before more urgent lanes. None if there is no such lane.
        """
        for lane in (Lane.POLL, Lane.WORK):
            if self._passes[lane] >= MAX_PASSED[lane] and self._queues[lane]:
                return lane
        return None

    def first_lane(self) -> Lane | None:
        """Return the most urgent lane with a waiting request; None without one."""
        for lane in LANES:
            if self._queues[lane]:
                return lane
        return None

    def pop(self, lane: Lane) -> RequestTicket:
        """Remove and return the first ticket of a lane.

        Every less urgent lane with waiting requests counts as passed once more.
        """
        ticket = self._queues[lane].pop()
        self.count -= 1
        self._passes[lane] = 0
        for lower in range(lane + 1, len(self._queues)):
            if self._queues[lower]:
                self._passes[lower] += 1
        return ticket
