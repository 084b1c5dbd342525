"""The values of a journal file's columns, checked as they are read."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, TypeVar

from eversince_async.journal.fields import LARGEST, LAST_YEAR
from eversince_async.journal.records import KINDS, STATES, Json
from eversince_async.journal.redaction import DEEPEST

T = TypeVar("T")

_COUNTS: Final = frozenset({"count", "seq", "tries", "attempt", "created_change", "updated_change"})
_SECONDS: Final = frozenset({"lease_seconds", "intent_seconds", "done_seconds"})
_REQUIRED: Final = frozenset(
    {
        *("id", "spec", "spec_sha", "stage", "attempt", "created_at", "updated_at", "created_change"),
        *("updated_change", "job_id", "seq", "name", "kind", "state", "incarnation", "tries", "request"),
        *("intent_at", "count"),
    }
)
_WORDS: Final[Mapping[str, Sequence[str]]] = {"kind": KINDS, "state": STATES}
JSON: Final = frozenset({"spec", "result", "error", "request", "baseline", "value"})
TIMES: Final = frozenset({"lease_until", "not_before", "created_at", "updated_at", "intent_at", "done_at"})


def value_of(name: str, column: Any) -> Any:
    """Return the value of a column.

    Raises:
        ValueError: The column holds a value of another kind. A parser may raise other errors.
    """
    if column is None:
        if name in _REQUIRED:
            raise ValueError("is missing")
        return None
    if name in TIMES:
        return _instant(column)
    if name in _COUNTS:
        return _check_bounds(_of_type(int, column))
    if name in _SECONDS:
        return _check_bounds(_of_type(float, column))
    _of_type(str, column)
    if name in JSON:
        return _json(column)
    if name in _WORDS and column not in _WORDS[name]:
        raise ValueError(f"is none of {', '.join(_WORDS[name])}")
    return column


def _of_type(kind: type[T], column: Any) -> T:
    if not isinstance(column, kind):
        raise ValueError(f"is a value of another type ({type(column).__name__})")  # noqa: TRY004  # of a row
    return column


def _check_bounds(number: float) -> float:
    if not abs(number) <= LARGEST:
        raise OverflowError
    return number


def _json(column: str) -> Json:
    value: Json = json.loads(column, parse_constant=_no_number, parse_float=_finite)
    if column.count("[") + column.count("{") > DEEPEST:
        _need_shallow(value)
    return value


def _need_shallow(value: Json) -> None:
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise OverflowError


def _no_number(_: str) -> NoReturn:
    raise ValueError("holds a number that JSON does not know")


def _finite(text: str) -> float:
    number = float(text)
    return number if abs(number) <= _LARGEST_FLOAT else _no_number(text)


_LARGEST_FLOAT: Final = sys.float_info.max


def _instant(seconds: Any) -> datetime:
    at = datetime.fromtimestamp(_of_type(float, seconds), UTC)
    if at.year > LAST_YEAR:
        raise OverflowError
    return at
