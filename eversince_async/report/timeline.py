"""The timeline: slots, other stages, waiting items and requests per minute."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Final

from eversince_async.report.charts import ChartBand, budget, waiting
from eversince_async.report.formatting import format_duration, printable
from eversince_async.report.lanes import Block, Lanes, most_at_once, other_lanes, slot_lanes
from eversince_async.report.markup import Markup, join, tag
from eversince_async.report.model import Entry, RequestMinute
from eversince_async.report.scale import STEPS, Scale, Tick, tick_label
from eversince_async.report.stages import IDLE, NAMES, WAITING, Stage

_AXIS: Final = 46
_LANE: Final = 30
_BAR: Final = 24
_SMALL: Final = 18
_THIN: Final = 12

READABLE: Final = 64
"""The least width in pixels that half of the items have before zooming."""

WIDEST: Final = 60_000
"""The greatest width of the chart in pixels."""

NARROWEST: Final = 1000
"""The least width of the chart in pixels, on a usual screen."""

APART: Final = 76
"""The least number of pixels between two labels of the axis."""

_LETTER: Final = 6.4
_MARGIN: Final = 8
"""Pixels of a letter of an item's name, and of the margin beside the name."""


def timeline(
    entries: Sequence[Entry], minutes: Sequence[RequestMinute], limit: int | None, slots: int | None = None
) -> Markup | None:
    """Build the chart with its labels; None if it would be empty.

    Args:
        entries: The items.
        minutes: The requests of each minute.
        limit: The most requests per minute.
        slots: The most projects that were active at once; None if it is not known.
    """
    lanes, others = slot_lanes(entries, slots), other_lanes(entries)
    scale = Scale.of([*_intervals(entries), *((m.at.timestamp(), m.at.timestamp() + 60) for m in minutes)])
    if scale is None:
        return None
    width = _width(lanes, scale)
    bands = [
        _slots(lanes, scale, max(width, NARROWEST)),
        _others(others, scale),
        waiting(entries, scale),
        budget(minutes, limit, scale),
    ]
    return _frame([band for band in bands if band is not None], scale, width)


def legend(entries: Sequence[Entry]) -> Markup:
    """Build the legend of the colours that occur."""
    found = {stage.name for entry in entries for stage in entry.stages} - {WAITING}
    known = [name for name in NAMES if name in found]
    more = sorted(found - set(NAMES))
    swatches = [_swatch(name, NAMES[name]) for name in known]
    if more:
        swatches.append(tag("li", tag("i", class_="sw other"), "Other: " + printable(", ".join(more), 120)))
    if any(entry.status in {"failed", "cancelled"} for entry in entries):
        swatches.append(tag("li", tag("i", class_="sw failed"), tag("b", "failed"), " or was cancelled"))
    return tag("ul", swatches, class_="legend")


def busy_share(entries: Sequence[Entry], slots: int | None = None) -> tuple[int, float] | None:
    """Return the most slots in use and their average occupancy.

    The occupancy is the share of the time during which the slots were taken.

    Args:
        entries: The items.
        slots: The number of slots, if it is known better than from these items.
    """
    lanes = slot_lanes(entries, slots)
    scale = Scale.of(_intervals(entries))
    most = slots or most_at_once(stage for entry in entries for stage in entry.stages)
    if scale is None or not lanes or most is None:
        return None
    shown_for = sum(stretch.end - stretch.begin for stretch in scale.stretches)
    taken = sum(block.end - block.begin for lane in lanes for block in lane)
    return most, min(1.0, taken / (shown_for * most)) if shown_for else 0.0


def _intervals(entries: Iterable[Entry]) -> Iterator[tuple[float, float]]:
    """Yield the intervals in which something happened.

    A long wait, such as a night's wait or the time until another process continues a dead process's work,
    does not count.
    """
    for entry in entries:
        for stage in entry.stages:
            if stage.name not in IDLE or stage.seconds < 600:
                yield stage.began_at.timestamp(), stage.ended_at.timestamp()


def _width(slots: Lanes, scale: Scale) -> int:
    """Return the width in pixels at which most items can be read."""
    lengths = [block.end - block.begin for lane in slots for block in lane]
    usual = median(lengths) if lengths else scale.length
    return round(min(WIDEST, READABLE * scale.length / max(1.0, usual)))


# -- The frame ------------------------------------------------------------------------------------------


def _frame(bands: Sequence[ChartBand], scale: Scale, width: int) -> Markup:
    labels, drawn, top = list[Markup](), list[Markup](), _AXIS
    for band in bands:
        labels += [tag("span", text, style=f"top:{top + middle}px") for middle, text in band.labels]
        drawn.append(tag("g", band.drawn, transform=f"translate(0 {top})"))
        top += band.height + band.gap
    chart = tag(
        "svg",
        _background(scale, top, width),
        drawn,
        class_="chart",
        height=top,
        role="group",
        aria_label="Timeline: slots, deliveries, waiting items and requests over time",
        data_length=round(scale.length),
        data_steps=" ".join(map(str, STEPS)),
    )
    return tag(
        "div",
        tag("div", labels, class_="labels", style=f"height:{top}px", aria_hidden="true"),
        tag(
            "div",
            tag("div", chart, class_="canvas", style=f"width:max(100%,{width}px)", data_width=width),
            class_="scroller",
            tabindex="0",
            role="region",
            aria_label="Timeline, can be scrolled",
        ),
        class_="timeline",
    )


