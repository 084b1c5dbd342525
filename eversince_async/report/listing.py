"""The list of all items: what the chart shows, in words and numbers."""

from collections.abc import Sequence
from typing import Final

from eversince_async.report.entries import Entry
from eversince_async.report.markup import ELSEWHERE, Markup, tag
from eversince_async.report.texts import clock_time, shown, shown_url, spelled

_STAGES: Final = (
    ("Waited", ("waiting",)),
    ("Agent", ("creating", "queued", "running", "generating")),
    ("Render", ("rendering",)),
)


def listing(entries: Sequence[Entry]) -> Markup:
    """The list, folded: whoever wants it opens it."""
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
    share = shown_url(entry.share_url)
    page = tag("a", "open", href=share, **ELSEWHERE) if share else entry.share_problem
    return tag(
        "tr",
        tag("th", tag("bdi", shown(entry.key, 80)), scope="row"),
        tag("td", tag("span", entry.status, class_=f"status {entry.status}")),
        tag("td", shown(entry.brief, 120), class_="brief", dir="auto"),
        tag("td", clock_time(entry.began_at)),
        tag("td", spelled(entry.seconds)),
        [tag("td", _spelled(entry.seconds_in(*names))) for _, names in _STAGES],
        tag("td", page or "–"),  # noqa: RUF001 - nothing there
        data_find=shown(f"{entry.key} {entry.title or ''} {entry.brief}", 300).casefold(),
    )


def _spelled(seconds: float | None) -> str:
    return "–" if seconds is None else spelled(seconds)  # noqa: RUF001 - nothing there
