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

from eversince_async.orchestrator.desk import now

ENOUGH: Final = 3
"""Items that must have been finished before anything is said about the end."""

NINE_IN_TEN: Final = 1.645
"""Standard deviations to both sides that hold nine in ten."""

STILL: Final = 0.3
"""What an item that has outlasted the mean still needs, as part of the mean."""


@attrs.frozen
class Forecast:
    """Seconds until the end.

    Attributes:
        middle: As likely too few as too many.
        deviation: Its standard deviation.
    """

    middle: float
    deviation: float

    @property
    def nine_in_ten(self) -> tuple[float, float]:
        """Between which seconds the end comes nine times in ten."""
        within = NINE_IN_TEN * self.deviation
        return max(0.0, self.middle - within), self.middle + within


@attrs.define
class Pace:
    """How long items have taken (Welford's method), and for how long any was at work.

    Attributes:
        count: Items finished.
        mean: Seconds one took.
        worked: Seconds in which at least one was at work.
        since: Since when at least one is at work without a break, in loop time; None while none is.
    """

    count: int = 0
    mean: float = 0.0
    worked: float = 0.0
    since: float | None = None
    _squares: float = 0.0

    def ended(self, seconds: float) -> None:
        """One more is finished."""
        self.count += 1
        before = seconds - self.mean
        self.mean += before / self.count
        self._squares += before * (seconds - self.mean)

    def goes_on(self, *, is_at_work: bool) -> None:
        """Something has begun or ended, or waits for another day; now something is at work, or nothing is."""
        if is_at_work and self.since is None:
            self.since = now()
        elif not is_at_work and self.since is not None:
            self.worked += now() - self.since
            self.since = None

    @property
    def deviation(self) -> float:
        """Standard deviation of how long one takes."""
        return math.sqrt(self._squares / (self.count - 1)) if self.count > 1 else 0.0

    def to_come(self, waiting: int, ages: Sequence[float], abreast: float) -> Forecast | None:
        """When all are done that are at work or wait for it, if no day's limit is in the way.

        Args:
            waiting: How many are not begun.
            ages: For how long each of the others has been at work.
            abreast: How many are at work at once, at most.
        """
        worked = self.worked + (0.0 if self.since is None else now() - self.since)
        if self.count < ENOUGH or not worked:
            return None
        mean, deviation = self._mean_with(ages), self.deviation
        left = [max(mean - age, STILL * mean) for age in ages]
        begun = sum(age / (age + rest) for age, rest in zip(ages, left, strict=True) if age + rest)
        pace = (self.count + begun) / worked  # items a second
        several = max(1.0, min(pace * mean, abreast, waiting + len(ages)))
        flow = (waiting + len(ages) - begun) / pace
        middle = 0.0
        if waiting:  # at the very end there are fewer at work than places
            middle = (
                flow + mean * (several - 1) / (2 * (several + 1)) + 0.2 * deviation * _longest_of(several)
            )
        if left:
            last = max(left)
            close = sum(rest >= last - deviation for rest in left)
            middle = max(middle, last + 0.35 * deviation * _longest_of(close))
        spreads = (
            deviation * math.sqrt(waiting + len(ages) - begun) / several,  # of the sum of those to come
            flow * deviation / mean / math.sqrt(self.count),  # of the mean, which is only estimated
            0.75 * deviation,  # of the very last one
        )
        return Forecast(middle, math.hypot(*spreads))

    def _mean_with(self, ages: Sequence[float]) -> float:
        """The mean when those at work are counted, too, that have outlasted the others."""
        mean = self.mean
        for _ in range(8):
            longer = [age + STILL * mean for age in ages if age > (1 - STILL) * mean]
            mean = (self.count * self.mean + sum(longer)) / (self.count + len(longer))
        return mean


def _longest_of(several: float) -> float:
    """By how many standard deviations the longest of several exceeds the mean, about."""
    return 0.0 if several < 2 else math.sqrt(2 * math.log(several)) - 0.6
