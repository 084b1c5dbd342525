"""Pace of a batch, and an estimate of its end.

The estimate is as likely too early as too late, and has a range. The pace is the work done in the time in
which any item was active; the done part of active items counts. So the pace includes anything that limits it,
slots or the request budget. An item that runs for longer than the finished ones took shows that these were
the short ones, and raises the mean. Waiting for the daily reset is no work, and is estimated separately.
"""

import math
from collections.abc import Sequence
from typing import Final

import attrs

from eversince_async.durable.api import loop_time

MIN_SAMPLES: Final = 3
"""Items that must be finished before any estimate is made."""

NINE_IN_TEN: Final = 1.645
"""Standard deviations to both sides that hold nine in ten."""

# The constants below are fitted to simulated batches with 2 to 20 slots and 6 to 30 requests a minute. From a
# tenth to two thirds of the way, the median is off by 6 % on average, and the range holds nine in ten ends.

REMAINING_SHARE: Final = 0.3
"""The remaining time of an item older than the mean, in means."""

TAIL: Final = 0.2
"""The excess of the last future item over the usual end.

In deviations for each unit of `_expected_maximum`.
"""

TAIL_ACTIVE: Final = 0.35
"""The same for active items, if no other item follows."""

LAST_ITEM_SPREAD: Final = 0.75
"""The spread of the end by the very last item, in deviations."""


@attrs.frozen
class CompletionEstimate:
    """An estimate of the seconds to the end.

    Attributes:
        median: The seconds that are as likely too few as too many.
        deviation: The standard deviation, in seconds.
    """

    median: float
    deviation: float

    @property
    def interval_90(self) -> tuple[float, float]:
        """The seconds between which the end falls nine times in ten."""
        within = NINE_IN_TEN * self.deviation
        return max(0.0, self.median - within), self.median + within


@attrs.define
class ThroughputEstimator:
    """Statistics of item durations (Welford's method) and active time.

    Attributes:
        count: The number of finished items.
        mean: The mean duration of an item, in seconds.
        active_seconds: Seconds in which at least one item was active.
        since: The loop time since which at least one item has been active without a break; None while none
            is.
    """

    count: int = 0
    mean: float = 0.0
    active_seconds: float = 0.0
    since: float | None = None
    _squares: float = 0.0

    def record(self, seconds: float) -> None:
        """Add the duration of a finished item."""
        self.count += 1
        before = seconds - self.mean
        self.mean += before / self.count
        self._squares += before * (seconds - self.mean)

    def set_active(self, *, is_at_work: bool) -> None:
        """Record whether any item is active now.

        The caller does so when an item starts, ends, or waits for the daily reset.
        """
        if is_at_work and self.since is None:
            self.since = loop_time()
        elif not is_at_work and self.since is not None:
            self.active_seconds += loop_time() - self.since
            self.since = None

    @property
    def deviation(self) -> float:
        """The standard deviation of an item's duration, in seconds."""
        return math.sqrt(self._squares / (self.count - 1)) if self.count > 1 else 0.0

    def estimate(self, waiting: int, ages: Sequence[float], abreast: float) -> CompletionEstimate | None:
        """Estimate when all items are done, if no daily quota delays them.

        Args:
            waiting: The number of items that have not started.
            ages: For each other item, the seconds for which it has been active.
            abreast: The number of items that are active at once, at most.

        Returns:
            The estimate; None before enough items are finished.
        """
        worked = self.active_seconds + (0.0 if self.since is None else loop_time() - self.since)
        if self.count < MIN_SAMPLES or not worked or not self.mean:
            return None
        mean, deviation = self._mean_including(ages), self.deviation
        left = [max(mean - age, REMAINING_SHARE * mean) for age in ages]
        progress = sum(age / (age + rest) for age, rest in zip(ages, left, strict=True) if age + rest)
        pace = (self.count + progress) / worked  # items a second
        several = max(1.0, min(pace * mean, abreast, waiting + len(ages)))
        flow = (waiting + len(ages) - progress) / pace
        middle = 0.0
        if waiting:  # at the very end, fewer items are active than there are places
            emptying = mean * (several - 1) / (2 * (several + 1))
            middle = flow + emptying + TAIL * deviation * _expected_maximum(several)
        if left:
            last = max(left)
            close = sum(rest >= last - deviation for rest in left)
            middle = max(middle, last + TAIL_ACTIVE * deviation * _expected_maximum(close))
        spreads = (
            deviation * math.sqrt(waiting + len(ages) - progress) / several,  # of the sum of remaining items
            flow * deviation / mean / math.sqrt(self.count),  # of the mean, which is an estimate
            LAST_ITEM_SPREAD * deviation,
        )
        return CompletionEstimate(middle, math.hypot(*spreads))

    def _mean_including(self, ages: Sequence[float]) -> float:
        """Return the mean that includes active items older than the finished ones."""
        mean = self.mean
        for _ in range(8):
            longer = [age + REMAINING_SHARE * mean for age in ages if age > (1 - REMAINING_SHARE) * mean]
            mean = (self.count * self.mean + sum(longer)) / (self.count + len(longer))
        return mean


def _expected_maximum(several: float) -> float:
    """Return the excess of the longest of several items over the mean.

    In standard deviations, approximately.
    """
    return 0.0 if several < 2 else math.sqrt(2 * math.log(several)) - 0.6
