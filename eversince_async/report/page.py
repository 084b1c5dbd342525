"""The page for people: one HTML file with everything but the videos.

A browser can open the file however many items there are: beyond the limits below, the page says what is left
out, and which report has it.
"""

import base64
import hashlib
import os
from collections import deque
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import attrs

from eversince_async.report.charts import gaps_in, minutes_of
from eversince_async.report.errors import error_section
from eversince_async.report.files import atomic_write
from eversince_async.report.formatting import clock_time, plural, printable
from eversince_async.report.gallery import gallery
from eversince_async.report.item_table import item_table
from eversince_async.report.markup import Markup, join, tag
from eversince_async.report.model import Entries, Entry, Overview
from eversince_async.report.summary import figures, headline, pause
from eversince_async.report.timeline import busy_share, legend, timeline

VIDEOS: Final = 600
"""The most videos in the gallery: those that were finished first."""

PROBLEMS: Final = 600
"""The most items without success that are shown."""

DRAWN: Final = 2000
"""The most items in the timeline and in the list: those that ended last."""

POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src '{script}'; media-src 'self' file:; "
    "base-uri 'none'; form-action 'none'"
)
"""The page's content security policy: it lets no content load anything but videos beside the page."""


@attrs.define
class _Selection:
    """The items that the page shows, selected in one pass."""

    videos: list[Entry] = attrs.field(factory=list[Entry])
    problems: list[Entry] = attrs.field(factory=list[Entry])
    last: deque[Entry] = attrs.field(factory=lambda: deque(maxlen=DRAWN))
    succeeded: int = 0
    others: int = 0

    def take(self, entry: Entry) -> None:
        self.last.append(entry)
        if entry.status == "succeeded":
            self.succeeded += 1
            if len(self.videos) < VIDEOS:
                self.videos.append(entry)
        if entry.status != "succeeded" or entry.problem is not None:
            self.others += 1
            if len(self.problems) < PROBLEMS:
                self.problems.append(entry)


def write_html(path: str | os.PathLike[str], overview: Overview, entries: Entries) -> None:
    """Write the page.

    Raises:
        OSError: The file cannot be written; an existing file stays as it was.
    """
    with atomic_write(path) as file:
        file.write(page(overview, entries, Path(os.path.realpath(path)).parent))


def page(overview: Overview, entries: Entries, folder: Path) -> str:
    """Build the page as text.

    Args:
        overview: The facts about all items together.
        entries: The items, in the order in which they ended or stand in the journal.
        folder: The folder of the page; links to videos are relative to it.
    """
    selection = _Selection()
    for entry in entries:
        selection.take(entry)
    sections = [
        _problems_section(selection),
        _videos_section(selection, folder),
        _timeline_section(selection, overview),
        _list_section(selection),
    ]
    present = [section for section in sections if section is not None]
    return "<!DOCTYPE html>\n" + tag(
        "html",
        _head(overview),
        tag(
            "body",
            tag("a", "Skip to the content", href="#main", class_="skip"),
            _header(overview, [(name, anchor) for name, anchor, _ in present], selection),
            tag("main", pause(overview), [section for _, _, section in present], id="main"),
            _footer(overview),
            tag("script", Markup(_script())),
        ),
        lang="en",
    )


Section = tuple[str, str, Markup]
"""A section: its name in the menu, its anchor and its markup."""


def _head(overview: Overview) -> Markup:
    digest = base64.b64encode(hashlib.sha256(_script().encode()).digest()).decode()
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY.format(script=f"sha256-{digest}")),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{printable(overview.title, 80)} – batch report"),  # noqa: RUF001 - a dash between two parts
        tag("style", Markup(_read_resource("page.css"))),
    )


def _header(overview: Overview, sections: Sequence[tuple[str, str]], selection: _Selection) -> Markup:
    menu = [tag("a", name, href=f"#{anchor}") for name, anchor in sections]
    return tag(
        "header",
        tag("p", "Batch report", class_="kicker"),
        tag("h1", tag("bdi", printable(overview.title, 120))),
        tag("p", headline(overview, selection.last), class_="lead"),
        figures(overview, selection.last),
        tag(
            "nav",
            menu,
            tag(
                "label",
                tag("span", "Filter"),
                tag("input", type="search", id="filter", placeholder="key or words of the brief"),
                class_="filter",
                hidden=True,
            ),
            aria_label="Sections",
        ),
    )


