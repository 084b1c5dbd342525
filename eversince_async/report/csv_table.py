"""The table for spreadsheets: CSV, with one row per item.

The columns and their order are stable; new columns are added at the end. The file is UTF-8 with a byte order
mark, without which Excel assumes another encoding; other readers call this encoding `utf-8-sig`. Times are
ISO 8601 in UTC, durations are in seconds. A cell that a spreadsheet might read as a formula gets an
apostrophe in front, which is how spreadsheets themselves mark text.
"""

import csv
import os
from datetime import UTC, datetime
from typing import Final

from eversince_async.report.files import atomic_write
from eversince_async.report.formatting import link_url, printable
from eversince_async.report.hints import hint_for
from eversince_async.report.model import Entries, Entry

COLUMNS: Final = (
    "key",
    "number",
    "status",
    "title",
    "brief",
    "error",
    "message",
    "what_to_do",
    "project_id",
    "share_url",
    "files",
    "attempts",
    "earlier_run",
    "began_at",
    "ended_at",
    "seconds",
    "seconds_waiting",
    "seconds_agent",
    "seconds_rendering",
    "seconds_sharing",
    "seconds_downloading",
)
"""The names of the columns, in their order."""

LONGEST_CELL: Final = 32_000
"""The most characters of a cell; Excel accepts 32,767 and drops the rest."""

_STAGES: Final = (
    ("waiting",),
    ("creating", "queued", "running", "generating"),
    ("rendering",),
    ("sharing",),
    ("downloading",),
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The characters that begin a formula; some spreadsheets accept the wide forms, too."""


def write_csv(path: str | os.PathLike[str], entries: Entries) -> None:
    """Write the table.

    Raises:
        OSError: The file cannot be written; an existing file stays as it was.
    """
    with atomic_write(path, encoding="utf-8-sig") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for entry in entries:
            rows.writerow(row(entry))


def row(entry: Entry) -> list[str]:
    """Return the cells of one item, in the order of `COLUMNS`."""
    problem = entry.problem
    return [
        cell(entry.key),
        "" if entry.number is None else str(entry.number),
        cell(entry.status),
        cell(entry.title or ""),
        cell(entry.brief),
        "" if problem is None else cell(problem.kind),
        "" if problem is None else cell(problem.text),
        "" if problem is None else hint_for(problem.kind, entry.status),
        cell(entry.project_id or ""),
        cell(link_url(entry.share_url) or entry.share_problem or ""),
        cell("\n".join(map(str, entry.files))),
        str(entry.attempts),
        "yes" if entry.earlier else "no",
        moment(entry.began_at),
        moment(entry.ended_at),
        f"{entry.seconds:.1f}",
        *(_duration(entry.seconds_in(*names)) for names in _STAGES),
    ]


def cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    text = printable(text, LONGEST_CELL)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def moment(at: datetime) -> str:
    """Format a time as ISO 8601 in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}"
