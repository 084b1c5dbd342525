"""`eversince report`: a report from a journal, as HTML, CSV or JSON."""

import asyncio
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from eversince_async.batch.report import Report
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._options import Debug
from eversince_async.cli._output import write_line
from eversince_async.cli._report_files import check_writable, write_report
from eversince_async.cli._terminal_text import unbroken
from eversince_async.errors import InvalidRequest


async def report_(
    journal: Path,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o", "--report"])] = None,
    debug: Debug = False,
) -> ExitCode:
    """Write a report from a journal.

    A batch may be at work on the journal meanwhile. The command needs no key and no network.

    Args:
        journal: The journal's file, such as briefs.journal.db.
        output: File for the report: .html, .csv or .json; by default beside the journal, as .html.
        debug: Show tracebacks.
    """
    del debug  # the dispatcher reads it when it prints errors
    path = output or journal.with_suffix(".html")
    if (problem := check_writable(path)) is not None:
        raise InvalidRequest({"--output": problem})
    found = await Report.from_journal(journal)
    await asyncio.to_thread(write_report, found, path, journal.name)
    write_line(unbroken(str(path)))
    return ExitCode.DONE
