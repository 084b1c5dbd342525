"""Whatever productions, people and the server do, no slot is lost and none is given twice."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eversince_async.governor.slot_table import Claim, SlotTable, SlotTicket


class Studio(RuleBasedStateMachine):
    """Productions acquire, write, lose answers, give up and are released; others come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.number = 0
        self.held: dict[str, Claim] = {}
        self.tickets: dict[SlotTicket, None] = {}
        self.active: set[str] = set()  # on the server, with those of others
        self.written: dict[str, Claim] = {}  # projects of ours, by id

    @initialize(limit=st.integers(1, 4))
    def begin(self, limit: int) -> None:
        self.limit = limit
        self.table = SlotTable(limit)

    @rule(in_flight=st.booleans())
    def acquire(self, *, in_flight: bool) -> None:
        self.number += 1
        key = f"film {self.number}"
        claim = self.table.claim(key, self.now)
        if claim is not None:
            assert not self.tickets
            self.held[key] = claim
        else:
            ticket = SlotTicket(key, self.now, in_flight=in_flight)
            self.tickets[ticket] = None
            self.table.enqueue(ticket)
        self.release()

    @precondition(lambda self: self.held)
    @rule(data=st.data(), outcome=st.sampled_from(["done", "lost", "refused", "full"]))
    def create(self, data: st.DataObject, outcome: str) -> None:
        claim = self.some_claim(data)
        if claim.project_id is not None:
            return
        self.table.sent(claim, self.now)
        if outcome == "full":
            self.table.turned_away(claim, self.now)
            del self.held[claim.key]
        elif outcome == "refused":
            self.table.refused(claim)
        else:
            project_id = f"project of {claim.key}"
            self.active.add(project_id)
            if outcome == "done":
                self.table.bind(claim, project_id, self.now)
                self.written[project_id] = claim
        self.release()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def let_go(self, data: st.DataObject) -> None:
        claim = self.some_claim(data)
        del self.held[claim.key]
        self.table.let_go(claim)
        self.release()

    @precondition(lambda self: self.tickets)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(list(self.tickets)))
        del self.tickets[ticket]
        self.table.withdraw(ticket)
        self.release()

    @rule()
    def others_begin(self) -> None:
        self.number += 1
        self.active.add(f"foreign {self.number}")

    @precondition(lambda self: self.active)
    @rule(data=st.data())
    def settles(self, data: st.DataObject) -> None:
        self.active.discard(data.draw(st.sampled_from(sorted(self.active))))

    @precondition(lambda self: self.written)
    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        project_id = data.draw(st.sampled_from(sorted(self.written)))
        status = "running" if project_id in self.active else "idle"
        self.table.observed(project_id, status, self.now, self.now)
        self.release()

    @rule(complete=st.booleans())
    def look_at_a_page(self, *, complete: bool) -> None:
        shown = self.active if complete else set(sorted(self.active)[:2])
        self.table.saw_page(shown, complete=complete, now=self.now, asked_at=self.now)
        self.release()

    @rule(seconds=st.sampled_from([1.0, 6.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.release()

    # -- What always holds ------------------------------------------------------------------------------

    @invariant()
    def ours_never_exceed_the_limit(self) -> None:
        assert len(self.table.claims) <= self.limit

    @invariant()
    def whoever_holds_a_slot_is_counted(self) -> None:
        assert set(self.held) <= set(self.table.claims)

    @invariant()
    def nobody_waits_beside_a_free_slot(self) -> None:
        if self.tickets and not self.table.is_full():
            taken = self.table.occupied() + self.table.left_to_others(self.now)
            assert taken >= (self.table.limit(self.now) or 0)

    def teardown(self) -> None:
        """When all are done and a list shows nothing, everything is free."""
        if not hasattr(self, "table"):
            return
        for ticket in self.tickets:
            self.table.withdraw(ticket)
        for claim in self.held.values():
            self.table.let_go(claim)
        self.now += 100
        self.table.saw_page((), complete=True, now=self.now, asked_at=self.now)
        assert 0 == self.table.occupied()
        assert not self.table.foreign

    # -- Helpers ----------------------------------------------------------------------------------------

    def some_claim(self, data: st.DataObject) -> Claim:
        return self.held[data.draw(st.sampled_from(sorted(self.held)))]

    def release(self) -> None:
        for ticket in self.table.release(self.now):
            assert ticket.claim is not None
            del self.tickets[ticket]
            self.held[ticket.key] = ticket.claim
            first = next(iter(self.tickets), None)
            assert first is None or ticket.in_flight or not first.in_flight or first.since >= ticket.since


TestStudio = Studio.TestCase
TestStudio.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
