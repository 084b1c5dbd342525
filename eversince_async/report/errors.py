"""The items without success, grouped by error, with advice and messages."""

import re
from collections.abc import Sequence
from typing import Final

from eversince_async.report.formatting import plural, printable
from eversince_async.report.hints import hint_for
from eversince_async.report.markup import Markup, tag
from eversince_async.report.model import Entry

OPEN: Final = 8
"""The number of items of a group that are shown at once; the others unfold."""

_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")

_NOTHING_WRONG: Final = {
    "paused": ("Not finished", "Run the same batch again: it goes on where it stopped."),
    "working": ("At work", "A process works on these right now."),
}


def error_section(entries: Sequence[Entry]) -> Markup:
    """Build a group for each kind of problem, the most frequent first."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        kind = "" if entry.problem is None else entry.problem.kind
        groups.setdefault((kind, entry.status), []).append(entry)
    several = sorted(groups.items(), key=lambda group: -len(group[1]))
    return tag("div", [_group(kind, status, found) for (kind, status), found in several], class_="problems")


def _group(kind: str, status: str, entries: Sequence[Entry]) -> Markup:
    named, what_to_do = (
        _NOTHING_WRONG.get(status, ("Without a reason", "")) if not kind else _explain(kind, status)
    )
    rest = entries[OPEN:]
    return tag(
        "section",
        tag("h3", printable(named, 80), " ", tag("span", plural(len(entries), "item"), class_="count")),
        tag("p", what_to_do, class_="advice") if what_to_do else None,
        tag("ul", [_item(entry) for entry in entries[:OPEN]]),
        tag("details", tag("summary", f"{len(rest):,} more"), tag("ul", [_item(entry) for entry in rest]))
        if rest
        else None,
        class_=f"problem {status}",
    )


def _explain(kind: str, status: str) -> tuple[str, str]:
    return _HUMP.sub(" ", kind).capitalize(), hint_for(kind, status)


def _item(entry: Entry) -> Markup:
    said = None if entry.problem is None else printable(entry.problem.text, 1000)
    facts = list[str]()
    if entry.project_id and entry.project_id not in (said or ""):
        facts.append(f"project {printable(entry.project_id, 80)}")
    if entry.attempts > 1:
        facts.append(f"{entry.attempts} attempts")
    return tag(
        "li",
        tag("p", tag("bdi", printable(entry.title or entry.key, 120), class_="key"), " ", _brief(entry)),
        tag("p", said, class_="said", dir="auto") if said else None,
        tag("p", " · ".join(facts), class_="facts") if facts else None,
    )


def _brief(entry: Entry) -> Markup:
    return tag("bdi", printable(entry.brief, 240), class_="brief")
