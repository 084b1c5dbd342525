"""Files of briefs, record by record: on which line each begins, and what cannot be read as one at all."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, Literal

import attrs

from eversince_async.cli._columns import COLUMNS, column_name, reading_of

Format = Literal["csv", "jsonl"]

Complain = Callable[[int, str], None]
"""Told what is wrong on which line."""

DELIMITERS: Final = ",;\t"
"""What may stand between cells; the one that makes most sense of the first line does."""

_UNDECODED: Final = re.compile("[\udc80-\udcff]")
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


@attrs.frozen
class Record:
    """What one video is described by.

    Attributes:
        line: The line of the file it begins on, from 1.
        cells: Its values by column; what is empty is not there.
    """

    line: int
    cells: Mapping[str, Any]


def records(stream: io.BufferedReader, form: Format, encoding: str, complain: Complain) -> Iterator[Record]:
    """The records of a file, in order. What is wrong with the others is complained of.

    Raises:
        UnicodeError: From some place on it cannot be decoded.
    """
    lines = _decoded(stream, encoding, complain)
    return _of_csv(lines, complain) if form == "csv" else _of_jsonl(lines, complain)


def _decoded(stream: io.BufferedReader, encoding: str, complain: Complain) -> Iterator[str]:
    """The lines, with their ends; bytes that are no text are complained of where they stand."""
    if encoding == "utf-8" and stream.peek(2)[:2] in _UTF_16:
        raise UnicodeError("it looks like UTF-16; save it as UTF-8, or say --encoding utf-16")
    codec = "utf-8-sig" if encoding == "utf-8" else encoding
    with io.TextIOWrapper(stream, codec, errors="surrogateescape", newline="") as text:
        for number, line in enumerate(text, 1):
            clean = line
            if not line.isascii() and (odd := _UNDECODED.search(line)):
                before = line[: odd.start()][-20:]
                complain(
                    number,
                    f"is not {encoding.upper()}: byte 0x{ord(odd[0]) - 0xDC00:02X} after {before!r}; "
                    "save the file as UTF-8, or say --encoding",
                )
                clean = _UNDECODED.sub("\N{REPLACEMENT CHARACTER}", line)
            if "\0" in line:
                complain(number, "has a NUL character, which no text has")
            yield clean


# -- CSV ------------------------------------------------------------------------------------------------


@attrs.define
class _Lines:
    """Hands lines to the CSV reader, and counts them."""

    lines: Iterator[str]
    had: int = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.had += 1
        return line


def _of_csv(decoded: Iterator[str], complain: Complain) -> Iterator[Record]:
    lines = _Lines(decoded)
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        complain(max(1, lines.had), "is empty; the first line names the columns, such as key,brief,title")
        return
    delimiter = max(DELIMITERS, key=lambda sign: sum(map(_is_known, first.strip().split(sign))))
    columns = _columns(next(csv.reader([first], delimiter=delimiter)), lines.had, complain)
    if "brief" not in columns:
        return
    for line, row in _rows(lines, delimiter, complain):
        if not any(cell.strip() for cell in row):
            continue  # spreadsheets leave such rows at the end
        if len(row) != len(columns):
            complain(
                line, f"has {len(row)} cells, and the first line {len(columns)}; quote cells with commas"
            )
            continue
        cells = {name: cell.strip() for name, cell in zip(columns, row, strict=True) if name and cell.strip()}
        yield Record(line, cells)


def _columns(heads: Sequence[str], line: int, complain: Complain) -> list[str]:
    """The columns, with empty names for those that there are not."""
    names = [column_name(head) for head in heads]
    for number, name in enumerate(names):
        if name in names[:number]:
            complain(line, f"names column {name!r} twice")
        elif not _is_known(name):
            complain(line, f"column {number + 1}: {_unknown(name)}")
    if "brief" not in names:
        complain(line, "names no column 'brief', which says what to make; the first line names the columns")
    return [name if _is_known(name) else "" for name in names]


def _rows(lines: _Lines, delimiter: str, complain: Complain) -> Iterator[tuple[int, list[str]]]:
    """The rows, each with the line it begins on: it ends on another when a cell has several."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        begins = lines.had + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # Where a row of several lines should have ended nobody knows, so reading on would be guessing.
            is_lost = lines.had > begins or "unexpected end" in str(error)
            rest = "; what follows was not read" if is_lost else ""
            complain(begins, _unreadable(str(error)) + rest)
            if is_lost:
                return
            continue
        yield begins, row


def _unreadable(problem: str) -> str:
    if "unexpected end" in problem or "field larger" in problem:
        return "a quotation mark is opened here and never closed"
    return f"is no CSV: {problem}; inside of quotation marks, double those that are meant"


# -- JSON Lines -----------------------------------------------------------------------------------------


def _of_jsonl(lines: Iterator[str], complain: Complain) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line, object_pairs_hook=_once_each, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            complain(number, f"is no JSON: {error}")
            continue
        if isinstance(found, str):
            found = {"brief": found}
        if not isinstance(found, dict):
            complain(number, 'must be an object such as {"brief": "A film"}, or the brief as a text')
            continue
        row: dict[str, Any] = found
        for name in row:
            if not _is_known(name):
                complain(number, _unknown(name))
        cells = {name: value for name, value in row.items() if _is_known(name) and value not in (None, "")}
        yield Record(number, cells)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


# -- Names ----------------------------------------------------------------------------------------------


def _is_known(name: str) -> bool:
    return reading_of(column_name(name)) is not None


def _unknown(name: str) -> str:
    if not name:
        return "has no name"
    alike = get_close_matches(name, COLUMNS, n=1)
    hint = f"did you mean {alike[0]!r}?" if alike else f"there are {', '.join(COLUMNS)}, and extra.NAME"
    return f"there is no {name!r}; {hint}"
