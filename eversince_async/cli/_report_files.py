"""Reports, in the form that the ending of their file asks for."""

from pathlib import Path
from typing import Final

from eversince_async._places import check_replaceable, in_words
from eversince_async.batch.outcome import Report

ENDINGS: Final = (".html", ".csv", ".json")
"""What the name of a report may end in."""


def check_writable(path: Path) -> str | None:
    """Why no report can be written there, as far as that can be told before; None if it can.

    Folders on the way there are made.
    """
    if path.suffix.lower() not in ENDINGS:
        return f"must end in {', '.join(ENDINGS)}, not {path.name!r}"
    try:
        check_replaceable(path)
    except OSError as error:
        return f"{path}: {in_words(error)}"
    return None


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
