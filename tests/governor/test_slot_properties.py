"""No slot is lost and none is given twice.

This holds for everything that productions, people and the server do.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eversince_async.governor.claims import Hold, SlotTicket
from eversince_async.governor.slot_table import SlotTable

PROJECTS = [f"project {n}" for n in range(4)]
"""Few projects, so that several productions share one."""


class Studio(RuleBasedStateMachine):
    """Productions acquire, write, lose responses, give up and are released.

    Several productions share a project; others of the account come and go.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.number = 0
        self.holds: list[Hold] = []
        self.tickets: dict[SlotTicket, None] = {}
        self.active: set[str] = set()  # on the server, including those of others
        self.bound: dict[Hold, str] = {}

    @initialize(limit=st.integers(1, 4))
    def begin(self, limit: int) -> None:
        self.limit = limit
        self.table = SlotTable(limit)

    @rule(in_flight=st.booleans(), project_id=st.sampled_from([None, None, *PROJECTS]), same=st.booleans())
    def acquire(self, *, in_flight: bool, project_id: str | None, same: bool) -> None:
        """Acquire with a new key or with a project's shared key."""
        self.number += 1
        key = project_id if same and project_id is not None else f"film {self.number}"
        occupied, is_there = self.table.occupied(), self.is_there(key, project_id)
        hold = self.table.claim(key, self.now, project_id)
        if hold is not None:
            assert is_there or not self.tickets
            assert self.table.occupied() <= max(self.limit, occupied)
            self.granted(hold, project_id)
        else:
            ticket = SlotTicket(key, self.now, project_id=project_id, in_flight=in_flight)
            self.tickets[ticket] = None
            self.table.enqueue(ticket)
        self.release()

    @precondition(lambda self: self.holds)
    @rule(
        data=st.data(),
        outcome=st.sampled_from(["done", "existed", "lost", "refused", "full", "cancelled"]),
        project_id=st.sampled_from(PROJECTS),
    )
    def write(self, data: st.DataObject, outcome: str, project_id: str) -> None:
        """Send a create, or with a project a message or render."""
        hold = self.some_hold(data)
        self.table.mark_sent(hold, self.now)
        if outcome == "full":
            self.table.rejected(hold, self.now)
            self.holds.remove(hold)
        elif outcome == "refused":
            self.table.refused(hold)
        else:
            self.number += 1
            known = self.bound.get(hold) or (project_id if outcome == "existed" else f"made {self.number}")
            if outcome != "cancelled":  # it left, and its outcome never arrived
                self.active.add(known)
            if outcome in {"done", "existed"}:
                self.table.bind(hold, known, self.now)
                self.bound[hold] = known
        self.release()

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), twice=st.booleans())
    def let_go(self, data: st.DataObject, *, twice: bool) -> None:
        hold = self.some_hold(data)
        self.holds.remove(hold)
        self.table.release_claim(hold)
        if twice:
            self.table.release_claim(hold)
        self.release()

    @precondition(lambda self: self.tickets)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(list(self.tickets)))
        del self.tickets[ticket]
        self.table.withdraw(ticket)
        self.release()

    @precondition(lambda self: self.tickets)
    @rule()
    def give_up_in_the_instant_of_the_grant(self) -> None:
        for ticket in self.table.release(self.now):
            del self.tickets[ticket]
            self.table.withdraw(ticket)
        self.release()

    @rule(project_id=st.sampled_from([*PROJECTS, "of the studio"]))
    def others_begin(self, project_id: str) -> None:
        self.active.add(project_id)

    @precondition(lambda self: self.active)
    @rule(data=st.data())
    def settles(self, data: st.DataObject) -> None:
        self.active.discard(data.draw(st.sampled_from(sorted(self.active))))

    @rule(project_id=st.sampled_from(PROJECTS), late=st.sampled_from([0.0, 2.0]))
    def look(self, project_id: str, late: float) -> None:
        status = "running" if project_id in self.active else "idle"
        self.table.observed(project_id, status, self.now, self.now - late)
        self.release()

    @rule(complete=st.booleans())
    def look_at_a_page(self, *, complete: bool) -> None:
        shown = self.active if complete else set(sorted(self.active)[:2])
        self.table.observed_page(shown, complete=complete, now=self.now, requested_at=self.now)
        self.release()

    @rule(seconds=st.sampled_from([1.0, 6.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.release()

    # -- Invariants -------------------------------------------------------------------------------------

    @invariant()
    def whoever_holds_a_slot_is_counted(self) -> None:
        for hold in self.holds:
            assert hold.held
            assert hold.claim in self.table.claims.values()

    @invariant()
    def a_project_has_one_slot(self) -> None:
        projects = [claim.project_id for claim in self.table.claims.values() if claim.project_id is not None]
        assert len(projects) == len(set(projects))
        assert not set(projects) & set(self.table.external)

    @invariant()
    def nobody_waits_beside_a_free_slot(self) -> None:
        if self.tickets and not self.table.is_full():
            taken = self.table.occupied() + self.table.courtesy_places(self.now)
            assert taken >= (self.table.limit(self.now) or 0)

    @invariant()
    def nobody_waits_for_a_slot_that_its_project_has(self) -> None:
        assert not [each for each in self.tickets if self.is_there(each.key, each.project_id)]

    def teardown(self) -> None:
        """All slots are free once all productions have ended.

        Every waiter has had a turn.
        """
        if not hasattr(self, "table"):
            return
        for _ in range(len(self.tickets) + 1):
            for hold in list(self.holds):
                self.holds.remove(hold)
                self.table.release_claim(hold)
            self.now += 100
            self.table.observed_page((), complete=True, now=self.now, requested_at=self.now)
            self.now += 100  # also for places that others may have taken again
            self.release()
        assert not self.tickets
        assert not list(self.table.waiting())
        assert 0 == self.table.occupied()
        assert not self.table.external

    # -- Helpers ----------------------------------------------------------------------------------------

    def some_hold(self, data: st.DataObject) -> Hold:
        return self.holds[data.draw(st.integers(0, len(self.holds) - 1))]

    def is_there(self, key: str, project_id: str | None) -> bool:
        projects = {claim.project_id for claim in self.table.claims.values()} | set(self.table.external)
        return key in self.table.claims or (project_id is not None and project_id in projects)

    def granted(self, hold: Hold, project_id: str | None) -> None:
        self.holds.append(hold)
        if project_id is not None:
            self.table.bind(hold, project_id, self.now)
            self.bound[hold] = project_id

    def release(self) -> None:
        occupied = self.table.occupied()
        for ticket in self.table.release(self.now):
            assert ticket.hold is not None
            del self.tickets[ticket]
            self.granted(ticket.hold, ticket.project_id)
        assert self.table.occupied() <= max(self.limit, occupied)
        if self.table._some_may_join:  # as `Slots` does when a lease is bound
            self.release()


TestStudio = Studio.TestCase
TestStudio.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
