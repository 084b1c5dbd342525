"""`eversince decide`: a person's decision about something in doubt."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._options import Debug, default_journal
from eversince_async.cli._output import write_line
from eversince_async.cli._terminal_text import unbroken
from eversince_async.durable.decision import resolve_in_doubt
from eversince_async.errors import InvalidRequest
from eversince_async.journal import SqliteJournal


async def decide_(
    key: str,
    *,
    made: str | None = None,
    nothing: Annotated[bool, Parameter(negative=())] = False,
    effect: str | None = None,
    journal: Path | None = None,
    debug: Debug = False,
) -> ExitCode:
    """Tell a journal whether something in doubt happened, after you have looked.

    Very rarely, a process dies at a moment after which only a person can find out whether something happened.
    The batch or the pipeline then says where to look. This command records what you have found in the
    journal, and the same command as before goes on with it. It needs neither network nor API key.

    Args:
        key: The row's key, or the pipeline's.
        made: The result: the address of the public page, or the id of the project.
        nothing: Nothing was made; it is done again.
        effect: The name of the effect, if several are in doubt, such as share.
        journal: The journal's file; by default EVERSINCE_JOURNAL, else eversince.db.
        debug: Show tracebacks.
    """
    del debug  # the dispatcher reads it when it prints errors
    if (made is None) != nothing:
        raise InvalidRequest({"--made": "say what was made, or --nothing"})
    async with SqliteJournal(default_journal(journal)) as found:
        decided = await resolve_in_doubt(found, key, made, effect)
    write_line(unbroken(f"{key}: {decided.name} {'did not happen' if made is None else f'made {made}'}"))
    return ExitCode.DONE
