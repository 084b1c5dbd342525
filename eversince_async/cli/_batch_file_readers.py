"""Readers of files of briefs.

They yield the records with their line numbers, and report records that cannot be read.
"""

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from eversince_async._wire.json_codec import finite, no_number
from eversince_async.batch.fields import is_empty
from eversince_async.cli._batch_file_fields import column_name, is_known, unknown
from eversince_async.cli._csv import Record, of_csv
from eversince_async.cli._encoding import Complain, decode_lines
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._output import is_terminal, warn, warn_line

Format = Literal["csv", "jsonl"]


def read_records(
    stream: io.BufferedReader, form: Format, encoding: str, complain: Complain, name: str = "the file"
) -> Iterator[Record]:
    """Yield the records of a file in order, and report unreadable ones.

    Raises:
        InvalidRequest: The file is not text at all.
        LookupError: There is no such encoding.
        UnicodeError: The file cannot be decoded from some place on.
    """
    lines = decode_lines(stream, encoding, name, complain)
    return of_csv(lines, complain) if form == "csv" else _of_jsonl(lines, complain)


# -- JSON Lines -----------------------------------------------------------------------------------------


def _of_jsonl(lines: Iterator[str], complain: Complain) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(
                line, object_pairs_hook=_check_unique, parse_constant=no_number, parse_float=finite
            )
        except (ValueError, RecursionError) as error:
            complain(number, f"is no JSON: {error}")
            continue
        if isinstance(found, str):
            found = {"brief": found}
        if not isinstance(found, dict):
            complain(number, 'must be an object such as {"brief": "A film"}, or the brief as a text')
            continue
        cells, heads = dict[str, Any](), dict[str, str]()
        for head, value in found.items():
            name = column_name(head)
            if not is_known(name):
                complain(number, unknown(name))
            elif heads.setdefault(name, head) != head:
                complain(number, f"{heads[name]!r} and {head!r} are one column")
            elif not is_empty(value):
                cells[name] = value
        yield Record(number, cells)


def _check_unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return found


SHOWN: Final = 100
"""The most problems of a file that are printed on a terminal; a pipe gets all of them."""


class Complaints:
    """The problems of a file: printed as compilers do, and counted.

    Args:
        file: The file's name.
        keeps: True to keep all problems, for a program that gets them in the end.

    Attributes:
        count: The number of problems.
        told: The problems; empty unless they are kept.
    """

    def __init__(self, file: str, *, keeps: bool) -> None:
        self._file = file
        self._keeps = keeps
        self.count = 0
        self.told: list[Mapping[str, object]] = []

    def __call__(self, line: int, problem: str) -> None:
        """Report a problem of a line."""
        self.count += 1
        if self._keeps:
            self.told.append({"line": line, "problem": problem})
        if self.count <= SHOWN or not is_terminal():
            warn_line(f"{self._file}:{line}: {problem}")

    def conclude(self, advice: str = "") -> ExitCode:
        """Print the number of problems and the advice; return the exit code."""
        if self.count > SHOWN and is_terminal():
            warn(f"… and {self.count - SHOWN} more; `2> problems.txt` has them all")
        warn(
            f"eversince batch: {count_of(self.count, 'problem')}; nothing was made.{advice and ' ' + advice}"
        )
        return ExitCode.USAGE


def count_of(number: int, what: str) -> str:
    """Return a number with its noun, e.g. `1 video` or `2 videos`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
