"""A forecast of the departures of requests."""

import math
from collections.abc import Sequence

import attrs

from eversince_async.governor.lanes import Lane


@attrs.frozen(kw_only=True)
class Outlook:
    """The state of the budget at one moment.

    All times are clock seconds.

    Attributes:
        opens_at: The time before which no request leaves; the present moment if one may leave now.
        free: The number of free places; infinite without a limit.
        ends: The times at which the taken places become free, in order.
        span: Seconds for which a place is taken.
        lanes_open_at: The time at which each lane may take a free place; empty if there is none.
    """

    opens_at: float
    free: float
    ends: Sequence[float]
    span: float
    lanes_open_at: Sequence[float]

    def expected(self, lane: Lane, ahead: int) -> float:
        """Estimate when a request with `ahead` others before it leaves."""
        if not self.ends or self.free == math.inf:
            return self.opens_at
        place = ahead - int(self.free)
        if place < 0:
            return max(self.opens_at, self.lanes_open_at[lane])
        rounds, place = divmod(place, len(self.ends))
        return max(self.opens_at, self.ends[place] + rounds * self.span)
