"""Files of briefs.

A file is checked as a whole first. Its rows are then handed out one by one, so that few are in memory.
"""

import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

import attrs

from eversince_async._file_names import file_name, fold_name
from eversince_async.batch.fields import is_spreadsheet_error, looks_like_an_error
from eversince_async.batch.items import OWN, Item, ItemParser
from eversince_async.cli._batch_file_fields import EXTRA, FieldError, parser_for
from eversince_async.cli._batch_file_readers import Format, read_records
from eversince_async.cli._csv import Record
from eversince_async.errors import EversinceError, InvalidRequest
from eversince_async.orchestrator.options import DEFAULT_SHARE, DeliveryOptions, Unchecked

STDIN: Final = "-"
"""The file name that stands for the standard input."""

_FORMATS: Final[Mapping[str, Format]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_UNIQUE: Final = ("key", "idempotency_key", "file")
"""The values that must differ in all rows."""


@attrs.frozen(kw_only=True)
class Defaults:
    """Values for rows that leave a column empty.

    Attributes:
        render: The quality of the render; None for no render.
        share: True to make a public page.
        folder: The folder for the videos; None for no download.
        quality: The quality for a row whose `render` column only says yes.
        unchecked: True if rows may name a quality that this version does not know.
    """

    render: str | None
    share: bool
    folder: Path | None
    quality: str = "1080p"
    unchecked: bool = False


class BatchFile:
    """Checked rows, as items for a batch.

    The rows are copied to a temporary file. So saving the original file while the batch runs for hours does
    not change its rows.

    Attributes:
        name: The file's name, for messages.
        has_keys: True if the rows have keys of their own; otherwise their line numbers are their keys.
    """

    def __init__(self, name: str, spool: IO[str], parser: ItemParser) -> None:
        self.name = name
        self.has_keys = False
        self._parser = parser
        self._spool = spool
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        """Yield the rows from the first on.

        Only one iteration at a time may read.
        """
        return (given for _, given in self.lines())

    def lines(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield the rows, each with its line number."""
        self._spool.seek(0)
        for row in self._spool:
            line, given = json.loads(row)
            if isinstance(word := given.get("render"), str):
                given["render"] = Unchecked(word)  # already checked, or exempt from the check
            yield line, given

    def items(self) -> Iterator[tuple[int, Item]]:
        """Yield the line number of each row and its parsed item."""
        for index, (line, given) in enumerate(self.lines()):
            yield line, self._parser.parse(index, given)

    def add(self, line: int, given: Mapping[str, Any]) -> None:
        """Add a row."""
        self._spool.write(json.dumps((line, given)) + "\n")
        self._count += 1

    def item(self, given: Mapping[str, Any]) -> Item:
        """Parse a row as the batch will parse it."""
        return self._parser.parse(self._count, given)

    def close(self) -> None:
        """Delete the temporary file with the rows."""
        self._spool.close()


def load_batch_file(
    source: str, form: Format | None, encoding: str, wanted: Defaults, complain: Callable[[int, str], None]
) -> BatchFile:
    """Read and check a whole file, and report all its problems.

    Args:
        source: The file, or `-` for the standard input.
        form: The file's format; None takes it from the ending of the name.
        encoding: The encoding of the file's text.
        wanted: Values for rows that leave a column empty.
        complain: Called with the line number and the problem there.

    Raises:
        InvalidRequest: The format or the encoding is unknown, or the file is not text in that encoding.
        OSError: The file cannot be read.
    """
    with _open(source) as stream:
        found = form or _format(source, stream)
        folder = None if wanted.folder is None else os.path.join(wanted.folder, "")
        page = DEFAULT_SHARE if wanted.share else None
        parser = ItemParser(
            options={}, delivery=DeliveryOptions(render=wanted.render, share=page, download=folder)
        )
        sheet = BatchFile(source, _open_spool(), parser)
        check = _Check(sheet, wanted, complain)
        try:
            for record in read_records(stream, found, encoding, complain, source):
                check.row(record)
        except (LookupError, UnicodeError) as error:
            sheet.close()
            raise InvalidRequest({source: f"is not {encoding}: {error}"}) from None
        except BaseException:
            sheet.close()
            raise
    return sheet


def _open(source: str) -> io.BufferedReader:
    if source != STDIN:
        return open(source, "rb")
    return open(os.dup(sys.stdin.fileno()), "rb")


def _open_spool() -> IO[str]:
    """Open a private temporary file.

    The file vanishes when it is closed or the process dies.
    """
    return tempfile.TemporaryFile("w+", encoding="utf-8")


def _format(source: str, stream: io.BufferedReader) -> Format:
    if source == STDIN:
        return "jsonl" if stream.peek(1)[:1] == b"{" else "csv"
    ending = Path(source).suffix.lower()
    form = _FORMATS.get(ending)
    if form is None:
        what_to_do = _OTHERS.get(ending, "ends neither in .csv nor in .jsonl")
        raise InvalidRequest({source: f"{what_to_do}: say --format csv or --format jsonl"})
    return form


_OTHERS: Final = {
    **dict.fromkeys(
        (".xlsx", ".xlsm", ".xls", ".ods", ".numbers"),
        "is a workbook: save it as CSV UTF-8, and give that file; or, if it is text after all",
    ),
    **dict.fromkeys(
        (".gz", ".zip", ".bz2", ".xz", ".zst"),
        "is compressed: unpack it first, or pipe it in (`gzip -dc FILE | eversince batch -`); or, if not",
    ),
    ".json": "may be one list of all: put each object on a line of its own; or, if they are",
}
"""The advice for files of other kinds, by ending."""


class _Check:
    """The check of all records, which adds good ones to a `BatchFile`."""

    def __init__(self, sheet: BatchFile, wanted: Defaults, complain: Callable[[int, str], None]) -> None:
        self._sheet = sheet
        self._wanted = wanted
        self._complain = complain
        self._first: dict[str, dict[str, int]] = {name: {} for name in _UNIQUE}
        self._is_first = True

    def row(self, record: Record) -> None:
        """Check a record; add it to the file or report its problems."""
        problems: dict[str, str] = {}
        given = _read(record.cells, problems)
        word = record.cells.get("render")
        if self._wanted.unchecked and "render" in problems and isinstance(word, str):
            given["render"] = problems.pop("render") and Unchecked(word)
        self._name(record, given, problems)
        self._place(record, given, problems)
        for name, cell in record.cells.items():
            if is_spreadsheet_error(cell) or (name == "brief" and looks_like_an_error(cell)):
                problems[name] = f"is {cell}, an error of a spreadsheet: correct the cell, and save it again"
        for name in ("key", "idempotency_key"):
            if name in record.cells and name in given:
                self._once(record, name, given[name], problems)
        if "brief" not in given:
            problems.setdefault("brief", "is empty; say what to make")
        elif not problems:
            problems.update(_check_output(self._sheet.item(given)))
        for name, problem in problems.items():
            self._complain(record.line, f"{name} {problem}")
        if not problems:
            self._sheet.add(record.line, given)

    def _name(self, record: Record, given: dict[str, Any], problems: dict[str, str]) -> None:
        """Give a row without a key its line number as its key."""
        if self._is_first:
            self._sheet.has_keys, self._is_first = "key" in record.cells, False
        if "key" in record.cells and not self._sheet.has_keys:
            problems.setdefault("key", "is given here and not in the first row; give all rows one, or none")
        elif "key" not in record.cells and self._sheet.has_keys:
            problems["key"] = "is empty; give all rows one, or none"
        given.setdefault("key", str(record.line))

    def _place(self, record: Record, given: dict[str, Any], problems: dict[str, str]) -> None:
        """Fill in a row's `render`, `share` and `download`.

        No two rows get the same file.
        """
        if "download" in given:
            self._once(record, "file", fold_name(os.path.normpath(given["download"])), problems, "download")
        elif (
            self._wanted.folder is not None and self._sheet.has_keys
        ):  # line numbers would clash with those of other files
            files = self._first["file"]
            given["download"] = file_name(given["key"], ".mp4", taken=files)
            files[fold_name(given["download"])] = record.line
        if given.get("render") is True:
            given["render"] = self._wanted.quality
        given.setdefault("render", self._wanted.render)
        if self._wanted.unchecked and isinstance(given["render"], str):
            given["render"] = Unchecked(given["render"])
        given.setdefault("share", self._wanted.share)

    def _once(
        self, record: Record, what: str, value: str, problems: dict[str, str], name: str | None = None
    ) -> None:
        first = self._first[what].setdefault(value, record.line)
        if first != record.line:
            other = " for the same file" if what == "file" else ""
            problems.setdefault(
                name or what, f"{record.cells[name or what]!r} stands on line {first} already{other}"
            )


def _read(cells: Mapping[str, Any], problems: dict[str, str]) -> dict[str, Any]:
    """Parse a row's cells, and note their problems in `problems`."""
    given: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, cell in cells.items():
        reading = parser_for(name)
        assert reading is not None
        try:
            value = reading(cell)
        except FieldError as error:
            problems[name] = str(error)
            continue
        if name == "extra":
            extra.update(value)
        elif name.startswith(EXTRA):
            extra[name.removeprefix(EXTRA)] = value
        else:
            given[name] = value
    if extra:
        given["extra"] = extra
    for name in extra.keys() & set(OWN):
        problems[EXTRA + name] = f"is no field of the API's; the column is {name!r}"
    return given


def _check_output(item: Item) -> Mapping[str, str]:
    match item.error:
        case None:
            return {}
        case InvalidRequest(fields=fields):
            return fields
        case EversinceError() as problem:
            return {"row": f"cannot be read: {problem}"}
