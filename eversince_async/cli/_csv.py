"""A reader of exported tables, with commas, semicolons, tabs or bars."""

import csv
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs

from eversince_async.cli._batch_file_fields import column_name, is_known, unknown
from eversince_async.cli._encoding import Complain
from eversince_async.models._repr import format_value

DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""The possible delimiters; the reader chooses the one that finds most columns in the first line."""

_SEP_LINE: Final = re.compile(r'"?sep=([^\w\s"]|\t)"?[,;\t|]*\s*', re.IGNORECASE)
"""The line by which a file tells Excel its delimiter."""

_HEAD_LINES: Final = 20
"""The most lines that the column names may take, with line breaks inside quotation marks."""


@attrs.frozen
class Record:
    """The description of one video in a file.

    Attributes:
        line: The line of the file on which the record begins, counted from 1.
        cells: The values by column, without empty cells.
    """

    line: int
    cells: dict[str, Any]


@attrs.define
class _Lines:
    """An iterator that counts lines and keeps those of the current row."""

    lines: Iterator[str]
    had: int = 0
    row: list[str] = attrs.field(factory=list[str])

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.had += 1
        self.row.append(line)
        return line


def of_csv(decoded: Iterator[str], complain: Complain) -> Iterator[Record]:
    """Yield the records of a table, and report unreadable rows."""
    lines = _Lines(decoded)
    separator, head = None, _first(lines)
    if head and (found := _SEP_LINE.fullmatch(head)):
        separator, head = found[1], _first(lines)
    if not head:
        complain(max(1, lines.had), "is empty; the first line names the columns, such as key,brief,title")
        return
    begins = lines.had
    while head.count('"') % 2 and lines.had < begins + _HEAD_LINES:
        head += next(lines, '"')
    delimiter = separator or max(DELIMITERS, key=lambda sign: sum(map(is_known, _names(head, sign))))
    columns = _columns(_names(head, delimiter), begins, complain)
    if "brief" not in columns:
        return
    for line, row in _rows(lines, delimiter, complain):
        if not any(cell.strip() for cell in row):
            continue  # spreadsheets leave such rows at the end
        if any(cell.strip() for cell in row[len(columns) :]):
            complain(line, _too_many(row, columns, delimiter))
            continue
        cells = zip(columns, row, strict=False)  # cells at the end may be left out, or empty
        yield Record(line, {name: cell.strip() for name, cell in cells if name and cell.strip()})


def _first(lines: _Lines) -> str:
    """Return the next line that is not blank; empty at the end."""
    return next((line for line in lines if line.strip().strip("".join(DELIMITERS))), "")


def _names(head: str, delimiter: str) -> list[str]:
    """Return the columns of a head line, without empty trailing ones."""
    line = re.sub(r"[\r\n]+", " ", head)[: csv.field_size_limit()]
    (cells,) = csv.reader([line.strip()], delimiter=delimiter, skipinitialspace=True)
    while cells and not cells[-1].strip():
        cells.pop()
    return [column_name(cell) for cell in cells]


def _columns(names: Sequence[str], line: int, complain: Complain) -> list[str]:
    """Return the columns, with unknown ones emptied, and report problems."""
    if "brief" not in names:
        shape = "" if len(names) > 1 else f" (it reads {format_value(names[0], text=60)})"
        complain(
            line,
            f"names no column 'brief', which says what to make{shape}; the first line names the columns, "
            "with commas, semicolons or tabs between them",
        )
        if len(names) == 1:
            return []
    for number, name in enumerate(names):
        if name in names[:number]:
            complain(line, f"names column {name!r} twice")
        elif not is_known(name):
            complain(line, f"column {number + 1}: {unknown(name)}")
    return [name if is_known(name) else "" for name in names]


def _too_many(row: Sequence[str], columns: Sequence[str], delimiter: str) -> str:
    signs = DELIMITERS.get(delimiter, repr(delimiter))
    return f"has {len(row)} cells, and the first line {len(columns)}; quote cells with {signs}"


def _rows(lines: _Lines, delimiter: str, complain: Complain) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows, each with the line it begins on.

    A row ends on a later line if one of its cells has line breaks.
    """
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    while True:
        begins = lines.had + 1
        lines.row.clear()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells = tidy(lines, delimiter)
            if cells is not None:
                yield begins, cells
                continue
            # The true end of a broken row of several lines is unknown, so reading on would be guessing.
            is_lost = lines.had > begins or "unexpected end" in str(error)
            rest = "; what follows was not read" if is_lost else ""
            complain(begins, _unreadable(str(error)) + rest)
            if is_lost:
                return
            continue
        yield begins, row


def tidy(lines: _Lines, delimiter: str) -> list[str] | None:
    """Return the current row's cells despite blanks around quotation marks.

    Returns None if the row has any other problem.
    """
    cells = _Cells(delimiter)
    row, rest = cells.split("".join(lines.row))
    if not rest:
        return row
    if not cells.is_open(rest):
        return None
    had = [rest]
    for line in lines.lines:  # the open cell continues on these lines
        lines.had += 1
        had.append(line)
        if line.count('"') % 2:
            more, rest = cells.split("".join(had))
            return None if rest else [*row, *more]
    return None


class _Cells:
    """A splitter of rows that allows blanks around quotation marks.

    Some spreadsheets write such blanks.
    """

    def __init__(self, delimiter: str) -> None:
        sign, blanks = re.escape(delimiter), "[ ]*+" if delimiter == "\t" else r"[ \t]*+"
        begins = rf'{blanks}"(?:[^"]|"")*+'
        self._open = re.compile(begins)
        self._cell = re.compile(rf'(?:({begins}"){blanks}|([^"{sign}\r\n]*+))({sign}|[\r\n]*\Z)')
        self._delimiter = delimiter

    def split(self, text: str) -> tuple[list[str], str]:
        """Split a row into its cells and the unreadable rest.

        The rest is empty for a good row.
        """
        row, at = list[str](), 0
        while (found := self._cell.match(text, at)) is not None:
            quoted = found[1]
            row.append(found[2] if quoted is None else quoted.strip()[1:-1].replace('""', '"'))
            at = found.end()
            if found[3] != self._delimiter:
                return row, ""
        return row, text[at:]

    def is_open(self, text: str) -> bool:
        """Return True if the text begins a cell in quotation marks."""
        return self._open.fullmatch(text) is not None


def _unreadable(problem: str) -> str:
    if "unexpected end" in problem or "field larger" in problem:
        return "a quotation mark is opened here and never closed"
    return f"is no CSV: {problem}; inside of quotation marks, double those that are meant"
