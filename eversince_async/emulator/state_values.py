"""Checks of a state file's values against the classes built from them."""

import math
import types
from collections.abc import Mapping
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from eversince_async.emulator.limits import DayCount

LARGEST: Final = 1e12
"""Upper limit of every time, duration and balance; calendars end long before."""


class MisfitError(Exception):
    """A value has the wrong type or size; the message says where."""


def check_object(values: object, kind: type[Any], place: str = "") -> None:
    """Check that a class can be built from a JSON object.

    Raises:
        MisfitError: The object does not fit the class.
    """
    if not isinstance(values, dict):
        raise MisfitError(f"{place or 'it'} must be an object, not {_describe(values)}")
    fields = {field.name: field for field in attrs.fields(kind) if field.init}
    hints = get_type_hints(kind)
    for name in values.keys() - fields.keys():
        raise MisfitError(f"{place}{'.' if place else ''}{name} is unknown to this version")
    for name, field in fields.items():
        where = f"{place}.{name}" if place else name
        if name in values:
            _check(values[name], hints[name], where)
        elif field.default is attrs.NOTHING:
            raise MisfitError(f"{where} is missing")


def check_number(value: object, place: str) -> float:
    """Return a finite number of a plausible size.

    Raises:
        MisfitError: The value is not such a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MisfitError(f"{place} must be a number, not {_describe(value)}")
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise MisfitError(f"{place} is {value!r:.40}, which is beyond all calendars")
    return float(value)


def _check(value: object, hint: Any, place: str) -> None:
    if hint is Any:
        return
    if hint is DayCount:
        hint = list[float]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        if value not in inner:
            raise MisfitError(f"{place} must be one of {', '.join(map(str, inner))}")
    elif origin in {Union, types.UnionType}:
        _check_either(value, inner, place)
    elif origin in {list, tuple}:
        _check_list(value, inner[0], place)
    elif origin is dict:
        _check_dict(value, inner[1], place)
    elif attrs.has(hint):
        check_object(value, hint, place)
    else:
        _check_plain(value, hint, place)


def _check_either(value: object, hints: tuple[Any, ...], place: str) -> None:
    if value is None and types.NoneType in hints:
        return
    (hint,) = (each for each in hints if each is not types.NoneType)
    _check(value, hint, place)


def _check_list(value: object, inner: Any, place: str) -> None:
    if not isinstance(value, list):
        raise MisfitError(f"{place} must be a list, not {_describe(value)}")
    for at, each in enumerate(value):
        _check(each, inner, f"{place}[{at}]")


def _check_dict(value: object, inner: Any, place: str) -> None:
    if not isinstance(value, dict):
        raise MisfitError(f"{place} must be an object, not {_describe(value)}")
    for name, each in value.items():
        _check(each, inner, f"{place}.{name}")


def _check_plain(value: object, hint: type[Any], place: str) -> None:
    if hint is float:
        check_number(value, place)
    elif not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise MisfitError(f"{place} must be {_WORDS[hint]}, not {_describe(value)}")
    elif hint is int:
        check_number(value, place)


_WORDS: Final[Mapping[type[Any], str]] = {str: "text", int: "a whole number", bool: "true or false"}

_JSON: Final[Mapping[type[Any], str]] = {
    str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object",
    types.NoneType: "null",
}  # fmt: skip


def _describe(value: object) -> str:
    return _JSON[type(value)]
