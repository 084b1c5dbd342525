"""The strips below the slots: waiting items and requests per minute."""

from collections.abc import Sequence
from datetime import UTC
from itertools import pairwise
from typing import Final

import attrs

from eversince_async.report.formatting import plural
from eversince_async.report.lanes import max_waiting
from eversince_async.report.markup import EMPTY, Markup, join, tag
from eversince_async.report.model import Entry, RequestMinute
from eversince_async.report.scale import Scale

COLUMNS: Final = 900
"""The number of columns of time in the strip of waiting items."""

MOST_BARS: Final = 1500
"""The most bars of requests; for more minutes, several minutes share a bar."""

_STRIP: Final = 42
_BUDGET: Final = 96


@attrs.frozen
class ChartBand:
    """A horizontal band of the chart.

    Attributes:
        height: The height in pixels.
        labels: The labels beside the band, each with its distance from the top in pixels.
        drawn: The markup of the content.
        gap: Pixels between this band and the next.
    """

    height: int
    labels: Sequence[tuple[int, str]]
    drawn: Markup
    gap: int = 16


def waiting(entries: Sequence[Entry], scale: Scale) -> ChartBand | None:
    """Draw the number of waiting items, as steps; None if none waited."""
    edges = _edges(scale)
    counts = max_waiting(entries, edges)
    most = max(counts, default=0)
    if not most:
        return None
    steps, at = list[Markup](), 0
    while at < len(counts):
        last = at
        while last + 1 < len(counts) and counts[last + 1] == counts[at]:
            last += 1
        if counts[at]:
            height = _STRIP * counts[at] / most
            left, right = scale.place(edges[at]), scale.place(edges[last + 1])
            steps.append(
                tag(
                    "rect",
                    tag("title", f"{plural(counts[at], 'item')} waiting"),
                    x=f"{left:.3f}%",
                    width=f"{right - left:.3f}%",
                    y=f"{_STRIP - height:.1f}",
                    height=f"{height:.1f}",
                    class_="wait",
                )
            )
        at = last + 1
    labels = [(_STRIP // 2, "Waiting"), (_STRIP // 2 + 14, f"up to {most:,}")]
    return ChartBand(_STRIP, labels, join(_floor(_STRIP), steps))


def _edges(scale: Scale) -> list[float]:
    """Return the times that divide the axis into columns.

    Each segment of the axis begins at such a time.
    """
    edges = list[float]()
    for stretch in scale.stretches:
        long = stretch.end - stretch.begin
        count = max(1, round(COLUMNS * long / scale.length))
        edges += [stretch.begin + long * n / count for n in range(count)]
    return [*edges, scale.stretches[-1].end]


def _floor(height: int) -> Markup:
    return tag("line", x1="0", x2="100%", y1=height, y2=height, class_="floor")


def budget(minutes: Sequence[RequestMinute], limit: int | None, scale: Scale) -> ChartBand | None:
    """Draw the requests of each minute against the limit."""
    if not minutes:
        return None
    bars = _group_minutes(minutes)
    most = max([limit or 1, *(minute.requests / count for minute, count in bars)])
    shapes = [_bar(minute, count, most, scale) for minute, count in bars]
    line = EMPTY
    labels = [(10, "Requests"), (24, "a minute")]
    if limit is not None:
        y = _BUDGET - _BUDGET * limit / most
        line = tag(
            "line", tag("title", f"Limit: {limit} a minute"), x1="0", x2="100%", y1=y, y2=y, class_="limit"
        )
        labels = [
            (round(y) + 5, f"Limit {limit}"),
            (_BUDGET // 2, "Requests"),
            (_BUDGET // 2 + 14, "a minute"),
        ]
    return ChartBand(_BUDGET, labels, join(_floor(_BUDGET), shapes, line), gap=8)


def _group_minutes(minutes: Sequence[RequestMinute]) -> list[tuple[RequestMinute, int]]:
    """Group the minutes, one group for each bar, with its size.

    A group holds several minutes only if there are more than `MOST_BARS`.
    """
    several = -(-len(minutes) // MOST_BARS)
    groups = [minutes[n : n + several] for n in range(0, len(minutes), several)]
    return [
        (
            RequestMinute(
                group[0].at,
                work=sum(minute.work for minute in group),
                looks=sum(minute.looks for minute in group),
                other=sum(minute.other for minute in group),
                refused=sum(minute.refused for minute in group),
            ),
            len(group),
        )
        for group in groups
    ]


def _bar(minute: RequestMinute, count: int, most: float, scale: Scale) -> Markup:
    begin = minute.at.timestamp()
    left, right = scale.place(begin), scale.place(begin + 60.0 * count)
    if right <= left:
        return EMPTY
    heights = [_BUDGET * part / count / most for part in (minute.work, minute.looks, minute.other)]
    tops = [_BUDGET - sum(heights[: n + 1]) for n in range(3)]
    where = {"x": f"{left:.3f}%", "width": f"{(right - left) * 0.94:.3f}%"}
    parts = [
        tag("rect", y=f"{top:.1f}", height=f"{height:.1f}", class_=f"r {name}", **where)
        for name, top, height in zip(("work", "looks", "rest"), tops, heights, strict=True)
        if height
    ]
    if minute.refused:
        parts.append(tag("rect", y=-7, height=5, class_="failed", **where))
    return tag("g", tag("title", _bar_tooltip(minute, count)), parts)


def _bar_tooltip(minute: RequestMinute, count: int) -> str:
    every = "" if count == 1 else f" in {count} minutes"
    refused = f"; {minute.refused} refused" if minute.refused else ""
    kinds = f"{minute.work} work, {minute.looks} looks, {minute.other} other"
    at = f"{minute.at.astimezone(UTC):%H:%M}"
    return f"{at} · {plural(minute.requests, 'request')}{every}: {kinds}{refused}"


def minutes_of(
    minutes: Sequence[RequestMinute], entries: Sequence[Entry], *, all_shown: bool
) -> Sequence[RequestMinute]:
    """Select the minutes of the time that the chart shows."""
    if all_shown:
        return minutes
    begins = [stage.began_at for entry in entries for stage in entry.stages]
    first = min(begins, default=None)
    return [minute for minute in minutes if first is None or minute.at >= first]


def gaps_in(minutes: Sequence[RequestMinute]) -> bool:
    """Return True if minutes are missing between the first and the last."""
    return any((later.at - earlier.at).total_seconds() > 90 for earlier, later in pairwise(minutes))
