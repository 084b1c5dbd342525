"""When a look is likely to find something new, by how long stages have taken so far."""

from bisect import bisect_right, insort
from collections import deque
from typing import Final

import attrs

SAMPLE_SIZE: Final = 256
"""Stages of each kind that are remembered, the latest ones: what is made changes over the day."""


@attrs.frozen
class StageInProgress:
    """A stage whose end is awaited.

    Attributes:
        kind: Which stage; those of one kind take alike.
        began_at: When it began, in loop time.
    """

    kind: str
    began_at: float


class DurationModel:
    """Learns how long stages take, and says how likely one ends between two moments.

    What has been seen counts by its frequency. Beside it stands one stage that nobody has seen, which may
    end at any time, the less likely the longer it has lasted already: so nothing is ruled out by a few
    samples, and without any we look often at first and more and more rarely.
    """

    def __init__(self) -> None:
        self._latest: dict[str, deque[float]] = {}
        self._sorted: dict[str, list[float]] = {}

    def record(self, kind: str, seconds: float) -> None:
        """A stage has taken so long."""
        latest = self._latest.setdefault(kind, deque())
        ordered = self._sorted.setdefault(kind, [])
        if len(latest) == SAMPLE_SIZE:
            ordered.remove(latest.popleft())
        latest.append(seconds)
        insort(ordered, seconds)

    def completion_probability(self, stage: StageInProgress | None, since: float, until: float) -> float:
        """How likely it is that a stage, not over at `since`, is over by `until` (loop time)."""
        if until <= since:
            return 0.0
        if stage is None:
            return 0.5 * (until - since) / (until - since + 60.0)  # nothing is known about it
        lasted, will_have = since - stage.began_at, until - stage.began_at
        ordered = self._sorted.get(stage.kind, [])
        longer = len(ordered) - bisect_right(ordered, lasted)
        ended = longer - (len(ordered) - bisect_right(ordered, will_have))
        return (ended + (will_have - lasted) / will_have) / (longer + 1)
