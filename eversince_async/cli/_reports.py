"""Reports, in the form that the ending of their file asks for."""

from pathlib import Path
from typing import Final

from eversince_async.batch.outcome import Report

ENDINGS: Final = (".html", ".csv", ".json")
"""What the name of a report may end in."""


def unwritable(path: Path) -> str | None:
    """Why no report can be written there, as far as that can be told before; None if it can."""
    if path.suffix.lower() not in ENDINGS:
        return f"must end in {', '.join(ENDINGS)}, not {path.name!r}"
    if path.is_symlink() and not path.exists():
        return f"{path} is a link that leads to no file"
    return f"{path} is a folder" if path.is_dir() else None


def write_report(report: Report, path: Path, title: str) -> None:
    """Write it.

    Raises:
        OSError: It cannot be written.
    """
    match path.suffix.lower():
        case ".html":
            report.to_html(path, title=title)
        case ".csv":
            report.to_csv(path)
        case _:
            report.to_json(path, title=title)
