"""Time along an axis, with long stretches in which nothing happened cut short."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

LEAST_BREAK: Final = 20 * 60.0
"""Seconds of nothing that are worth cutting out, at least."""

SHARE_OF_BREAK: Final = 0.08
"""Nothing that takes a smaller share than this of the time in which something happened is cut out."""

WIDTH_OF_BREAK: Final = 0.02
"""Share of the busy time that a cut takes on the axis."""

STEPS: Final = (1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 12 * 3600, 86_400, 7 * 86_400, 28 * 86_400)
"""Seconds between ticks; each divides the next, so that fewer ticks are always some of the more."""

MOST_TICKS: Final = 500


@attrs.frozen
class Segment:
    """A piece of the axis in which something happened.

    Attributes:
        begin: When it begins, in Unix seconds.
        end: When it ends.
        at: Where it begins on the axis, in seconds from its start.
    """

    begin: float
    end: float
    at: float


@attrs.frozen
class Tick:
    """A mark on the axis.

    Attributes:
        moment: The time it marks.
        level: Index in `STEPS` of the widest step whose ticks it belongs to.
    """

    moment: datetime
    level: int


class Scale:
    """From moments to places on the axis, in percent of its length.

    Args:
        stretches: The pieces in which something happened, in order.

    Attributes:
        length: Seconds the axis shows, cuts included.
    """

    def __init__(self, stretches: Sequence[Segment], cut: float) -> None:
        self.stretches = stretches
        self._begins = [stretch.begin for stretch in stretches]
        self._cut = cut
        last = stretches[-1]
        self.length = max(1.0, last.at + last.end - last.begin)

    @classmethod
    def of(cls, intervals: Iterable[tuple[float, float]]) -> "Scale | None":
        """The axis for what happened in these intervals of Unix seconds; None if nothing did."""
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
        """Where a moment is, in percent; what lies in a cut is at its beginning."""
        seconds = moment.timestamp() if isinstance(moment, datetime) else moment
        stretch = self.stretches[max(0, bisect_right(self._begins, seconds) - 1)]
        within = min(max(0.0, seconds - stretch.begin), stretch.end - stretch.begin)
        return 100 * (stretch.at + within) / self.length

    def cuts(self) -> list[tuple[float, float, float]]:
        """Where the axis is cut: begin and width in percent, and the seconds that are left out."""
        width = 100 * self._cut / self.length
        return [
            (100 * (later.at - self._cut) / self.length, width, later.begin - earlier.end)
            for earlier, later in zip(self.stretches, self.stretches[1:], strict=False)
        ]

    def ticks(self) -> list[Tick]:
        """Marks at round times, as many as make sense at the closest look."""
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
    """What stands at a tick: the time, or the day where one begins."""
    moment = tick.moment
    if moment - moment.replace(hour=0, minute=0, second=0) < timedelta(seconds=1):
        return f"{moment:%d %b}".lstrip("0")
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
