"""A file of briefs: checked as a whole first, and then handed out row by row, with hardly any in memory."""

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
"""What stands for the standard input instead of a file."""

_FORMATS: Final[Mapping[str, Format]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_UNIQUE: Final = ("key", "idempotency_key", "file")
"""What no two rows may share."""


@attrs.frozen(kw_only=True)
class Defaults:
    """What is asked for all rows that say nothing else.

    Attributes:
        render: Quality; None for no render.
        share: Whether to make a public page.
        folder: Where the videos go; None: nowhere.
        quality: The quality of a row that merely says that it is to be rendered.
        unchecked: Whether rows may ask for a quality that we do not know.
    """

    render: str | None
    share: bool
    folder: Path | None
    quality: str = "1080p"
    unchecked: bool = False


class BatchFile:
    """Rows that were checked, as items for a batch.

    They lie in a temporary file of ours: nobody edits the rows of a batch that runs for hours by saving the
    file they came from.

    Attributes:
        name: The file's name, for messages.
        has_keys: Whether the rows have keys of their own; else these are the numbers of their lines.
    """

    def __init__(self, name: str, spool: IO[str], parser: ItemParser) -> None:
        self.name = name
        self.has_keys = False
        self._intake = parser
        self._buffer_stdin = spool
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        """From the first on; one at a time may read."""
        return (given for _, given in self.lines())

    def lines(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """The same, with the line each stands on."""
        self._buffer_stdin.seek(0)
        for row in self._buffer_stdin:
            line, given = json.loads(row)
            if isinstance(word := given.get("render"), str):
                given["render"] = Unchecked(word)  # it was checked, or was not to be
            yield line, given

    def items(self) -> Iterator[tuple[int, Item]]:
        """The same as the batch reads them."""
        for index, (line, given) in enumerate(self.lines()):
            yield line, self._intake.parse(index, given)

    def add(self, line: int, given: Mapping[str, Any]) -> None:
        """Add a row."""
        self._buffer_stdin.write(json.dumps((line, given)) + "\n")
        self._count += 1

    def item(self, given: Mapping[str, Any]) -> Item:
        """A row as the batch will read it."""
        return self._intake.parse(self._count, given)

    def close(self) -> None:
        """Forget the rows."""
        self._buffer_stdin.close()


def load_batch_file(
    source: str, form: Format | None, encoding: str, wanted: Defaults, complain: Callable[[int, str], None]
) -> BatchFile:
    """Read a file to its end, and complain of everything that is wrong with it.

    Args:
        source: The file, or `-`.
        form: Its format; by default what its name says.
        encoding: Of its text.
        wanted: For rows that say nothing else.
        complain: Told the line and what is wrong there.

    Raises:
        InvalidRequest: Its format or its encoding is not known, or it is not text in that encoding.
        OSError: It cannot be read.
    """
    with _open(source) as stream:
        found = form or _format(source, stream)
        folder = None if wanted.folder is None else os.path.join(wanted.folder, "")
        page = DEFAULT_SHARE if wanted.share else None
        parser = ItemParser(
            options={}, delivery=DeliveryOptions(render=wanted.render, share=page, download=folder)
        )
        sheet = BatchFile(source, _buffer_stdin(), parser)
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


def _buffer_stdin() -> IO[str]:
    """A file that nobody else sees, and that is gone when it is closed or we die."""
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
"""What to do with files of other kinds."""


class _Check:
    """Reads records into a sheet."""

    def __init__(self, sheet: BatchFile, wanted: Defaults, complain: Callable[[int, str], None]) -> None:
        self._sheet = sheet
        self._wanted = wanted
        self._complain = complain
        self._first: dict[str, dict[str, int]] = {name: {} for name in _UNIQUE}
        self._is_first = True

    def row(self, record: Record) -> None:
        """Read one; complain of all that is wrong with it."""
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
        """Give a row that has no key the number of its line."""
        if self._is_first:
            self._sheet.has_keys, self._is_first = "key" in record.cells, False
        if "key" in record.cells and not self._sheet.has_keys:
            problems.setdefault("key", "is given here and not in the first row; give all rows one, or none")
        elif "key" not in record.cells and self._sheet.has_keys:
            problems["key"] = "is empty; give all rows one, or none"
        given.setdefault("key", str(record.line))

    def _place(self, record: Record, given: dict[str, Any], problems: dict[str, str]) -> None:
        """Say what is to become of it, and where its video goes: two never go to the same file."""
        if "download" in given:
            self._once(record, "file", fold_name(os.path.normpath(given["download"])), problems, "download")
        elif self._wanted.folder is not None and self._sheet.has_keys:  # other files have the same lines
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
    """The values of a row's cells."""
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
