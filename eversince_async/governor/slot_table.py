"""Which projects hold the account's active-project slots, decided without waiting for anything.

A slot is a status on the server, not a coroutine. Two things occupy one, and either is enough: a
production that *holds* it for the stage it is in or the next, and a project that *may be active*: from
the moment a write leaves that could start it, until a look has seen it settled or the server has
refused the write. So a workflow that is cancelled or dies frees nothing that is still running.

Active projects of others (the studio, another process) are seen in lists and count as well.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from eversince_async.governor.claims import Claim, Hold, SlotTicket
from eversince_async.governor.queue import Line
from eversince_async.lifecycle import ACTIVE, SETTLED

LIST_LAG: Final = 5.0
"""Seconds after a write during which a project's absence from a list says nothing."""

HIDDEN: Final = 60.0
"""Seconds after its create during which a project's absence from a list says nothing: the server may not show
it everywhere yet."""

UNKNOWN_CREATE_TTL: Final = 60.0
"""Seconds after which a create of unknown outcome is covered by what a complete list shows."""

RETRY_FULL: Final = 60.0
"""Seconds without any look after which a full server is asked again."""

REJECTIONS_TO_LEARN: Final = 2
"""Refusals in a row, each right after a list had shown room, that teach a lower limit than we were told."""

UNSEEN_TTL: Final = 900.0
"""Seconds after which active projects that nobody has seen or followed since count no more. Somebody should
have looked; a create in vain costs less than standing still."""

COURTESY_SECONDS: Final = 30.0
"""Seconds for which the place of a foreign project is left alone when it has settled. Whoever had it looks
at it about so often and most likely goes on with the next; taken at once, both would refuse each other."""

TRUST_LEARNED: Final = 3600.0
"""Seconds for which such a limit stands before it is tried again."""


