"""The list of all items: the chart's content in words and numbers."""

from collections.abc import Sequence
from typing import Final

from eversince_async.report.formatting import clock_time, format_duration, link_url, printable
from eversince_async.report.markup import ELSEWHERE, Markup, tag
from eversince_async.report.model import Entry

_STAGES: Final = (
    ("Waited", ("waiting",)),
    ("Agent", ("creating", "queued", "running", "generating")),
    ("Render", ("rendering",)),
)


def item_table(entries: Sequence[Entry]) -> Markup:
    """Build the list, folded until the reader opens it."""
    head = ["Item", "Status", "Brief", "Began (UTC)", "Took", *(name for name, _ in _STAGES), "Page"]
    table = tag(
        "table",
        tag("caption", "Each item, when it began, and how long it was in each stage"),
        tag("thead", tag("tr", [tag("th", name, scope="col") for name in head])),
        tag("tbody", [_row(entry) for entry in entries]),
    )
    scroller = tag(
        "div", table, class_="wide", tabindex="0", role="region", aria_label="All items, can be scrolled"
    )
    return tag("details", tag("summary", "Show the list"), scroller)


def _row(entry: Entry) -> Markup:
    share = link_url(entry.share_url)
    page = tag("a", "open", href=share, **ELSEWHERE) if share else entry.share_problem
    return tag(
        "tr",
        tag("th", tag("bdi", printable(entry.key, 80)), scope="row"),
        tag("td", tag("span", entry.status, class_=f"status {entry.status}")),
        tag("td", printable(entry.brief, 120), class_="brief", dir="auto"),
        tag("td", clock_time(entry.began_at)),
        tag("td", format_duration(entry.seconds)),
        [tag("td", _describe(entry.seconds_in(*names))) for _, names in _STAGES],
        tag("td", page or "–"),  # noqa: RUF001 - nothing there
        data_find=printable(f"{entry.key} {entry.title or ''} {entry.brief}", 300).casefold(),
    )


def _describe(seconds: float | None) -> str:
    return "–" if seconds is None else format_duration(seconds)  # noqa: RUF001 - nothing there
