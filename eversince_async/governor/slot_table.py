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

from eversince_async.governor.line import Line
from eversince_async.governor.waits import Waiter
from eversince_async.lifecycle import ACTIVE, SETTLED

STALE: Final = 5.0
"""Seconds after a write during which a project's absence from a list says nothing."""

HIDDEN: Final = 60.0
"""Seconds after its create during which a project's absence from a list says nothing: the server may not show
it everywhere yet."""

LOST: Final = 60.0
"""Seconds after which a create of unknown outcome is covered by what a complete list shows."""

RETRY_FULL: Final = 60.0
"""Seconds without any look after which a full server is asked again."""

SURPRISES: Final = 2
"""Refusals in a row, each right after a list had shown room, that teach a lower limit than we were told."""

UNSEEN: Final = 900.0
"""Seconds after which active projects that nobody has seen or followed since count no more. Somebody should
have looked; a create in vain costs less than standing still."""

COURTESY: Final = 30.0
"""Seconds for which the place of a foreign project is left alone when it has settled. Whoever had it looks
at it about so often and most likely goes on with the next; taken at once, both would refuse each other."""

TRUST_LEARNED: Final = 3600.0
"""Seconds for which such a limit stands before it is tried again."""


class Claim:
    """What one production occupies.

    Attributes:
        key: The production's key, known before its project is.
        project_id: The project, once known.
        held: The production needs the slot for this stage or the next.
        active: A write has left that may have started the project, and it was not seen settled since.
        since: Clock seconds of the grant.
        bound_at: Clock seconds since when the project is known; minus infinity until then.
        changed_at: Clock seconds of the last write, or of the last look that saw it active.
        delivered: Callers that were given it and not cancelled in the instant of the grant.
    """

    __slots__ = ("active", "bound_at", "changed_at", "delivered", "held", "key", "project_id", "since")

    def __init__(self, key: str, now: float) -> None:
        self.key = key
        self.project_id: str | None = None
        self.held = True
        self.active = False
        self.since = now
        self.bound_at = -math.inf
        self.changed_at = now
        self.delivered = 0


class SlotTicket(Waiter):
    """One production waiting for a slot.

    Attributes:
        key: The production's key.
        in_flight: Whether it has a project already, and so goes before new ones.
        claim: What it was granted.
    """

    __slots__ = ("claim", "in_flight", "key")

    def __init__(self, key: str, since: float, *, in_flight: bool = False, who: str | None = None) -> None:
        super().__init__(since, key if who is None else who)
        self.key = key
        self.in_flight = in_flight
        self.claim: Claim | None = None


