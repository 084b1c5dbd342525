"""Report files, whose ending chooses the format."""

from pathlib import Path
from typing import Final

from eversince_async._places import check_replaceable, in_words
from eversince_async.batch.report import Report

ENDINGS: Final = (".html", ".csv", ".json")
"""The possible endings of a report's file name."""


def check_writable(path: Path) -> str | None:
    """Return the problem with a report's path; None if there is none.

    The check finds what can be known in advance. It creates missing folders of the path.
    """
    if path.suffix.lower() not in ENDINGS:
        return f"must end in {', '.join(ENDINGS)}, not {path.name!r}"
    try:
        check_replaceable(path)
    except OSError as error:
        return f"{path}: {in_words(error)}"
    return None


def write_report(report: Report, path: Path, title: str) -> None:
    """Write a report to a file.

    Raises:
        OSError: The file cannot be written.
    """
    match path.suffix.lower():
        case ".html":
            report.to_html(path, title=title)
        case ".csv":
            report.to_csv(path)
        case _:
            report.to_json(path, title=title)
