"""The time axis, with long stretches without events cut short."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

LEAST_BREAK: Final = 20 * 60.0
"""Seconds without events that are cut out, at least."""

SHARE_OF_BREAK: Final = 0.08
"""The least length of a cut, as a share of the time with events."""

WIDTH_OF_BREAK: Final = 0.02
"""The width of a cut on the axis, as a share of the time with events."""

STEPS: Final = (1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 12 * 3600, 86_400, 7 * 86_400, 28 * 86_400)
"""Seconds between ticks; each divides the next, so that fewer ticks are a subset of more ticks."""

MOST_TICKS: Final = 500


@attrs.frozen
class Segment:
    """A part of the axis in which something happened.

    Attributes:
        begin: The time at which the segment begins, in Unix seconds.
        end: The time at which the segment ends.
        at: The position at which the segment begins, in seconds from the start of the axis.
    """

    begin: float
    end: float
    at: float


@attrs.frozen
class Tick:
    """A mark on the axis.

    Attributes:
        moment: The time of the mark.
        level: The index in `STEPS` of the widest step whose ticks include this one.
    """

    moment: datetime
    level: int


class Scale:
    """The conversion of times to positions on the axis, in percent.

    Args:
        stretches: The segments in which something happened, in order.
        cut: The width of a cut, in seconds of the axis.

    Attributes:
        length: The length of the axis in seconds, cuts included.
    """

    def __init__(self, stretches: Sequence[Segment], cut: float) -> None:
        self.stretches = stretches
        self._begins = [stretch.begin for stretch in stretches]
        self._cut = cut
        last = stretches[-1]
        self.length = max(1.0, last.at + last.end - last.begin)

    @classmethod
    def of(cls, intervals: Iterable[tuple[float, float]]) -> "Scale | None":
        """Build the axis for intervals of Unix seconds; None without any."""
        merged = _merge(sorted(intervals))
        if not merged:
            return None
        shortest = max(LEAST_BREAK, SHARE_OF_BREAK * sum(end - begin for begin, end in merged))
        pieces = _merge(merged, bridging=shortest)
        cut = WIDTH_OF_BREAK * sum(end - begin for begin, end in pieces)
        stretches, at = list[Segment](), 0.0
        for begin, end in pieces:
            stretches.append(Segment(begin, end, at))
            at += end - begin + cut
        return cls(stretches, cut)

    def place(self, moment: datetime | float) -> float:
        """Return a time's position, in percent.

        A time within a cut has the position at which the cut begins.
        """
        seconds = moment.timestamp() if isinstance(moment, datetime) else moment
        stretch = self.stretches[max(0, bisect_right(self._begins, seconds) - 1)]
        within = min(max(0.0, seconds - stretch.begin), stretch.end - stretch.begin)
        return 100 * (stretch.at + within) / self.length

    def cuts(self) -> list[tuple[float, float, float]]:
        """Return the cuts of the axis.

        Each has its beginning and its width in percent, and the seconds that are left out.
        """
        width = 100 * self._cut / self.length
        return [
            (100 * (later.at - self._cut) / self.length, width, later.begin - earlier.end)
            for earlier, later in zip(self.stretches, self.stretches[1:], strict=False)
        ]

    def ticks(self) -> list[Tick]:
        """Return marks at round times, as many as the closest zoom needs."""
        shown = sum(stretch.end - stretch.begin for stretch in self.stretches)
        finest = next(
            (level for level, step in enumerate(STEPS) if shown / step <= MOST_TICKS), len(STEPS) - 1
        )
        step = STEPS[finest]
        ticks: list[Tick] = []
        for stretch in self.stretches:
            second = -(-stretch.begin // step) * step
            while second <= stretch.end:
                level = max(n for n, wider in enumerate(STEPS) if n == finest or second % wider == 0)
                ticks.append(Tick(datetime.fromtimestamp(second, UTC), max(level, finest)))
                second += step
        return ticks


def _merge(intervals: Sequence[tuple[float, float]], bridging: float = 0.0) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for begin, end in intervals:
        if merged and begin - merged[-1][1] <= bridging:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((begin, max(begin, end)))
    return merged


def tick_label(tick: Tick) -> str:
    """Return a tick's label: the time, or the date at midnight."""
    moment = tick.moment
    if moment - moment.replace(hour=0, minute=0, second=0) < timedelta(seconds=1):
        return f"{moment:%d %b}".lstrip("0")
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