class SlotTable:
    """Who holds, who waits, and what is known of others.

    Args:
        limit: Projects active at once; None: no limit.

    Attributes:
        claims: What our productions occupy, by key.
        foreign: Active projects that are not ours, and when they were seen last.
        full_until: The server said that it is full when we thought not: nobody is granted a slot until a
            complete list shows room; at this time, or when one of ours settles, one may try.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._learned: tuple[int, float] | None = None
        self.claims: dict[str, Claim] = {}
        self._projects: dict[str, Claim] = {}
        self.foreign: dict[str, float] = {}
        self._courtesies: list[float] = []  # until when places of others are left alone, sorted
        self.full_until = -math.inf
        self._looked = False  # a complete list was seen since the last refusal
        self._surprises = 0
        self._queues: tuple[Line[SlotTicket], ...] = (Line(), Line())  # those in flight, and new ones
        self._keys: Counter[str] = Counter()
        self._turned_away: set[str] = set()  # had their turn already, and go first the next time

    # -- Asking -----------------------------------------------------------------------------------------

    def limit(self, now: float) -> int | None:
        """The limit in force: the configured one, or a lower one that refusals have taught."""
        if self._learned is None or self._learned[1] <= now or self._limit is None:
            return self._limit
        return min(self._limit, self._learned[0])

    def occupied(self) -> int:
        """Slots taken, by ours and by others."""
        return len(self.claims) + len(self.foreign)

    def left_to_others(self, now: float) -> int:
        """Places that others have just left and may take again."""
        while self._courtesies and self._courtesies[0] <= now:
            del self._courtesies[0]
        return len(self._courtesies)

    def is_full(self) -> bool:
        """Whether the server said so, against our count, and no look has shown room since."""
        return self.full_until > -math.inf

    def overtaken(self, claim: Claim, now: float) -> bool:
        """Whether more is active than there are slots, so that a project that is settled finds no room."""
        limit = self.limit(now)
        return limit is not None and not claim.active and self.occupied() > limit

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

    def claim(self, key: str, now: float) -> Claim | None:
        """Take a slot at once, or the one the key has already; None: take a ticket (`enqueue`)."""
        if not self.has_room(key, now):
            return None
        claim = self.claims.get(key) or self._open(key, now)
        claim.held = True
        claim.delivered += 1
        return claim

    def has_room(self, key: str, now: float) -> bool:
        """Whether a key has a slot, or would be given one at once."""
        return key in self.claims or (not any(self._queues) and self._room(now))

    def enqueue(self, ticket: SlotTicket) -> None:
        """Wait in line; `release` will name the ticket when its turn has come."""
        first = ticket.key in self._turned_away
        ticket.in_flight = ticket.in_flight or first
        self._queues[not ticket.in_flight].add(ticket, first=first)
        self._keys[ticket.key] += 1

    def withdraw(self, ticket: SlotTicket) -> None:
        """The caller gave up waiting: forget the ticket, or take back what it was just given."""
        self._forget(ticket)
        claim = ticket.claim
        if claim is not None:
            claim.delivered -= 1
            if claim.delivered <= 0:
                self.let_go(claim)

    def release(self, now: float) -> list[SlotTicket]:
        """Grant every ticket whose turn has come, in order."""
        granted: list[SlotTicket] = []
        if any(self._queues):
            self._forget_unseen(now)
        while (ticket := next(self.waiting(), None)) and (ticket.key in self.claims or self._room(now)):
            self._grant(ticket, now)
            granted.append(ticket)
            if self._keys[ticket.key]:  # rare: others wait for the very same production
                twins = [twin for twin in self.waiting() if twin.key == ticket.key]
                for twin in twins:
                    self._grant(twin, now)
                granted.extend(twins)
        if not any(self._queues):
            self._turned_away.clear()  # nobody to go before
        return granted

    def next_release(self, now: float) -> float | None:
        """When to call `release` again if nothing is observed before; None: only a change will do."""
        if not any(self._queues):
            return None
        moments = [seen + UNSEEN for seen in self._unfollowed()]
        if self.full_until > now:
            moments.append(self.full_until)
        if self._learned is not None and self._learned[1] > now:
            moments.append(self._learned[1])
        moments += [until for until in self._courtesies[:1] if until > now]
        return min(moments, default=None)

    # -- Holding ----------------------------------------------------------------------------------------

    def bind(self, claim: Claim, project_id: str, now: float) -> None:
        """The production's project is known now."""
        if claim.project_id != project_id:
            claim.project_id, claim.bound_at = project_id, now
        if claim.key in self.claims:
            self._projects[project_id] = claim
            self.foreign.pop(project_id, None)  # seen in a list before its create was answered
        self._surprises = 0

    def sent(self, claim: Claim, now: float) -> None:
        """A write that may start the project is about to leave."""
        claim.active = True
        claim.changed_at = now
        self.claims.setdefault(claim.key, claim)

    def refused(self, claim: Claim) -> None:
        """The server definitely did nothing of what was sent last."""
        claim.active = False
        self._drop_if_free(claim)

    def let_go(self, claim: Claim) -> None:
        """The production needs no slot now; it stays occupied while the project may be active."""
        claim.held = False
        claim.delivered = 0
        self._drop_if_free(claim)

    def turned_away(self, claim: Claim, now: float) -> bool:
        """The server says that all slots are taken. Returns whether slots can be the reason at all."""
        claim.active = False
        self.let_go(claim)
        others = sum(other.active for other in self.claims.values()) + len(self.foreign)
        slots_can_be = others > 0 or not self._looked
        self._surprises += self._looked
        if self._surprises >= SURPRISES:
            self._learned = (max(1, others), now + TRUST_LEARNED)
        self._looked = False
        self.full_until = now + RETRY_FULL
        self._turned_away.add(claim.key)
        return slots_can_be

    # -- Observing --------------------------------------------------------------------------------------

    def observed(self, project_id: str, status: str, now: float, asked_at: float) -> bool:
        """A look that left at `asked_at` saw a project in a status; an unknown status changes nothing.

        Returns:
            Whether anybody who waits may go on now. Most of what a list shows is settled and nobody's.
        """
        claim = self._projects.get(project_id)
        if status in ACTIVE:
            self._seen_active(project_id, claim, asked_at)
        elif status in SETTLED:
            if claim is None:
                return self._foreign_left(project_id, now)
            if claim.changed_at <= asked_at:
                self._seen_settled(claim, now)
                return True
        return False

    def saw_page(self, active_ids: Iterable[str], *, complete: bool, now: float, asked_at: float) -> None:
        """A list that left at `asked_at` shows active projects; `complete`: all the account has."""
        active = set(active_ids)
        for project_id in active:
            self._seen_active(project_id, self._projects.get(project_id), asked_at)
        if not complete:
            return
        for project_id in [known for known in self.foreign if known not in active]:
            self._foreign_left(project_id, now)
        for claim in list(self.claims.values()):
            if claim.project_id not in active and self._absence_counts(claim, asked_at):
                self._seen_settled(claim, now)
        self._looked = True
        self.full_until = -math.inf

    def needs_look(self) -> bool:
        """Whether somebody waits and a list would tell more: others hold slots, or nobody watches ours."""
        return any(self._queues) and (
            bool(self.foreign) or self.is_full() or any(not claim.held for claim in self.claims.values())
        )

    def move(self, shift: float) -> None:
        """Go on by another clock, which is `shift` ahead. Whoever waited is gone."""
        for queue in self._queues:
            queue.clear()
        self._keys.clear()
        self.full_until += shift
        self._learned = self._learned and (self._learned[0], self._learned[1] + shift)
        self._courtesies = [until + shift for until in self._courtesies]
        self.foreign = {project_id: seen + shift for project_id, seen in self.foreign.items()}
        for claim in self.claims.values():
            claim.since += shift
            claim.bound_at += shift
            claim.changed_at += shift

    # -- Inside -----------------------------------------------------------------------------------------

    def _room(self, now: float) -> bool:
        limit = self.limit(now)
        return limit is None or (
            now >= self.full_until and self.occupied() + self.left_to_others(now) < limit
        )

    def _unfollowed(self) -> list[float]:
        """When each active project was seen last that no production of ours follows."""
        return [
            *self.foreign.values(),
            *(claim.changed_at for claim in self.claims.values() if not claim.held),
        ]

    def _forget_unseen(self, now: float) -> None:
        for project_id in [known for known, seen in self.foreign.items() if seen + UNSEEN <= now]:
            del self.foreign[project_id]
        for claim in list(self.claims.values()):
            if not claim.held and claim.changed_at + UNSEEN <= now:
                self.refused(claim)

    def _open(self, key: str, now: float) -> Claim:
        claim = self.claims[key] = Claim(key, now)
        if self.is_full():
            self.full_until = now + RETRY_FULL  # this one tries for all
        return claim

    def _grant(self, ticket: SlotTicket, now: float) -> None:
        self._forget(ticket)
        claim = self.claims.get(ticket.key) or self._open(ticket.key, now)
        claim.held = True
        claim.delivered += 1
        ticket.claim = claim

    def _seen_active(self, project_id: str, claim: Claim | None, asked_at: float) -> None:
        if claim is None:
            if project_id not in self.foreign and self._courtesies:
                del self._courtesies[0]  # they have gone on
            self.foreign[project_id] = asked_at
        else:
            claim.active = True
            claim.changed_at = max(claim.changed_at, asked_at)

    def _foreign_left(self, project_id: str, now: float) -> bool:
        """A foreign project is active no more. Returns whether it was."""
        if self.foreign.pop(project_id, None) is None:
            return False
        self._courtesies.append(now + COURTESY)
        return True

    def _seen_settled(self, claim: Claim, now: float) -> None:
        claim.active = False
        self._drop_if_free(claim)
        if claim.key not in self.claims:
            self.full_until = min(self.full_until, now)  # room for one at least

    def _absence_counts(self, claim: Claim, asked_at: float) -> bool:
        patience = STALE if claim.project_id is not None else LOST
        says_something_at = max(claim.changed_at + patience, claim.bound_at + HIDDEN)
        return claim.active and asked_at >= says_something_at

    def _drop_if_free(self, claim: Claim) -> None:
        if claim.held or claim.active:
            return
        if self.claims.get(claim.key) is claim:
            del self.claims[claim.key]
        if claim.project_id is not None and self._projects.get(claim.project_id) is claim:
            del self._projects[claim.project_id]

    def _forget(self, ticket: SlotTicket) -> None:
        if self._queues[not ticket.in_flight].discard(ticket):
            self._keys[ticket.key] -= 1
            if not self._keys[ticket.key]:
                del self._keys[ticket.key]
