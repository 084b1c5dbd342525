"""When requests will leave, as things stand at one moment."""

import math
from collections.abc import Sequence

import attrs

from eversince_async.governor.lanes import Lane


@attrs.frozen(kw_only=True)
class Outlook:
    """What is known of the budget at one moment. All times are clock seconds.

    Attributes:
        opens_at: Nobody leaves before; that moment itself, if somebody may.
        free: Places that are free; infinite without a limit.
        ends: When each place that is taken comes free, in order.
        span: Seconds for which a place is taken.
        lanes_open_at: For each lane, when it may take a free place; nothing if there is none.
    """

    opens_at: float
    free: float
    ends: Sequence[float]
    span: float
    lanes_open_at: Sequence[float]

    def expected(self, lane: Lane, ahead: int) -> float:
        """About when a request leaves that has `ahead` others before it."""
        if not self.ends or self.free == math.inf:
            return self.opens_at
        place = ahead - int(self.free)
        if place < 0:
            return max(self.opens_at, self.lanes_open_at[lane])
        rounds, place = divmod(place, len(self.ends))
        return max(self.opens_at, self.ends[place] + rounds * self.span)
