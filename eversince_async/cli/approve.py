"""`eversince approve`: answers to the questions of pipelines, and their list."""

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._options import AsJson, Debug, default_journal
from eversince_async.cli._output import warn, write_line
from eversince_async.cli._tables import print_json, print_rows
from eversince_async.cli._terminal_text import unbroken
from eversince_async.errors import InvalidRequest
from eversince_async.journal import SqliteJournal
from eversince_async.pipelines import approvals
from eversince_async.pipelines.approvals import Approval


async def approve_(
    key: str | None = None,
    *,
    journal: Path | None = None,
    name: str | None = None,
    no: Annotated[bool, Parameter(name="--no", negative=())] = False,
    answer: str | None = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> ExitCode:
    """Answer a pipeline's question, or list the open ones.

    The answer is yes, unless you give another. Without a key, the command lists the open questions.

    The command needs neither network nor API key. A pipeline that waits in a running process goes on within
    seconds. Any other pipeline gets the answer when it is run again.

    Args:
        key: The pipeline's key.
        journal: The file of its journal; by default EVERSINCE_JOURNAL, else eversince.db.
        name: The name of the question, if the pipeline asks several.
        no: Answer no.
        answer: Answer something else, as JSON or text; the pipeline decides what it means.
        as_json: Print the list as JSON.
        debug: Show tracebacks.
    """
    del debug  # the dispatcher reads it when it prints errors
    if no and answer is not None:
        raise InvalidRequest({"--no": "contradicts --answer"})
    if key is None and (no or answer is not None or name is not None):
        raise InvalidRequest({"KEY": "name the pipeline to answer; without one there is only the list"})
    path = default_journal(journal)
    async with SqliteJournal(path) as found:
        if key is None:
            _print([each async for each in approvals.list_pending(found)], path, as_json=as_json)
            return ExitCode.DONE
        given = not no if answer is None else _value(answer)
        await approvals.answer(found, key, given, name)
    write_line(
        f"{unbroken(key)}: {'approved' if given is True else 'declined' if given is False else 'answered'}"
    )
    return ExitCode.DONE


def _value(answer: str) -> Any:
    try:
        return json.loads(answer)
    except ValueError:
        return answer


def _print(waiting: list[Approval], path: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "key": each.key,
                    "name": each.name,
                    "question": each.question,
                    "show": each.show,
                    "since": each.since.isoformat(),
                    "expires_at": None if each.expires_at is None else each.expires_at.isoformat(),
                }
                for each in waiting
            ]
        )
    elif not waiting:
        warn(f"{path}: nothing waits for an answer")
    else:
        print_rows(("key", "name", "since", "question", "look at"), map(_cells, waiting))


def _cells(each: Approval) -> tuple[object, ...]:
    return each.key, each.name, f"{each.since:%Y-%m-%d %H:%M}", each.question, _look_at(each.show)


def _look_at(show: Any) -> str:
    """Return the addresses in `show`; all of it without any."""
    if isinstance(show, dict):
        pages = [text for text in show.values() if isinstance(text, str) and "://" in text]
        return " ".join(pages) or json.dumps(show, ensure_ascii=False)
    return "" if show is None else show if isinstance(show, str) else json.dumps(show, ensure_ascii=False)
