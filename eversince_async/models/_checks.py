"""The checks of a request before it is sent.

They refuse only what *every* revision of the server refuses: wrong types, required texts that are empty, and
lengths and counts beyond the larger of the documented limits. The server judges everything else. The rules
are attrs metadata of the fields.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

import attrs

from eversince_async.models._repr import format_value
from eversince_async.models._unset import UNSET, Unset

Rule = Callable[[Any], str | None]
"""A function that returns the problem of a value of the right type, with advice; None without a problem."""

_TEXT_SHOWN: Final = 40


def length(most: int, *, least: int = 0, advice: str = "") -> dict[str, Rule]:
    """Return metadata for the length of a text or a list.

    The length of a text is counted in code points. A server that counts UTF-16 units counts at least as many,
    so the rule refuses nothing that such a server accepts.

    Args:
        most: The greatest length.
        least: The smallest length.
        advice: A text to add to the message for a value that is too long.
    """

    def rule(value: str | Sequence[Any]) -> str | None:
        unit = "characters" if isinstance(value, str) else "items"
        if len(value) > most:
            return f"has {len(value):,} {unit}; shorten it to {most:,}{advice}"
        if len(value) < least:
            return f"is empty; give at least {least} of its {unit}"
        return None

    return {"rule": rule}


def between(least: int, most: int) -> dict[str, Rule]:
    """Return metadata for the range of a number, both ends included."""

    def rule(value: float) -> str | None:
        return None if least <= value <= most else f"is {format_value(value)}; give {least:,} to {most:,}"

    return {"rule": rule}


def field_problem(field: "attrs.Attribute[Any]", value: Any) -> str | None:
    """Return the problem of a field's value with advice, or None.

    The function finds only problems that every server would refuse.
    """
    if value is UNSET and field.default is UNSET:
        return None  # the case of most fields in most requests
    problem = type_problem(field.type, value)
    if problem is not None or value is UNSET or value is None or "rule" not in field.metadata:
        return problem
    rule: Rule = field.metadata["rule"]
    return rule(value)


def type_problem(annotation: Any, value: Any) -> str | None:
    """Return the problem of a value's Python type, or None.

    The field's annotation names the valid types.
    """
    choices = _choices(annotation)
    if any(_fits(choice, value) for choice in choices):
        return _unsendable(value)
    names = [name for choice in choices if (name := _name(choice))]
    given = "None" if value is None else f"{type(value).__name__} {format_value(value, 2, _TEXT_SHOWN)}"
    advice = "; leave it out to send nothing" if value is None and Unset in choices else ""
    return f"must be {' or '.join(dict.fromkeys(names))}, not {given}{advice}"


def _choices(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in {UnionType, Union} else (annotation,)


def _fits(choice: Any, value: Any) -> bool:
    origin = get_origin(choice)
    if origin is Sequence:
        return isinstance(value, (list, tuple)) and all(
            any(_fits(inner, item) for inner in _choices(get_args(choice)[0])) for item in value
        )
    if origin is Mapping:
        return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
    if choice in {int, float} and isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if choice is float else choice)


def _name(choice: Any) -> str:
    """Return an annotation's name in a sentence, empty for `Unset`."""
    match get_origin(choice):
        case origin if origin is Sequence:
            return f"a list of {' or '.join(_name(inner) for inner in _choices(get_args(choice)[0]))}"
        case origin if origin is Mapping:
            return "a mapping of names to values"
    names = {
        str: "text",
        bool: "True or False",
        int: "an integer",
        float: "a number",
        NoneType: "None",
        Unset: "",
    }
    # A documented value (an enum) is a text, too, so both have the same name.
    return names.get(choice, "text" if issubclass(choice, str) else choice.__name__)


def _unsendable(value: Any) -> str | None:
    """Return the problem of a value that JSON cannot express, or None."""
    match value:
        case float() if not math.isfinite(value):
            return f"is {value}; give a finite number"
        case str() if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                return "holds half of a surrogate pair, which is no text; decode it properly first"
    return None
