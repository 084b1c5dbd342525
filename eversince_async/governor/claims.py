"""Claims on slots, their holders, and the tickets that wait."""

import math

from eversince_async.governor.waiters import Waiter


class Claim:
    """One slot of a project, or of a production without one yet.

    Several productions may hold it together.

    Attributes:
        key: The key of the production that the slot was given to first.
        project_id: The project, once known.
        holds: The holds of productions that need the slot for this stage or the next.
        writes: The holds whose last write may have started the project, while nothing has shown its outcome.
        seen_active: True if a poll saw the project active, and none has seen it settled since.
        since: The time of the grant, in clock seconds.
        bound_at: The time since which the project is known, in clock seconds; minus infinity until then.
        changed_at: The time of the last write or of the last poll that saw the project active, in clock
            seconds.
    """

    __slots__ = ("bound_at", "changed_at", "holds", "key", "project_id", "seen_active", "since", "writes")

    def __init__(self, key: str, now: float) -> None:
        self.key = key
        self.project_id: str | None = None
        self.holds: tuple[Hold, ...] = ()
        self.writes: tuple[Hold, ...] = ()
        self.seen_active = False
        self.since = now
        self.bound_at = -math.inf
        self.changed_at = now

    @property
    def held(self) -> bool:
        """True if a production needs the slot.

        The need is for the present stage or the next.
        """
        return bool(self.holds)

    @property
    def active(self) -> bool:
        """True if the project may be active, as far as observations show."""
        return self.seen_active or bool(self.writes)


class Hold:
    """One production's part in a claim.

    Ending it takes nothing from other productions that hold the same claim.

    Attributes:
        claim: The claim.
        key: The production's key.
    """

    __slots__ = ("claim", "key")

    def __init__(self, claim: Claim, key: str) -> None:
        self.claim = claim
        self.key = key
        claim.holds += (self,)

    @property
    def held(self) -> bool:
        """True if the production still needs the slot."""
        return self in self.claim.holds

    def lets_go(self) -> None:
        """Record that the production no longer needs the slot."""
        self.claim.holds = tuple(hold for hold in self.claim.holds if hold is not self)

    def writes(self) -> None:
        """Record a write of the production that may start the project."""
        if self not in self.claim.writes:
            self.claim.writes += (self,)

    def wrote_in_vain(self) -> None:
        """Record that the production's write surely started nothing."""
        self.claim.writes = tuple(hold for hold in self.claim.writes if hold is not self)

    def moves_to(self, claim: Claim) -> None:
        """Move to another claim, which belongs to the same project."""
        held, wrote = self.held, self in self.claim.writes
        self.lets_go()
        self.wrote_in_vain()
        claim.changed_at = max(claim.changed_at, self.claim.changed_at)
        self.claim = claim
        claim.holds += (self,) if held else ()
        claim.writes += (self,) if wrote else ()


class SlotTicket(Waiter):
    """One production waiting for a slot.

    Attributes:
        key: The production's key.
        project_id: The production's project, if it has one already.
        place: The name of an earlier run's write of unknown outcome, see `SlotTable.expect`; or a project
            that is active already and may be this production's.
        in_flight: True if the production has begun already, and so goes before new ones.
        hold: The hold it was granted; None before.
    """

    __slots__ = ("hold", "in_flight", "key", "place", "project_id")

    def __init__(
        self,
        key: str,
        since: float,
        *,
        project_id: str | None = None,
        place: str | None = None,
        in_flight: bool = False,
        who: str | None = None,
    ) -> None:
        super().__init__(since, key if who is None else who)
        self.key = key
        self.project_id = project_id
        self.place = place
        self.in_flight = in_flight or project_id is not None
        self.hold: Hold | None = None

    @property
    def names(self) -> set[str]:
        """The names of claims that this ticket may join."""
        return {self.key} if self.project_id is None else {self.key, self.project_id}
