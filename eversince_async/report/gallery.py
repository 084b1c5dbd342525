"""The gallery: each video with a player and a link.

The player needs the file; the link leads to the public page.
"""

import os
from pathlib import Path
from typing import Final
from urllib.parse import quote

from eversince_async.report.formatting import format_duration, link_url, printable
from eversince_async.report.markup import ELSEWHERE, Markup, join, tag
from eversince_async.report.model import Entry

AT_ONCE: Final = 12
"""The number of players that load their video's length and first picture at once.

Later players do so when they come into sight.
"""

UNFOLDED: Final = 24
"""The number of videos that are shown at once; the others unfold."""

_PLAYABLE: Final = {".mp4", ".m4v", ".mov", ".webm"}


def gallery(entries: list[Entry], folder: Path) -> Markup:
    """Build a card for each video.

    Args:
        entries: The finished items to show.
        folder: The folder of the page; links to videos are relative to it.
    """
    cards = [_card(entry, folder, n) for n, entry in enumerate(entries)]
    rest = cards[UNFOLDED:]
    more = tag("summary", f"{len(rest):,} more"), tag("ul", rest, class_="gallery")
    return join(tag("ul", cards[:UNFOLDED], class_="gallery"), tag("details", *more) if rest else None)


def _card(entry: Entry, folder: Path, number: int) -> Markup:
    share = link_url(entry.share_url)
    links = [tag("a", "Public page", href=share, **ELSEWHERE)] if share else []
    links += [tag("span", entry.share_problem, dir="auto")] if entry.share_problem else []
    links += [tag("a", "Video file", href=address(path, folder)) for path in entry.files[:1]]
    return tag(
        "li",
        _screen(entry, folder, number, share),
        tag(
            "div",
            tag("h3", tag("bdi", printable(entry.title or entry.key, 120))),
            tag("p", printable(entry.brief, 600), class_="brief", dir="auto", title=_whole(entry.brief)),
            tag("p", _facts(entry), class_="facts"),
            tag("p", links, class_="links") if links else None,
            class_="about",
        ),
        class_="card",
        data_find=_findable(entry),
    )


def _screen(entry: Entry, folder: Path, number: int, share: str | None) -> Markup:
    """Build a player, or a text that says why there is none."""
    video = next((path for path in entry.files if path.suffix.lower() in _PLAYABLE), None)
    if video is not None and os.path.isfile(video):
        return tag(
            "video",
            "This browser plays no videos.",
            src=address(video, folder),
            controls=True,
            playsinline=True,
            preload="metadata" if number < AT_ONCE else "none",
            aria_label=f"Video {printable(entry.key, 80)}",
        )
    if video is not None:
        why = "The file is no longer where it was downloaded to"
    elif share is not None:
        why = "Not downloaded; see its public page"
    else:
        why = "Neither downloaded nor shared"
    return tag("div", why, class_="nothing")


def _facts(entry: Entry) -> list[str]:
    agent = entry.seconds_in("creating", "queued", "running", "generating")
    facts = [tag("bdi", printable(entry.key, 80), class_="key")] if entry.title else []
    if agent is not None:
        facts.append(tag("span", f"agent {format_duration(agent)}"))
        facts.append(tag("span", f"render {format_duration(entry.seconds_in('rendering') or 0.0)}"))
    if entry.attempts > 1:
        facts.append(tag("span", f"{entry.attempts} attempts"))
    if entry.earlier:
        facts.append(tag("span", "earlier run"))
    return [*facts]


def address(path: Path, folder: Path) -> str:
    """Return a file's address relative to the page, percent-encoded.

    The address stays right if the file and the page are moved together.
    """
    full = os.path.realpath(path)
    try:
        relative = os.path.relpath(full, os.path.realpath(folder))
    except ValueError:  # on another drive
        return Path(full).as_uri()
    return "./" + quote(Path(relative).as_posix(), errors="surrogateescape")


def _whole(brief: str) -> str | None:
    return printable(brief, 2000) if len(brief) > 160 else None


def _findable(entry: Entry) -> str:
    """Return the text that the page's filter searches."""
    return printable(f"{entry.key} {entry.title or ''} {entry.brief}", 300).casefold()
