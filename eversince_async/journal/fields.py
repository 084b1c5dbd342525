"""JSON that stands in a journal's rows, read with checks: whoever can write to the file may have changed it.

What is read is what was asked for, or `UnreadableRow` says which table, row and field holds what else.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NoReturn

from eversince_async.errors import JournalError
from eversince_async.journal.records import Effect, Job, Json

LARGEST: Final = 2**53 - 1
"""The largest whole number that every reader of JSON takes for itself; ours are far below."""

WHAT_TO_DO: Final = "so it was changed by other hands than ours; put a copy from before in its place"
"""For whoever has a row that cannot be read."""


class UnreadableRow(JournalError):
    """A row of a journal holds something that was never written there; all others can be used."""


class Field:
    """A value in a column of a row, or within the JSON there.

    Args:
        place: The table and the row.
        path: The column, and the way from there, as in `result.id`.
        value: What stands there.
    """

    __slots__ = ("_path", "_place", "value")

    def __init__(self, place: str, path: str, value: Json) -> None:
        self._place = place
        self._path = path
        self.value = value

    @classmethod
    def of(cls, record: Job | Effect, column: str) -> "Field":
        """A column of a record."""
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
        """The value under a name; None where there is none, or null."""
        found = self.mapping().get(name)
        return None if found is None else Field(self._place, f"{self._path}.{name}", found)

    @property
    def is_null(self) -> bool:
        """Whether nothing stands there."""
        return self.value is None

    def mapping(self) -> Mapping[str, Json]:
        """Names and values."""
        if not isinstance(self.value, Mapping):
            self._is_no("JSON object")
        return self.value

    def text(self, *, longest: int | None = None) -> str:
        """A text, which is not empty.

        Args:
            longest: Characters it may have.
        """
        if not isinstance(self.value, str):
            self._is_no("text")
        if not self.value or (longest is not None and len(self.value) > longest):
            self.wrong(f"is a text of {len(self.value):,} characters")
        return self.value

    def text_or_none(self) -> str | None:
        """A text; None for null."""
        if not isinstance(self.value, str | None):
            self._is_no("text")
        return self.value

    def texts(self) -> list[str]:
        """A list of texts; an empty one for null."""
        if self.value is None:
            return []
        if not isinstance(self.value, list) or not all(isinstance(each, str) for each in self.value):
            self._is_no("list of texts")
        return self.value

    def count(self, least: int = 0) -> int:
        """A whole number from `least` on."""
        if type(self.value) is not int:
            self._is_no("whole number")
        if not least <= self.value <= LARGEST:
            self.wrong("is out of all bounds")
        return self.value

    def number(self) -> float:
        """A number that can be reckoned with."""
        if type(self.value) not in {int, float}:
            self._is_no("number")
        if not abs(self.value) <= LARGEST or math.isnan(self.value):
            self.wrong("is out of all bounds")
        return float(self.value)

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            self._is_no("true or false")
        return self.value

    def instant(self) -> datetime:
        """A time with its zone."""
        try:
            found = datetime.fromisoformat(self.text())
        except ValueError:
            self._is_no("time")
        if found.tzinfo is None or not _FIRST_YEAR <= found.year <= LAST_YEAR:
            self._is_no("time")
        return found

    def instant_or_none(self) -> datetime | None:
        """A time with its zone; None for null."""
        return None if self.value is None else self.instant()


_FIRST_YEAR: Final = 2

LAST_YEAR: Final = 9000
"""The last year in which durations can be added to a time."""


def place_of(record: Job | Effect) -> str:
    """How a row is called in errors."""
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
