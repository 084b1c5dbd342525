"""How fast a batch goes, and when it will be done: as likely later as sooner, with how far that may be off.

What counts is what has been done in the time that something was at work, the begun half of what is at work
included: that is the pace, whatever it is that keeps it from being faster, slots or the request budget. What
runs for longer than the finished have taken shows that these were the short ones, and raises their mean.
Waiting for another day is no work, and is reckoned apart.
"""

import math
from collections.abc import Sequence
from typing import Final

import attrs

from eversince_async.durable.api import loop_time

MIN_SAMPLES: Final = 3
"""Items that must have been finished before anything is said about the end."""

NINE_IN_TEN: Final = 1.645
"""Standard deviations to both sides that hold nine in ten."""

# Fitted to simulated batches with 2 to 20 slots and 6 to 30 requests a minute: from a tenth to two thirds of
# the way, the middle is off by 6 % on average, and nine in ten ends are in the range.

REMAINING_SHARE: Final = 0.3
"""What an item that has outlasted the mean still needs, as part of the mean."""

TAIL: Final = 0.2
"""How far the last of those to come outlasts the usual end, in deviations for each of `_expected_maximum`."""

TAIL_ACTIVE: Final = 0.35
"""The same of those at work already, when none is to come."""

LAST_ITEM_SPREAD: Final = 0.75
"""How much the very last item spreads the end, in deviations."""


@attrs.frozen
class CompletionEstimate:
    """Seconds until the end.

    Attributes:
        median: As likely too few as too many.
        deviation: Its standard deviation.
    """

    median: float
    deviation: float

    @property
    def interval_90(self) -> tuple[float, float]:
        """Between which seconds the end comes nine times in ten."""
        within = NINE_IN_TEN * self.deviation
        return max(0.0, self.median - within), self.median + within


@attrs.define
class ThroughputEstimator:
    """How long items have taken (Welford's method), and for how long any was at work.

    Attributes:
        count: Items finished.
        mean: Seconds one took.
        active_seconds: Seconds in which at least one was at work.
        since: Since when at least one is at work without a break, in loop time; None while none is.
    """

    count: int = 0
    mean: float = 0.0
    active_seconds: float = 0.0
    since: float | None = None
    _squares: float = 0.0

    def record(self, seconds: float) -> None:
        """One more is finished."""
        self.count += 1
        before = seconds - self.mean
        self.mean += before / self.count
        self._squares += before * (seconds - self.mean)

    def set_active(self, *, is_at_work: bool) -> None:
        """Something has begun or ended, or waits for another day; now something is at work, or nothing is."""
        if is_at_work and self.since is None:
            self.since = loop_time()
        elif not is_at_work and self.since is not None:
            self.active_seconds += loop_time() - self.since
            self.since = None

    @property
    def deviation(self) -> float:
        """Standard deviation of how long one takes."""
        return math.sqrt(self._squares / (self.count - 1)) if self.count > 1 else 0.0

    def estimate(self, waiting: int, ages: Sequence[float], abreast: float) -> CompletionEstimate | None:
        """When all are done that are at work or wait for it, if no day's limit is in the way.

        Args:
            waiting: How many are not begun.
            ages: For how long each of the others has been at work.
            abreast: How many are at work at once, at most.
        """
        worked = self.active_seconds + (0.0 if self.since is None else loop_time() - self.since)
        if self.count < MIN_SAMPLES or not worked or not self.mean:
            return None
        mean, deviation = self._mean_including(ages), self.deviation
        left = [max(mean - age, REMAINING_SHARE * mean) for age in ages]
        begun = sum(age / (age + rest) for age, rest in zip(ages, left, strict=True) if age + rest)
        pace = (self.count + begun) / worked  # items a second
        several = max(1.0, min(pace * mean, abreast, waiting + len(ages)))
        flow = (waiting + len(ages) - begun) / pace
        middle = 0.0
        if waiting:  # at the very end there are fewer at work than places
            emptying = mean * (several - 1) / (2 * (several + 1))
            middle = flow + emptying + TAIL * deviation * _expected_maximum(several)
        if left:
            last = max(left)
            close = sum(rest >= last - deviation for rest in left)
            middle = max(middle, last + TAIL_ACTIVE * deviation * _expected_maximum(close))
        spreads = (
            deviation * math.sqrt(waiting + len(ages) - begun) / several,  # of the sum of those to come
            flow * deviation / mean / math.sqrt(self.count),  # of the mean, which is only estimated
            LAST_ITEM_SPREAD * deviation,
        )
        return CompletionEstimate(middle, math.hypot(*spreads))

    def _mean_including(self, ages: Sequence[float]) -> float:
        """The mean when those at work are counted, too, that have outlasted the others."""
        mean = self.mean
        for _ in range(8):
            longer = [age + REMAINING_SHARE * mean for age in ages if age > (1 - REMAINING_SHARE) * mean]
            mean = (self.count * self.mean + sum(longer)) / (self.count + len(longer))
        return mean


def _expected_maximum(several: float) -> float:
    """By how many standard deviations the longest of several exceeds the mean, about."""
    return 0.0 if several < 2 else math.sqrt(2 * math.log(several)) - 0.6
