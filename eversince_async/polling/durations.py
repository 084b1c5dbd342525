"""Estimates of when stages end, by how long earlier ones took."""

from bisect import bisect_right, insort
from collections import deque
from typing import Final

import attrs

SAMPLE_SIZE: Final = 256
"""The number of durations that are remembered for each kind of stage.

Only the latest count, because the kind of videos that are made changes over the day.
"""


@attrs.frozen
class StageInProgress:
    """A stage whose end is awaited.

    Attributes:
        kind: The kind of the stage; stages of one kind take similar times.
        began_at: The time at which the stage began, in loop time.
    """

    kind: str
    began_at: float


class DurationModel:
    """A model of how long stages take.

    It returns how likely a stage ends between two moments. Each observed duration counts once. Beside them
    the model counts one imaginary stage that may end at any time, and the longer it has lasted, the less
    likely: so a few samples exclude no duration, and without samples polls are frequent at first and then
    ever rarer.
    """

    def __init__(self) -> None:
        self._latest: dict[str, deque[float]] = {}
        self._sorted: dict[str, list[float]] = {}

    def record(self, kind: str, seconds: float) -> None:
        """Record how long a stage took, in seconds."""
        latest = self._latest.setdefault(kind, deque())
        ordered = self._sorted.setdefault(kind, [])
        if len(latest) == SAMPLE_SIZE:
            ordered.remove(latest.popleft())
        latest.append(seconds)
        insort(ordered, seconds)

    def completion_probability(self, stage: StageInProgress | None, since: float, until: float) -> float:
        """Return the probability that a stage ends between two moments.

        Args:
            stage: The stage; None if nothing is known about it.
            since: A moment at which the stage had not ended, in loop time.
            until: The later moment, in loop time.
        """
        if until <= since:
            return 0.0
        if stage is None:
            return 0.5 * (until - since) / (until - since + 60.0)  # nothing is known about it
        age, later_age = since - stage.began_at, until - stage.began_at
        ordered = self._sorted.get(stage.kind, [])
        longer = len(ordered) - bisect_right(ordered, age)
        endings = longer - (len(ordered) - bisect_right(ordered, later_age))
        return (endings + (later_age - age) / later_age) / (longer + 1)
