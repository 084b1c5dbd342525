"""The document for programs: JSON, with one item per line.

Names are stable; new ones may be added. Times are ISO 8601 in UTC, durations are in seconds.
"""

import json
import os
from datetime import UTC, datetime
from typing import Any, Final

from eversince_async.report.files import atomic_write
from eversince_async.report.formatting import link_url, printable
from eversince_async.report.hints import hint_for
from eversince_async.report.model import Entries, Entry, Overview

VERSION: Final = 1
"""The version of the format; it changes if the meaning of a name changes."""


def write_json(path: str | os.PathLike[str], overview: Overview, entries: Entries) -> None:
    """Write the document, each item as it is read.

    Raises:
        OSError: The file cannot be written; an existing file stays as it was.
    """
    with atomic_write(path) as file:
        head = _text(summary(overview))
        file.write(f'{head[:-1]},\n"items":[')
        between = "\n"
        for entry in entries:
            file.write(between + _text(entry_to_json(entry)))
            between = ",\n"
        file.write("\n]}\n")


def summary(overview: Overview) -> dict[str, Any]:
    """Return the facts about all items together."""
    return {
        "version": VERSION,
        "title": printable(overview.title),
        "made_at": _moment(overview.made_at),
        "counts": dict(overview.counts),
        "left": overview.left,
        "paused": None if overview.paused is None else printable(overview.paused),
        "resumes_at": None if overview.resumes_at is None else _moment(overview.resumes_at),
        "offers": [
            {"label": printable(offer.label), "url": url}
            for offer in overview.offers
            if (url := link_url(offer.url)) is not None
        ],
        "seconds": overview.seconds,
        "slots": overview.slots,
        "credits_spent": overview.credits_spent,
        "requests": {
            "count": overview.requests,
            "refused": overview.refused,
            "limit_per_minute": overview.requests_per_minute,
            "minutes": [
                {
                    "at": _moment(minute.at),
                    "work": minute.work,
                    "looks": minute.looks,
                    "other": minute.other,
                    "refused": minute.refused,
                }
                for minute in overview.minutes
            ],
        },
        "notes": list(overview.notes),
    }


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """Return the facts about one item."""
    return {
        "key": printable(entry.key),
        "number": entry.number,
        "status": entry.status,
        "title": None if entry.title is None else printable(entry.title),
        "brief": printable(entry.brief),
        "error": _problem(entry),
        "project_id": None if entry.project_id is None else printable(entry.project_id),
        "share_url": link_url(entry.share_url),
        "files": [printable(str(path)) for path in entry.files],
        "attempts": entry.attempts,
        "earlier_run": entry.earlier,
        "began_at": _moment(entry.began_at),
        "ended_at": _moment(entry.ended_at),
        "stages": [
            {
                "name": printable(stage.name),
                "began_at": _moment(stage.began_at),
                "ended_at": _moment(stage.ended_at),
                "slot": stage.slot,
            }
            for stage in entry.stages
        ],
    }


def _problem(entry: Entry) -> dict[str, str] | None:
    problem = entry.problem
    if problem is None:
        return None
    return {
        "type": printable(problem.kind),
        "message": printable(problem.text),
        "what_to_do": hint_for(problem.kind, entry.status),
    }


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
