"""The budget keeps its promises in every order of events."""

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eversince_async.governor.budget import Budget
from eversince_async.governor.lanes import Departure, Lane, RequestTicket
from eversince_async.models.receipt import RateLimit
from helpers.server_account import most_in_any_window

WINDOW = 60.0


class Traffic(RuleBasedStateMachine):
    """Requests arrive, leave, are answered late or are never sent.

    Some callers give up, and the server pauses all requests.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.flights: dict[Departure, float] = {}
        self.counted: list[float] = []
        self.tickets: dict[RequestTicket, None] = {}
        self.left: dict[Lane, list[int]] = {lane: [] for lane in Lane}
        self.asked = 0
        self.order: dict[RequestTicket, int] = {}
        self.closed_until = -math.inf

    @initialize(limit=st.integers(1, 8), guard=st.sampled_from([0.0, 0.5]))
    def begin(self, limit: int, guard: float) -> None:
        self.limit = limit
        self.span = WINDOW + guard
        self.budget = Budget(limit, window=WINDOW, guard=guard, learns=True)

    # -- Events -----------------------------------------------------------------------------------------

    @rule(lane=st.sampled_from(Lane), count=st.integers(1, 4))
    def ask(self, lane: Lane, count: int) -> None:
        for _ in range(count):
            self.asked += 1
            departure = self.budget.try_depart(lane, self.now)
            if departure is not None:
                assert not self.waiting(lane), "nobody overtakes those who wait in the same lane"
                self.flies(departure, lane, self.asked)
            else:
                ticket = RequestTicket(lane, self.now)
                self.order[ticket] = self.asked
                self.tickets[ticket] = None
                self.budget.enqueue(ticket)
        self.release()

    @rule(seconds=st.sampled_from([0.01, 0.3, 2.0, 7.0, 31.0, 60.0, 61.0, 200.0]))
    def time_passes(self, seconds: float) -> None:
        for departure in [known for known, left in self.flights.items() if left < self.now - 300]:
            self.counted.append(self.now)  # no session waits longer; ABANDONED_AFTER covers one that forgets
            del self.flights[departure]
            self.budget.answered(departure, self.now)
        until = self.now + seconds
        while (moment := self.budget.next_release(self.now)) is not None and moment <= until:
            self.now = max(self.now, moment)
            if not self.release() and moment <= self.now:
                moment = self.budget.next_release(self.now)
                assert moment is None or moment > self.now, "waking up for nothing would spin"
        self.now = until
        self.release()

    @precondition(lambda self: self.tickets)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(list(self.tickets)))
        del self.tickets[ticket]
        self.budget.withdraw(ticket, self.now)
        self.release()

    @precondition(lambda self: self.flights)
    @rule(data=st.data(), counted_at=st.floats(0, 1))
    def answer(self, data: st.DataObject, counted_at: float) -> None:
        """The server has counted the request between its departure and now."""
        departure = data.draw(st.sampled_from(list(self.flights)))
        left = self.flights.pop(departure)
        self.counted.append(left + counted_at * (self.now - left))
        used = sum(self.now - WINDOW < moment <= self.now for moment in self.counted)
        limit = data.draw(st.sampled_from([None, self.limit]))
        oldest = min(moment for moment in self.counted if moment > self.now - WINDOW) if used else self.now
        resets_in = data.draw(
            st.sampled_from([None, WINDOW, math.ceil(oldest + WINDOW) - math.floor(self.now)])
        )
        headers = limit and RateLimit(limit=limit, remaining=max(0, limit - used), resets_in=resets_in)
        self.budget.answered(departure, self.now, headers or None)
        self.release()

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def never_sent(self, data: st.DataObject) -> None:
        departure = data.draw(st.sampled_from(list(self.flights)))
        del self.flights[departure]
        self.budget.give_back(departure, self.now)
        self.release()

    @rule(seconds=st.sampled_from([0.0, 1.0, 20.0]))
    def pause(self, seconds: float) -> None:
        self.budget.pause(seconds, self.now)
        self.closed_until = max(self.closed_until, self.now + seconds)

    # -- Invariants -------------------------------------------------------------------------------------

    @invariant()
    def no_window_holds_more_than_the_limit(self) -> None:
        """This holds even if the server counts requests in flight just now."""
        assert most_in_any_window([*self.counted, *(self.now for _ in self.flights)]) <= self.limit

    @invariant()
    def every_lane_is_first_come_first_served(self) -> None:
        assert all(numbers == sorted(numbers) for numbers in self.left.values())

    @invariant()
    def whoever_waits_has_something_to_wait_for(self) -> None:
        if self.tickets and not self.flights:
            moment = self.budget.next_release(self.now)
            assert moment is not None
            assert self.now < moment <= self.now + max(self.span, 300) + 60

    @invariant()
    def our_own_requests_are_never_taken_for_those_of_others(self) -> None:
        assert 0 == self.budget.external(self.now)

    def teardown(self) -> None:
        """No place is lost.

        Once every request is answered and a window has passed, all places are free.
        """
        if not hasattr(self, "budget"):
            return
        for departure in self.flights:
            self.budget.answered(departure, self.now)
        for ticket in self.tickets:
            self.budget.withdraw(ticket, self.now)
        self.now += self.span + 1000
        free = [self.budget.try_depart(Lane.INTERACTIVE, self.now + 100 * n) for n in range(1)]
        free += [self.budget.try_depart(Lane.INTERACTIVE, self.now) for _ in range(self.limit)]
        assert self.limit == sum(departure is not None for departure in free)

    # -- Helpers ----------------------------------------------------------------------------------------

    def release(self) -> bool:
        granted = self.budget.release(self.now)
        for ticket in granted:
            assert ticket.departure is not None
            del self.tickets[ticket]
            self.flies(ticket.departure, ticket.lane, self.order[ticket])
        return bool(granted)

    def flies(self, departure: Departure, lane: Lane, number: int) -> None:
        assert self.now >= self.closed_until, "nobody leaves in a pause"
        self.flights[departure] = self.now
        self.left[lane].append(number)

    def waiting(self, lane: Lane) -> bool:
        return any(ticket.lane == lane for ticket in self.tickets)


TestTraffic = Traffic.TestCase
TestTraffic.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
