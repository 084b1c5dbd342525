"""A slot that is taken, who holds it, and who waits for one."""

import math

from eversince_async.governor.waiters import Waiter


class Claim:
    """One slot: of a project, or of what is to become one. Several productions may hold it together.

    Attributes:
        key: The key of the production it was given to first.
        project_id: The project, once known.
        holds: Those that need it for this stage or the next.
        writes: Those whose last write may have started the project: nothing has shown since what came of it.
        seen_active: Whether a look saw the project active, and none saw it settled since.
        since: Clock seconds of the grant.
        bound_at: Clock seconds since when the project is known; minus infinity until then.
        changed_at: Clock seconds of the last write, or of the last look that saw it active.
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
        """Whether a production needs the slot for this stage or the next."""
        return bool(self.holds)

    @property
    def active(self) -> bool:
        """Whether the project may be active on the server, as far as we have seen."""
        return self.seen_active or bool(self.writes)


class Hold:
    """What one production has of a claim: its end takes nothing from others that hold the same.

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
        """Whether its production needs the slot still."""
        return self in self.claim.holds

    def lets_go(self) -> None:
        """Its production needs the slot no more."""
        self.claim.holds = tuple(hold for hold in self.claim.holds if hold is not self)

    def writes(self) -> None:
        """Its production writes what may start the project."""
        if self not in self.claim.writes:
            self.claim.writes += (self,)

    def wrote_in_vain(self) -> None:
        """What its production wrote surely started nothing."""
        self.claim.writes = tuple(hold for hold in self.claim.writes if hold is not self)

    def moves_to(self, claim: Claim) -> None:
        """Hold another claim from now on, which turned out to be of the same project."""
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
        project_id: Its project, if it has one already.
        place: What an earlier run's write of unknown outcome is expected by, see `SlotTable.expect`; or a
            project that is active already and may be its.
        in_flight: Whether it has begun already, and so goes before new ones.
        hold: What it was granted.
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
        """What a claim that it may join is known by."""
        return {self.key} if self.project_id is None else {self.key, self.project_id}
