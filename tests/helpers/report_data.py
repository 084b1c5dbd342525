"""Items, stages and overviews that never were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from eversince_async.report.model import Entry, Overview, Problem
from eversince_async.report.page import page
from eversince_async.report.stages import Stage

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HERE = Path("/nowhere")


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def stage(name: str, begin: float, end: float, slot: int | None = None) -> Stage:
    """From one minute past noon to another."""
    return Stage(name, at(begin), at(end), slot)


STAGES = (
    stage("waiting", 0, 1),
    stage("creating", 1, 1.1, 1),
    stage("queued", 1.1, 2, 1),
    stage("running", 2, 3, 1),
    stage("generating", 3, 9, 1),
    stage("rendering", 9, 11, 1),
    stage("sharing", 11, 11.1),
    stage("downloading", 11.1, 11.5),
)


def entry(**given: Any) -> Entry:
    usual: dict[str, Any] = {
        "key": "mug",
        "number": 1,
        "status": "succeeded",
        "brief": "A film about a mug",
        "began_at": NOON,
        "ended_at": at(12),
        "stages": STAGES,
    }
    return Entry(**{**usual, **given})


def failed(kind: str = "ProjectFailed", text: str = "the agent gave up", **given: Any) -> Entry:
    return entry(**{"status": "failed", "problem": Problem(kind, text), **given})


def overview(**given: Any) -> Overview:
    return Overview(**{"title": "Mugs", "made_at": at(60), "counts": {"succeeded": 1}, **given})


class Parsed(HTMLParser):
    """A page, read as a browser reads it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)

    def values(self, name: str) -> list[str]:
        """All values of an attribute."""
        return [value or "" for _, attribute, value in self.attributes if attribute == name]


def parsed(*entries: Entry, **given: Any) -> Parsed:
    """The page about these items."""
    counts = {status: sum(e.status == status for e in entries) for status in {e.status for e in entries}}
    return Parsed(page(overview(**{"counts": counts, **given}), entries, HERE))