class SlotTable:
    """Who holds, who waits, and what is known of others.

    Args:
        limit: Projects active at once; None: no limit.

    Attributes:
        claims: What our productions occupy, by key.
        external: Active projects that no production of ours works on, and when they were seen last.
        full_until: The server said that it is full when we thought not: nobody is granted a slot until a
            complete list shows room; at this time, or when one of ours settles, one may try.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._learned: tuple[int, float] | None = None
        self.claims: dict[str, Claim] = {}
        self._projects: dict[str, Claim] = {}
        self.external: dict[str, float] = {}
        self._expected: dict[str, float] = {}  # until when writes of earlier runs may still take a slot
        self._courtesies: list[float] = []  # until when places of others are left alone, sorted
        self.full_until = -math.inf
        self._looked = False  # a complete list was seen since the last refusal
        self._surprises = 0
        self._queues: tuple[Line[SlotTicket], ...] = (Line(), Line())  # those in flight, and new ones
        self._names: Counter[str] = Counter()  # of those who wait
        self._some_may_join = False  # a slot is there that has one of these names
        self._turned_away: set[str] = set()  # had their turn already, and go first the next time

    # -- Asking -----------------------------------------------------------------------------------------

    def limit(self, now: float) -> int | None:
        """The limit in force: the configured one, or a lower one that refusals have taught."""
        if self._learned is None or self._learned[1] <= now or self._limit is None:
            return self._limit
        return min(self._limit, self._learned[0])

    def occupied(self) -> int:
        """Slots taken, by ours and by others."""
        return len(self.claims) + len(self.external)

    def courtesy_places(self, now: float) -> int:
        """Places that others have just left and may take again."""
        while self._courtesies and self._courtesies[0] <= now:
            del self._courtesies[0]
        return len(self._courtesies)

    def is_full(self) -> bool:
        """Whether the server said so, against our count, and no look has shown room since."""
        return self.full_until > -math.inf

    def is_oversubscribed(self, hold: Hold, now: float) -> bool:
        """Whether more is active than there are slots, so that a project that is settled finds no room."""
        limit = self.limit(now)
        return limit is not None and not hold.claim.active and self.occupied() > limit

    def waiting(self) -> Iterator[SlotTicket]:
        """All who wait, in the order in which they will go on."""
        for queue in self._queues:
            yield from queue

    @property
    def count(self) -> int:
        """How many wait."""
        return sum(map(len, self._queues))

    def ahead_of(self, ticket: SlotTicket) -> int:
        """How many go on before one who waits."""
        in_flight, new = self._queues
        return in_flight.ahead_of(ticket) if ticket.in_flight else len(in_flight) + new.ahead_of(ticket)

    def claim(
        self, key: str, now: float, project_id: str | None = None, place: str | None = None
    ) -> Hold | None:
        """Take a slot at once, or share the one that is there; None: take a ticket (`enqueue`).

        One is there for a key that has one, and for a project that is active already: that takes no other.
        """
        if not self.has_room(key, now, project_id, place):
            return None
        return self._hold_slot(key, project_id, place, now)

    def has_room(self, key: str, now: float, project_id: str | None = None, place: str | None = None) -> bool:
        """Whether a production has a slot, or would be given one at once."""
        return self._is_there(key, project_id, place) or (not any(self._queues) and self._has_free_slot(now))

    def expect(self, place: str, until: float) -> None:
        """A write of an earlier run may take a slot, if it has not already: keep one for it.

        Whoever takes that up is given the slot at once, by the same `place`.
        """
        self._expected[place] = until

    def expected(self, now: float) -> int:
        """Slots that are kept for writes of earlier runs."""
        for place in [place for place, until in self._expected.items() if until <= now]:
            del self._expected[place]
        return len(self._expected)

    def enqueue(self, ticket: SlotTicket) -> None:
        """Wait in line; `release` will name the ticket when its turn has come."""
        first = ticket.key in self._turned_away
        ticket.in_flight = ticket.in_flight or first
        self._queues[not ticket.in_flight].add(ticket, first=first)
        self._names.update(ticket.names)

    def withdraw(self, ticket: SlotTicket) -> None:
        """The caller gave up waiting: forget the ticket, or take back what it was just given."""
        self._forget(ticket)
        if ticket.hold is not None:
            self.release_claim(ticket.hold)

    def release(self, now: float) -> list[SlotTicket]:
        """Grant every ticket whose turn has come, in order."""
        granted: list[SlotTicket] = []
        if any(self._queues):
            self._expire_unseen(now)
        while True:
            if self._some_may_join:  # rare: several work on the very same
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
            self._turned_away.clear()  # nobody to go before
        return granted

    def next_release(self, now: float) -> float | None:
        """When to call `release` again if nothing is observed before; None: only a change will do."""
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
        """The production's project is known now; if that has a slot already, it is one and the same."""
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
        """It is of another project than it was taken to be: that one is somebody else's."""
        if claim.project_id is not None and self._projects.pop(claim.project_id, None) is claim:
            if claim.seen_active:
                self.external[claim.project_id] = claim.changed_at
            claim.seen_active = False

    def mark_sent(self, hold: Hold, now: float) -> None:
        """A write that may start the project leaves."""
        hold.writes()
        claim = hold.claim
        claim.changed_at = now
        if self.claims.setdefault(claim.key, claim) is claim and claim.project_id is not None:
            self._projects.setdefault(claim.project_id, claim)

    def refused(self, hold: Hold) -> None:
        """The server definitely did nothing of what was sent last."""
        hold.wrote_in_vain()
        self._drop_if_free(hold.claim)

    def release_claim(self, hold: Hold) -> None:
        """The production needs no slot now; it stays occupied while the project may be active."""
        hold.lets_go()
        self._drop_if_free(hold.claim)

    def rejected(self, hold: Hold, now: float) -> bool:
        """The server says that all slots are taken. Returns whether slots can be the reason at all."""
        hold.wrote_in_vain()
        self.release_claim(hold)
        others = sum(other.active for other in self.claims.values()) + len(self.external) + self.expected(now)
        slots_can_be = others > 0 or not self._looked
        self._surprises += self._looked
        if self._surprises >= REJECTIONS_TO_LEARN:
            self._learned = (max(1, others), now + TRUST_LEARNED)
        self._looked = False
        self.full_until = now + RETRY_FULL
        self._turned_away.add(hold.key)
        return slots_can_be

    # -- Observing --------------------------------------------------------------------------------------

    def observed(self, project_id: str, status: str, now: float, requested_at: float) -> bool:
        """A look that left at `requested_at` saw a project in a status; an unknown status changes nothing.

        Returns:
            Whether anybody who waits may go on now. Most of what a list shows is settled and nobody's.
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
        """A list that left at `requested_at` shows active projects; `complete`: all the account has."""
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
        self._looked = True
        self.full_until = -math.inf

    def needs_poll(self) -> bool:
        """Whether somebody waits and a list would tell more: others hold slots, or nobody watches ours."""
        return any(self._queues) and (
            bool(self.external) or self.is_full() or any(not claim.held for claim in self.claims.values())
        )

    def move(self, shift: float) -> None:
        """Go on by another clock, which is `shift` ahead. Whoever waited is gone."""
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
        """When each active project was seen last that no production of ours follows."""
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
        """Whether a production needs no slot but the one that is taken already."""
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
            hold.writes()  # as an earlier run has, and nothing has shown since what came of it
            return hold
        return Hold(claim or self._new_claim(key, now), key)

    def _there(self, key: str, project_id: str | None, now: float) -> Claim | None:
        """The slot that is taken already."""
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
            self.full_until = now + RETRY_FULL  # this one tries for all
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
                del self._courtesies[0]  # they have gone on
            self.external[project_id] = requested_at
            self._may_be_joined(project_id)
        else:
            claim.seen_active = True
            claim.changed_at = max(claim.changed_at, requested_at)

    def _external_settled(self, project_id: str, now: float) -> bool:
        """A foreign project is active no more. Returns whether it was."""
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