def _background(scale: Scale, height: int, width: int) -> Markup:
    wide = max(width, NARROWEST)
    least = next((level for level, step in enumerate(STEPS) if step / scale.length * wide >= APART), 0)
    marks = [_mark(tick, scale.place(tick.moment), least, height, wide) for tick in scale.ticks()]
    cuts = [
        tag(
            "svg",
            tag("title", f"Nothing happened for {format_duration(seconds)}: left out"),
            tag("rect", width="100%", height="100%"),
            x=f"{at:.3f}%",
            y=_AXIS - 6,
            width=f"{share:.3f}%",
            height=height - _AXIS + 6,
            class_="cut",
        )
        for at, share, seconds in scale.cuts()
    ]
    return join(marks, cuts, _days(scale))


def _days(scale: Scale) -> list[Markup]:
    """Label the first date, and each date that follows a cut.

    A cut that does not change the date gets no label.
    """
    labels, last_day = list[Markup](), None
    for stretch in scale.stretches:
        begin = datetime.fromtimestamp(stretch.begin, UTC)
        if begin.date() != last_day:
            day = f"{begin:%a} {begin.day} {begin:%b %Y}"
            labels.append(tag("text", day, x=f"{scale.place(begin):.3f}%", y=12, class_="day"))
        last_day = datetime.fromtimestamp(stretch.end, UTC).date()
    return labels


def _mark(tick: Tick, x: float, least: int, height: int, width: int) -> Markup:
    pixels = x / 100 * width
    dx, anchor = (-3, "start") if pixels < 20 else (3, "end") if pixels > width - 20 else (0, "middle")
    where = f"{x:.3f}%"
    return tag(
        "g",
        tag("line", x1=where, x2=where, y1=_AXIS - 6, y2=height),
        tag("text", tick_label(tick), x=where, y=_AXIS - 12, dx=dx, text_anchor=anchor),
        class_="tick",
        data_level=tick.level,
        display=None if tick.level >= least else "none",
    )


# -- Slots and what is beside them ----------------------------------------------------------------------


def _slots(lanes: Lanes, scale: Scale, width: int) -> ChartBand | None:
    if not lanes:
        return None
    drawn = list[Markup]()
    for number, lane in enumerate(lanes):
        top = number * _LANE
        drawn.append(tag("rect", y=top, width="100%", height=_BAR, class_="lane", rx=3))
        drawn += [_block(block, scale, top, _BAR, width) for block in lane]
    labels = [(number * _LANE + _BAR // 2, f"Slot {number + 1}") for number in range(len(lanes))]
    return ChartBand(len(lanes) * _LANE, labels, join(drawn))


def _others(lanes: Lanes, scale: Scale) -> ChartBand | None:
    if not lanes:
        return None
    drawn = [
        _block(block, scale, number * _SMALL, _THIN) for number, lane in enumerate(lanes) for block in lane
    ]
    return ChartBand(len(lanes) * _SMALL, [(_THIN // 2, "No slot")], tag("g", drawn, class_="beside"))


def _block(block: Block, scale: Scale, top: int, height: int, width: int | None = None) -> Markup:
    """Draw an item's stages on a lane.

    The item's name is added if the width of the chart in pixels is given.
    """
    left, right = scale.place(block.begin), scale.place(block.end)
    wide = max(right - left, 0.001)

    def within(moment: datetime) -> float:
        return min(100.0, max(0.0, 100 * (scale.place(moment) - left) / wide))

    parts = [
        tag(
            "rect",
            tag("title", _tooltip(block.entry, stage)),
            x=f"{within(stage.began_at):.2f}%",
            width=f"{max(0.0, within(stage.ended_at) - within(stage.began_at)):.2f}%",
            height=height,
            class_=f"s {_look(stage.name)}",
        )
        for stage in block.stages
    ]
    if width is not None:
        parts += _name(block, wide / 100 * width, height)
    return tag("svg", parts, x=f"{left:.4f}%", y=top, width=f"{wide:.4f}%", height=height)


def _name(block: Block, pixels: float, height: int) -> list[Markup]:
    """Build the item's name, and a mark if the item failed.

    The name is hidden if there is no room for it. The mark makes sure that colour alone does not show a
    failure.
    """
    has_failed = block.is_last and block.entry.status in {"failed", "cancelled"}
    name = printable(block.entry.key, 40)
    needs = round(_LETTER * len(name) + _MARGIN + 16 * has_failed)
    label = tag(
        "text",
        name,
        x=5,
        y=height - 8,
        class_="n",
        data_needs=needs,
        display=None if needs <= pixels else "none",
    )
    return [_end_mark(block.entry, height), label] if has_failed else [label]


def _end_mark(entry: Entry, height: int) -> Markup:
    return tag(
        "svg",
        tag("title", f"{printable(entry.key, 80)} {entry.status}"),
        tag("rect", x=-16, width=16, height=height, class_="failed"),
        tag("path", d=f"M-11.5 {height / 2 - 3.5}l7 7m0 -7l-7 7", class_="cross"),
        x="100%",
        overflow="visible",
    )


def _tooltip(entry: Entry, stage: Stage) -> str:
    began, ended = stage.began_at.astimezone(UTC), stage.ended_at.astimezone(UTC)
    when = f"{began:%H:%M:%S}–{ended:%H:%M:%S}"  # noqa: RUF001 - a dash between two times
    parts = (printable(entry.key, 80), printable(stage.name, 40), format_duration(stage.seconds), when)
    return " · ".join(parts)


def _look(name: str) -> str:
    return name if name in NAMES else "other"


def _swatch(name: str, meaning: str) -> Markup:
    return tag("li", tag("i", class_=f"sw {name}"), tag("b", name), f" {meaning}")
