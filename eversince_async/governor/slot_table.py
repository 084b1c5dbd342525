"""The account's active-project slots: who holds them and who waits.

A slot is a status on the server, not a coroutine. Two things occupy one, and either is enough: a production
that *holds* it for its present stage or the next, and a project that *may be active*: from the departure of a
write that could start it, until a poll has seen it settled or the server has refused the write. So a workflow
that is cancelled or dies frees nothing that is still running.

Active projects of others (the studio, another process) are seen in lists and count as well.
All decisions are synchronous: the table waits for nothing.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from eversince_async.governor.claims import Claim, Hold, SlotTicket
from eversince_async.governor.queue import Line
from eversince_async.lifecycle import ACTIVE, SETTLED

LIST_LAG: Final = 5.0
"""Seconds after a write during which absence from a list proves nothing."""

HIDDEN: Final = 60.0
"""Seconds after a create during which absence from a list proves nothing.

The server may not show the project everywhere yet."""

UNKNOWN_CREATE_TTL: Final = 60.0
"""Seconds after which a complete list covers a create in doubt."""

RETRY_FULL: Final = 60.0
"""Seconds without any poll after which a full server is tried again."""

REJECTIONS_TO_LEARN: Final = 2
"""The number of refusals in a row that teach a lower limit.

Each comes right after a list had shown room under the configured limit."""

UNSEEN_TTL: Final = 900.0
"""Seconds after which active projects that no poll sees stop counting.

No production follows them, and a poll should have seen them. A refused create costs less than a slot that
stands idle."""

COURTESY_SECONDS: Final = 30.0
"""Seconds for which the place of a settled foreign project stays reserved.

