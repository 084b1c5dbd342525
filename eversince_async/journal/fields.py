"""Checked access to the JSON in a journal's rows.

A person or a program may have changed the file by hand. A value that is read is of the requested kind, or
`UnreadableRow` says which table, row and field holds another.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NoReturn

from eversince_async.errors import JournalError
from eversince_async.journal.records import Effect, Job, Json

LARGEST: Final = 2**53 - 1
"""The largest whole number that every JSON reader represents exactly.

The numbers that this package writes are far below."""

WHAT_TO_DO: Final = "so another program has changed it; restore an earlier copy of the file"
"""Advice to the user for a row that cannot be read."""


class UnreadableRow(JournalError):
    """A row that this package cannot have written.

    All other rows of the journal can be used.
    """


class Field:
    """A value in a row's column, or within the JSON there.

    Args:
        place: The table and the row.
        path: The column, and the path from there, as in `result.id`.
        value: The value.
    """

    __slots__ = ("_path", "_place", "value")

    def __init__(self, place: str, path: str, value: Json) -> None:
        self._place = place
        self._path = path
        self.value = value

    @classmethod
    def of(cls, record: Job | Effect, column: str) -> "Field":
        """Return a column of a record as a field."""
        return cls(place_of(record), column, getattr(record, column))

    def wrong(self, problem: str) -> NoReturn:
        """Refuse the value.

        Raises:
            UnreadableRow: Always.
        """
        raise UnreadableRow(f"{self._place}: {self._path} {problem}, {WHAT_TO_DO}")

    def _is_no(self, kind: str) -> NoReturn:
        self.wrong(f"is no {kind} ({_kind_of(self.value)})")

    def __getitem__(self, name: str) -> "Field":
        found = self.mapping()
        inner = Field(self._place, f"{self._path}.{name}", found.get(name))
        if name not in found:
            inner.wrong("is missing")
        return inner

    def get(self, name: str) -> "Field | None":
        """Return the field under a name; None if missing or null."""
        found = self.mapping().get(name)
        return None if found is None else Field(self._place, f"{self._path}.{name}", found)

    @property
    def is_null(self) -> bool:
        """True if the value is null."""
        return self.value is None

    def mapping(self) -> Mapping[str, Json]:
        """Return the value as a mapping."""
        if not isinstance(self.value, Mapping):
            self._is_no("JSON object")
        return self.value

    def text(self, *, longest: int | None = None) -> str:
        """Return the value as a text that is not empty.

        Args:
            longest: The largest number of characters; None sets no limit.
        """
        if not isinstance(self.value, str):
            self._is_no("text")
        if not self.value or (longest is not None and len(self.value) > longest):
            self.wrong(f"is a text of {len(self.value):,} characters")
        return self.value

    def text_or_none(self) -> str | None:
        """Return the value as a text; None for null."""
        if not isinstance(self.value, str | None):
            self._is_no("text")
        return self.value

    def texts(self) -> list[str]:
        """Return the value as a list of texts; empty for null."""
        if self.value is None:
            return []
        if not isinstance(self.value, list) or not all(isinstance(each, str) for each in self.value):
            self._is_no("list of texts")
        return self.value

    def count(self, least: int = 0) -> int:
        """Return the value as a whole number of at least `least`."""
        if type(self.value) is not int:
            self._is_no("whole number")
        if not least <= self.value <= LARGEST:
            self.wrong("is out of all bounds")
        return self.value

    def number(self) -> float:
        """Return the value as a finite number."""
        if type(self.value) not in {int, float}:
            self._is_no("number")
        if not abs(self.value) <= LARGEST or math.isnan(self.value):
            self.wrong("is out of all bounds")
        return float(self.value)

    def flag(self) -> bool:
        """Return the value as a bool."""
        if not isinstance(self.value, bool):
            self._is_no("true or false")
        return self.value

    def instant(self) -> datetime:
        """Return the value as a time with its zone."""
        try:
            found = datetime.fromisoformat(self.text())
        except ValueError:
            self._is_no("time")
        if found.tzinfo is None or not _FIRST_YEAR <= found.year <= LAST_YEAR:
            self._is_no("time")
        return found

    def instant_or_none(self) -> datetime | None:
        """Return the value as a time with its zone; None for null."""
        return None if self.value is None else self.instant()


_FIRST_YEAR: Final = 2

LAST_YEAR: Final = 9000
"""The last year in which durations can be added to a time."""


def place_of(record: Job | Effect) -> str:
    """Return the name of a row, for error messages."""
    match record:
        case Effect():
            return f"effect {record.name!r} of job {record.job_id!r}"
        case _:
            return f"job {record.id!r}"


def _kind_of(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case Mapping():
            return "an object"
        case _:
            return "a list"