def _section(
    name: str, anchor: str, *children: Markup | list[Markup] | None, count: int | None = None
) -> Section:
    heading = tag("h2", name, " ", None if count is None else tag("span", f"{count:,}", class_="count"))
    return name, anchor, tag("section", heading, *children, id=anchor)


def _problems_section(selection: _Selection) -> Section | None:
    if not selection.problems:
        return None
    statuses = {entry.status for entry in selection.problems}
    name = "What failed" if statuses & {"failed", "cancelled"} else "Not finished"
    if statuses == {"succeeded"}:
        name = "Files that are missing"
    cut = _omitted_note(selection.others, len(selection.problems), "the first")
    return _section(name, "problems", cut, error_section(selection.problems), count=selection.others)


def _videos_section(selection: _Selection, folder: Path) -> Section | None:
    if not selection.videos:
        return None
    cut = _omitted_note(selection.succeeded, len(selection.videos), "the first")
    return _section("Videos", "videos", cut, gallery(selection.videos, folder), count=selection.succeeded)


def _timeline_section(selection: _Selection, overview: Overview) -> Section | None:
    entries = list(selection.last)
    items = selection.succeeded + selection.others
    minutes = minutes_of(overview.minutes, entries, all_shown=items <= DRAWN)
    chart = timeline(entries, minutes, overview.requests_per_minute, overview.slots)
    if chart is None:
        return None
    words = ["Times are UTC. Point at anything to read what it is."]
    busy = busy_share(entries, overview.slots)
    if busy is not None and busy[0] > 1:
        words.insert(0, f"The {busy[0]} slots were busy {busy[1]:.0%} of the time.")
    if gaps_in(overview.minutes):
        words.append("Requests are shown as far as the runs could record them.")
    zoom = [
        tag("button", "−", type="button", id="out", aria_label="Zoom out"),  # noqa: RUF001 - a minus
        tag("button", "Fit", type="button", id="fit"),
        tag("button", "+", type="button", id="in", aria_label="Zoom in"),
    ]
    return _section(
        "Timeline",
        "timeline",
        _omitted_note(items, len(entries), "the last"),
        tag("p", " ".join(words), class_="note"),
        tag("div", legend(entries), tag("div", zoom, class_="zoom", hidden=True), class_="bar"),
        chart,
        _budget_legend() if minutes else None,
    )


def _budget_legend() -> Markup:
    kinds = (
        ("work", "creates, renders, shares"),
        ("looks", "looks at projects"),
        ("rest", "other requests"),
    )
    swatches = [tag("li", tag("i", class_=f"sw r {name}"), meaning) for name, meaning in kinds]
    swatches.append(tag("li", tag("i", class_="sw failed"), "requests refused in that minute"))
    return tag("ul", swatches, class_="legend requests")


def _list_section(selection: _Selection) -> Section | None:
    entries = list(selection.last)
    if not entries:
        return None
    items = selection.succeeded + selection.others
    cut = _omitted_note(items, len(entries), "the last")
    return _section("All items", "items", cut, item_table(entries), count=items)


def _omitted_note(items: int, count: int, which: str) -> Markup | None:
    if count >= items:
        return None
    text = f"These are {which} {count:,} of {items:,}: more would be too much for a browser."
    return tag("p", text, " The CSV and JSON reports have all.", class_="note cut-off")


def _footer(overview: Overview) -> Markup:
    notes = [tag("p", printable(note)) for note in overview.notes]
    origin = (
        f"Made {clock_time(overview.made_at)} UTC of {plural(overview.items, 'item')}, by eversince_async."
    )
    return tag("footer", notes, tag("p", origin))


@cache
def _script() -> str:
    return _read_resource("page.js")


def _read_resource(name: str) -> str:
    return join(Markup(files("eversince_async.report").joinpath(name).read_text("utf-8")))