Its owner polls it about so often and most likely continues with the next project; if the place were taken at
once, both would refuse each other."""

TRUST_LEARNED: Final = 3600.0
"""Seconds for which a learned limit stands before it is tried again."""


class SlotTable:
    """The slots' holders and waiters, and the active projects of others.

    Args:
        limit: Projects active at once; None means no limit.

    Attributes:
        claims: The slots that our productions occupy, by key.
        external: Active projects that no production of ours works on, and the times they were last seen.
        full_until: The server said that it is full, against our count: no slot is granted until a complete
            list shows room. At this time, or when one of our projects settles, one production may try.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._learned: tuple[int, float] | None = None
        self.claims: dict[str, Claim] = {}
        self._projects: dict[str, Claim] = {}
        self.external: dict[str, float] = {}
        self._expected: dict[str, float] = {}  # the time until which writes of earlier runs may take a slot
        self._courtesies: list[float] = []  # the times until which places of others stay reserved, sorted
        self.full_until = -math.inf
        self._list_seen = False  # a complete list was seen since the last refusal
        self._surprises = 0
        self._queues: tuple[Line[SlotTicket], ...] = (Line(), Line())  # those in flight, and new ones
        self._names: Counter[str] = Counter()  # of the waiting tickets
        self._some_may_join = False  # a slot has one of these names
        self._turned_away: set[str] = set()  # keys that had their turn already, and go first the next time

    # -- Asking -----------------------------------------------------------------------------------------

    def limit(self, now: float) -> int | None:
        """Return the limit in force: configured, or lower as refusals taught."""
        if self._learned is None or self._learned[1] <= now or self._limit is None:
            return self._limit
        return min(self._limit, self._learned[0])

    def occupied(self) -> int:
        """Return the number of slots taken by our and other projects."""
        return len(self.claims) + len(self.external)

    def courtesy_places(self, now: float) -> int:
        """Return the number of places that others left and may retake."""
        while self._courtesies and self._courtesies[0] <= now:
            del self._courtesies[0]
        return len(self._courtesies)

    def is_full(self) -> bool:
        """Return True if the server says it is full, against our count.

        False again once an observation has shown room.
        """
        return self.full_until > -math.inf

    def is_oversubscribed(self, hold: Hold, now: float) -> bool:
        """Return True if more projects are active than there are slots.

        Restarting this project, which is settled, would then be refused.
        """
        limit = self.limit(now)
        return limit is not None and not hold.claim.active and self.occupied() > limit

    def waiting(self) -> Iterator[SlotTicket]:
        """Yield all waiting tickets, in the order of their turns."""
        for queue in self._queues:
            yield from queue

    @property
    def count(self) -> int:
        """The number of waiting tickets."""
        return sum(map(len, self._queues))

    def ahead_of(self, ticket: SlotTicket) -> int:
        """Return the number of tickets that go before this one."""
        in_flight, new = self._queues
        return in_flight.ahead_of(ticket) if ticket.in_flight else len(in_flight) + new.ahead_of(ticket)

    def claim(
        self, key: str, now: float, project_id: str | None = None, place: str | None = None
    ) -> Hold | None:
        """Take a slot at once, or share one that is taken already.

        A key that has a slot shares it, and so does a project that is active already: it takes no other. On
        None the caller takes a ticket (`enqueue`).
        """
        if not self.has_room(key, now, project_id, place):
            return None
        return self._hold_slot(key, project_id, place, now)

    def has_room(self, key: str, now: float, project_id: str | None = None, place: str | None = None) -> bool:
        """Return True if a production has a slot or would get one."""
        return self._is_there(key, project_id, place) or (not any(self._queues) and self._has_free_slot(now))

    def expect(self, place: str, until: float) -> None:
        """Keep a slot for an earlier run's write.

        The write may still take one, if it has not already. A caller that names the same `place` is given the
        slot at once.
        """
        self._expected[place] = until

    def expected(self, now: float) -> int:
        """Return the number of slots kept for writes of earlier runs."""
        for place in [place for place, until in self._expected.items() if until <= now]:
            del self._expected[place]
        return len(self._expected)

    def enqueue(self, ticket: SlotTicket) -> None:
        """Add a ticket to its line.

        `release` returns the ticket when its turn has come.
        """
        first = ticket.key in self._turned_away
        ticket.in_flight = ticket.in_flight or first
        self._queues[not ticket.in_flight].add(ticket, first=first)
        self._names.update(ticket.names)

    def withdraw(self, ticket: SlotTicket) -> None:
        """Forget a ticket whose caller gave up, or take its slot back."""
        self._forget(ticket)
        if ticket.hold is not None:
            self.release_claim(ticket.hold)

    def release(self, now: float) -> list[SlotTicket]:
        """Grant all tickets whose turn has come, in order."""
        granted: list[SlotTicket] = []
        if any(self._queues):
            self._expire_unseen(now)
        while True:
            if self._some_may_join:  # rare: several productions work on the same project
                self._some_may_join = False
                joining = [
                    each for each in self.waiting() if self._is_there(each.key, each.project_id, each.place)
                ]
            else:
                joining = (
                    [first] if self._has_free_slot(now) and (first := next(self.waiting(), None)) else []
                )
                if not joining:
                    break
            for ticket in joining:
                self._grant(ticket, now)
            granted += joining
        if not any(self._queues):
            self._turned_away.clear()  # no waiter is left to go before
        return granted

    def next_release(self, now: float) -> float | None:
        """Return the time to call `release` again if nothing is observed before.

        None if only a change helps.
        """
        if not any(self._queues):
            return None
        moments = [seen + UNSEEN_TTL for seen in self._orphaned()]
        if self.full_until > now:
            moments.append(self.full_until)
        if self._learned is not None and self._learned[1] > now:
            moments.append(self._learned[1])
        moments += [until for until in self._courtesies[:1] if until > now]
        moments += [until for until in self._expected.values() if until > now]
        return min(moments, default=None)

    # -- Holding ----------------------------------------------------------------------------------------

    def bind(self, hold: Hold, project_id: str, now: float) -> None:
        """Record the production's project, which is known now.

        If the project has a slot already, the two slots become one.
        """
        claim, other = hold.claim, self._projects.get(project_id)
        if other is not None and other is not claim:
            hold.moves_to(other)
            self._drop_if_free(claim)
        else:
            if claim.project_id != project_id:
                self._unbind(claim)
                claim.project_id, claim.bound_at = project_id, now
            if self.claims.get(claim.key) is claim:
                self._projects[project_id] = claim
                self.external.pop(project_id, None)  # seen in a list before its create was answered
                self._may_be_joined(project_id)
        self._surprises = 0

    def _unbind(self, claim: Claim) -> None:
        """Detach a claim from a project that is not its own.

        The claim was taken to be of that project, which belongs to others.
        """
        if claim.project_id is not None and self._projects.pop(claim.project_id, None) is claim:
            if claim.seen_active:
                self.external[claim.project_id] = claim.changed_at
            claim.seen_active = False

    def mark_sent(self, hold: Hold, now: float) -> None:
        """Record that a write that may start the project is leaving."""
        hold.writes()
        claim = hold.claim
        claim.changed_at = now
        if self.claims.setdefault(claim.key, claim) is claim and claim.project_id is not None:
            self._projects.setdefault(claim.project_id, claim)

    def refused(self, hold: Hold) -> None:
        """Record that the server definitely did not perform the last write."""
        hold.wrote_in_vain()
        self._drop_if_free(hold.claim)

    def release_claim(self, hold: Hold) -> None:
        """Record that the production needs no slot now.

        The slot stays occupied while the project may be active.
        """
        hold.lets_go()
        self._drop_if_free(hold.claim)

    def rejected(self, hold: Hold, now: float) -> bool:
        """Record that the server says all slots are taken.

        Returns:
            True if slots can be the reason at all.
        """
        hold.wrote_in_vain()
        self.release_claim(hold)
        others = sum(other.active for other in self.claims.values()) + len(self.external) + self.expected(now)
        slots_can_be = others > 0 or not self._list_seen
        self._surprises += self._list_seen
        if self._surprises >= REJECTIONS_TO_LEARN:
            self._learned = (max(1, others), now + TRUST_LEARNED)
        self._list_seen = False
        self.full_until = now + RETRY_FULL
        self._turned_away.add(hold.key)
        return slots_can_be

    # -- Observing --------------------------------------------------------------------------------------

    def observed(self, project_id: str, status: str, now: float, requested_at: float) -> bool:
        """Record a poll that left at `requested_at` and saw a project's status.

        An unknown status changes nothing.

        Returns:
            True if a waiting production may go on now. Most projects that a list shows are settled and have
                no
            claim.
        """
        claim = self._projects.get(project_id)
        if status in ACTIVE:
            self._seen_active(project_id, claim, requested_at)
        elif status in SETTLED:
            if claim is None:
                return self._external_settled(project_id, now)
            if claim.changed_at <= requested_at:
                self._seen_settled(claim, now)
                return True
        return False

    def observed_page(
        self, active_ids: Iterable[str], *, complete: bool, now: float, requested_at: float
    ) -> None:
        """Record the active projects of a list that was requested at `requested_at`.

        With `complete`, they are all active projects that the account has.
        """
        active = set(active_ids)
        for project_id in active:
            self._seen_active(project_id, self._projects.get(project_id), requested_at)
        if not complete:
            return
        for project_id in [known for known in self.external if known not in active]:
            self._external_settled(project_id, now)
        for claim in list(self.claims.values()):
            if claim.project_id not in active and self._absence_is_evidence(claim, requested_at):
                self._seen_settled(claim, now)
        self._list_seen = True
        self.full_until = -math.inf

    def needs_poll(self) -> bool:
        """Return True if a production waits and a list would show more.

        A list does so if others hold slots, if the server is full, or if no production watches one of our
        projects.
        """
        return any(self._queues) and (
            bool(self.external) or self.is_full() or any(not claim.held for claim in self.claims.values())
        )

    def move(self, shift: float) -> None:
        """Switch to another clock, which is `shift` ahead.

        The waiting tickets are dropped.
        """
        for queue in self._queues:
            queue.clear()
        self._names.clear()
        self.full_until += shift
        self._learned = self._learned and (self._learned[0], self._learned[1] + shift)
        self._courtesies = [until + shift for until in self._courtesies]
        self._expected = {place: until + shift for place, until in self._expected.items()}
        self.external = {project_id: seen + shift for project_id, seen in self.external.items()}
        for claim in self.claims.values():
            claim.since += shift
            claim.bound_at += shift
            claim.changed_at += shift

    # -- Inside -----------------------------------------------------------------------------------------

    def _has_free_slot(self, now: float) -> bool:
        limit = self.limit(now)
        return limit is None or (
            now >= self.full_until
            and self.occupied() + self.courtesy_places(now) + self.expected(now) < limit
        )

    def _orphaned(self) -> list[float]:
        """Return when each active project without a production was last seen."""
        return [
            *self.external.values(),
            *(claim.changed_at for claim in self.claims.values() if not claim.held),
        ]

    def _expire_unseen(self, now: float) -> None:
        for project_id in [known for known, seen in self.external.items() if seen + UNSEEN_TTL <= now]:
            del self.external[project_id]
        for claim in list(self.claims.values()):
            if not claim.held and claim.changed_at + UNSEEN_TTL <= now:
                claim.seen_active, claim.writes = False, ()
                self._drop_if_free(claim)

    def _is_there(self, key: str, project_id: str | None, place: str | None = None) -> bool:
        """Return True if a production needs no slot but one already taken."""
        return (
            key in self.claims
            or (project_id is not None and (project_id in self._projects or project_id in self.external))
            or place in self._expected
            or place in self.external
        )

    def _hold_slot(self, key: str, project_id: str | None, place: str | None, now: float) -> Hold:
        """Share the slot that is taken already, or take one."""
        is_expected = place is not None and self._expected.pop(place, None) is not None
        if project_id is None and place in self.external:
            project_id = place
        claim = self._there(key, project_id, now)
        if claim is None and is_expected:
            hold = Hold(self._claim_anew(key, now), key)
            hold.writes()  # as an earlier run has, and nothing has shown the outcome since
            return hold
        return Hold(claim or self._new_claim(key, now), key)

    def _there(self, key: str, project_id: str | None, now: float) -> Claim | None:
        """Return the claim on the slot that is taken already."""
        claim = self.claims.get(key)
        if claim is not None or project_id is None:
            return claim
        claim = self._projects.get(project_id)
        if claim is None and project_id in self.external:  # an earlier run's, say
            claim = self._claim_anew(key, now)
            claim.project_id, claim.seen_active = project_id, True
            claim.changed_at = self.external.pop(project_id)
            self._projects[project_id] = claim
            self._may_be_joined(project_id)
        return claim

    def _new_claim(self, key: str, now: float) -> Claim:
        if self.is_full():
            self.full_until = now + RETRY_FULL  # this production tries for all
        return self._claim_anew(key, now)

    def _claim_anew(self, key: str, now: float) -> Claim:
        claim = self.claims[key] = Claim(key, now)
        self._may_be_joined(key)
        return claim

    def _may_be_joined(self, name: str) -> None:
        self._some_may_join = self._some_may_join or name in self._names

    def _grant(self, ticket: SlotTicket, now: float) -> None:
        self._forget(ticket)
        ticket.hold = self._hold_slot(ticket.key, ticket.project_id, ticket.place, now)

    def _seen_active(self, project_id: str, claim: Claim | None, requested_at: float) -> None:
        if claim is None:
            if project_id not in self.external and self._courtesies:
                del self._courtesies[0]  # the others have continued
            self.external[project_id] = requested_at
            self._may_be_joined(project_id)
        else:
            claim.seen_active = True
            claim.changed_at = max(claim.changed_at, requested_at)

    def _external_settled(self, project_id: str, now: float) -> bool:
        """Record that a foreign project is no longer active.

        Returns:
            True if it was active before.
        """
        if self.external.pop(project_id, None) is None:
            return False
        self._courtesies.append(now + COURTESY_SECONDS)
        return True

    def _seen_settled(self, claim: Claim, now: float) -> None:
        claim.seen_active, claim.writes = False, ()
        self._drop_if_free(claim)
        if claim.key not in self.claims:
            self.full_until = min(self.full_until, now)  # room for one at least

    def _absence_is_evidence(self, claim: Claim, requested_at: float) -> bool:
        patience = LIST_LAG if claim.project_id is not None else UNKNOWN_CREATE_TTL
        says_something_at = max(claim.changed_at + patience, claim.bound_at + HIDDEN)
        return claim.active and requested_at >= says_something_at

    def _drop_if_free(self, claim: Claim) -> None:
        if claim.held or claim.active:
            return
        if self.claims.get(claim.key) is claim:
            del self.claims[claim.key]
        if claim.project_id is not None and self._projects.get(claim.project_id) is claim:
            del self._projects[claim.project_id]

    def _forget(self, ticket: SlotTicket) -> None:
        if not self._queues[not ticket.in_flight].discard(ticket):
            return
        for name in ticket.names:
            self._names[name] -= 1
            if not self._names[name]:
                del self._names[name]
