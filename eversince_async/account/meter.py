"""Measurement of the costs of videos.

The cost is the change of the balance while one video is made alone.
"""

from collections.abc import Collection, Generator
from contextlib import contextmanager
from math import inf
from typing import Final

import attrs

from eversince_async.account.costs import Costs
from eversince_async.durable.api import loop_time
from eversince_async.governor import GovernorProtocol
from eversince_async.governor.snapshot import SlotsSnapshot

LATE: Final = 60.0
"""Seconds after the end of a video until which a balance counts.

A later balance reflects other uses of the account as well."""

LOOK: Final = 5.0
"""Seconds between two checks of the active projects.

Each check tells which of them are the client's."""


@attrs.define(eq=False)
class _Film:
    """A video that is made alone.

    Attributes:
        kind: The kind of video; see `kind_of_film`.
        times: The number of times that the balance had been told when the video began, or ended.
        spent: The credits spent until the video began; None before that was told.
        is_alone: True if no other use of the account was seen meanwhile.
        ended_at: The time at which the video ended, in loop time; None before.
    """

    kind: str
    times: int
    spent: float | None
    is_alone: bool = True
    ended_at: float | None = None


class Meter:
    """A meter of the costs of videos that are made alone.

    The measurement makes no requests: it uses the balances that responses tell anyway. The cost of a video
    counts from the response to its create, or from the last balance before it, until the first balance that
    is told after its end.

    Args:
        governor: The governor, which knows the balance and the active projects of others.
        costs: The costs so far; new costs are added.
    """

    def __init__(self, governor: GovernorProtocol, costs: Costs) -> None:
        self._governor = governor
        self._costs = costs
        self._in_flight = 0
        self._idle_since = self._times()
        self._alone: _Film | None = None
        self._ended: _Film | None = None
        self._looked_at = -inf
        self._foreign, self._ours = set[str](), set[str | None]()

    @property
    def others(self) -> Collection[str]:
        """Active projects that were seen meanwhile and are not the client's.

        Their costs are part of the balance.
        """
        return self._foreign - self._ours

    @contextmanager
    def film(self, kind: str | None) -> Generator[None, None, None]:
        """Watch the balance while an item's video is made.

        Args:
            kind: The kind of video; None if nothing is to be learned from it, as an earlier run has begun it.
        """
        self._in_flight += 1
        self._alone = None
        if self._in_flight == 1 and kind is not None:
            balance, times = self._governor.credits, self._times()
            spent = balance.spent if balance is not None and times > self._idle_since else None
            self._alone = _Film(kind, times, spent)
        try:
            yield
        finally:
            self._in_flight -= 1
            self._alone = None
            self._idle_since = self._times()

    def update(self) -> None:
        """Take account of a new event.

        A response may have told the balance.
        """
        balance, watched = self._governor.credits, (self._alone, self._ended)
        if any(watched) or loop_time() >= self._looked_at + LOOK:
            self._looked_at = loop_time()
            self._note_slots(self._governor.snapshot().slots)
        if balance is None:
            return
        alone, ended = watched
        if alone is not None and alone.spent is None and balance.times > alone.times:
            alone.spent = balance.spent
        if ended is not None and balance.times > ended.times:
            self._ended = None
            self._learn(ended, balance.spent)

    def _note_slots(self, slots: SlotsSnapshot) -> None:
        self._ours.update(lease.project_id for lease in slots.leases)
        self._foreign.update(slots.foreign)  # perhaps of an earlier run of this client
        if slots.occupied > 1 or slots.foreign:  # another batch of this client, or another client
            for film in (self._alone, self._ended):
                if film is not None:
                    film.is_alone = False

    def _learn(self, film: _Film, spent: float) -> None:
        assert film.ended_at is not None
        is_late = loop_time() > film.ended_at + LATE
        if film.spent is not None and spent > film.spent and film.is_alone and not is_late:
            self._costs.add(film.kind, spent - film.spent)

    def complete(self, *, succeeded: bool) -> None:
        """Record the end of a video.

        Call this before the block of `film` ends.
        """
        self.update()
        film = self._alone
        if film is not None and succeeded:
            film.times, film.ended_at = self._times(), loop_time()
            self._ended = film

    def _times(self) -> int:
        balance = self._governor.credits
        return 0 if balance is None else balance.times
