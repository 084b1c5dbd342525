"""From results to JSON and back, by their type annotations.

What can be stored: None, numbers, texts, booleans, bytes; lists, tuples, sets and mappings of what can be
stored; dates, times, durations, paths, UUIDs, decimals, enums; dataclasses, attrs classes, named tuples and
typed dicts of what can be stored; the models of this library, and productions. Nothing is coerced: what an
annotation does not allow is refused, rather than coming back as something else.
"""

import json
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import is_dataclass
from datetime import time, timedelta
from decimal import Decimal
from functools import cache, partial
from pathlib import PurePath
from typing import Any, Final, Literal, NoReturn, get_args, get_origin, get_type_hints
from uuid import UUID

import attrs
import cattrs
from cattrs.preconf.json import make_converter

from eversince_async._wire.converter import structure, unstructure
from eversince_async.errors import UnreadableAnswer
from eversince_async.journal import Json
from eversince_async.journal.stored import is_complete, observed, sendable
from eversince_async.models._base import Model, Request
from eversince_async.orchestrator.desk import Desk
from eversince_async.orchestrator.production import Production
from eversince_async.pipelines import productions


class Unstorable(Exception):
    """Says what cannot be stored, and why."""


class Storing:
    """Stores results of one client's pipelines.

    Args:
        desk: What productions that are restored work with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def need(self, kind: Any) -> None:
        """Make sure, before anything is done, that there are rules for a type.

        Raises:
            Unstorable: There are none.
        """
        try:
            for part in _parts(kind):
                _results().get_structure_hook(part)
        except (cattrs.StructureHandlerNotFoundError, NameError, TypeError) as problem:
            raise Unstorable(f"{_named(kind)} cannot be stored: {_first_line(problem)}") from None

    def kept(self, value: Any, kind: Any) -> Json:
        """A value as it is stored.

        Raises:
            Unstorable: It is not of that type, or holds a secret.
        """
        try:
            plain = _results().unstructure(value, unstructure_as=kind)
            plain = json.loads(json.dumps(plain, allow_nan=False))
        except Exception as problem:  # noqa: BLE001 - whatever the hooks of all those types raise
            raise Unstorable(f"{_named(type(value))} cannot be stored: {_first_line(problem)}") from None
        if not is_complete(sendable(plain)):
            raise Unstorable("it holds a signed URL, a key or another secret, which no journal keeps")
        again = self.restored(plain, kind)
        if (again != value) if kind is Any else (_has_fields(value) and type(again) is not type(value)):
            raise Unstorable(
                f"{_named(type(value))} would come back as {_named(type(again))}: annotate the function with "
                "the type it returns"
            )
        return plain

    def restored(self, plain: Json, kind: Any) -> Any:
        """A value as it was.

        Raises:
            Unstorable: It is nothing of that type.
        """
        here = _desk.set(self._desk)
        try:
            return _results().structure(plain, kind)
        except UnreadableAnswer as problem:
            raise Unstorable(f"it is no {_named(kind)}: {problem}") from None
        except Exception as problem:  # noqa: BLE001 - whatever the hooks of all those types raise
            why = "; ".join(cattrs.transform_error(problem, format_exception=_told))
            raise Unstorable(f"it is no {_named(kind)}: {why}") from None
        finally:
            _desk.reset(here)

    def argument(self, value: Any) -> Json:
        """What an argument is compared by: all of it if it can be stored, else its type alone."""
        try:
            plain = _arguments().unstructure(value)
            return json.loads(json.dumps(plain, allow_nan=False))
        except Exception:  # noqa: BLE001 - it is the user's own, and may be anything
            return {"type": _named(type(value))}


def for_people(value: Any) -> Json:
    """What is shown with a question: what can be stored of it, as plain values.

    Raises:
        Unstorable: It is nothing that can be shown this way.
    """
    try:
        return json.loads(json.dumps(_shown().unstructure(value), allow_nan=False))
    except (TypeError, ValueError) as problem:
        raise Unstorable(f"{_named(type(value))} cannot be shown: {_first_line(problem)}") from None


# A converter writes a function for each class that it meets, which takes milliseconds: there is one of each.


@cache
def _results() -> cattrs.Converter:
    made = _converter()
    made.register_unstructure_hook(Production, productions.kept)
    made.register_structure_hook(Production, lambda plain, _: productions.restored(_desk.get(), plain))
    return made


@cache
def _arguments() -> cattrs.Converter:
    made = _converter()
    made.register_unstructure_hook(Production, productions.pointed_at)
    return made


@cache
def _shown() -> cattrs.Converter:
    made = _converter()
    made.register_unstructure_hook(Production, productions.shown)
    return made


_desk: Final[ContextVar[Desk]] = ContextVar("desk")
"""What productions that are being restored work with."""

_TEXTS: Final[tuple[tuple[Any, Callable[[Any], str], Callable[[str], Any]], ...]] = (
    (UUID, str, UUID),
    (Decimal, str, Decimal),
    (time, time.isoformat, time.fromisoformat),
)
"""Types that are stored as texts, with how they are written and read."""


def _converter() -> cattrs.Converter:
    made = make_converter(structure_fallback_factory=_unknown)
    for single in (str, int, bool, type(None)):
        made.register_structure_hook(single, _exactly(single))
    made.register_structure_hook(float, _number)
    for kind, write, read in _TEXTS:
        made.register_unstructure_hook(kind, write)
        made.register_structure_hook(kind, _of_text(read))
    made.register_unstructure_hook_func(_is(PurePath), str)
    made.register_unstructure_hook(timedelta, timedelta.total_seconds)
    made.register_structure_hook(timedelta, lambda seconds, _: timedelta(seconds=_number(seconds, float)))
    made.register_structure_hook_func(_is(PurePath), _path)
    made.register_unstructure_hook_func(_is(Model), _model)
    made.register_structure_hook_func(_is(Model), structure)
    made.register_structure_hook_factory(_is_named_tuple, partial(_named_tuple, made))
    return made


def _unknown(kind: Any) -> NoReturn:
    """There are no rules for a type: said when it is met, and not only with a value of it."""
    raise cattrs.StructureHandlerNotFoundError(f"there are no rules for {_named(kind)}", kind)


def _is(base: type) -> Callable[[Any], bool]:
    return lambda kind: isinstance(kind, type) and issubclass(kind, base)


def _exactly(kind: type) -> Callable[[Any, Any], Any]:
    def read(value: Any, wanted: Any) -> Any:
        if type(value) is not kind:
            raise TypeError(f"expected {_named(kind)}, got {_named(type(value))}")
        return value if wanted is kind else wanted(value)  # such as a StrEnum, which is a text, too

    return read


def _parts(kind: Any) -> Iterator[Any]:
    """A type, and those it is made of: whether there are rules for all of a union is not told by itself."""
    yield kind
    if get_origin(kind) is not Literal:
        for part in get_args(kind):
            if isinstance(part, type) or get_origin(part) is not None:
                yield from _parts(part)


def _is_named_tuple(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


def _named_tuple(made: cattrs.Converter, kind: Any) -> Callable[[Any, Any], Any]:
    """Reads a named tuple, whose annotations may be texts."""
    hints = get_type_hints(kind)
    fields = [(made.get_structure_hook(hints.get(name, Any)), hints.get(name, Any)) for name in kind._fields]
    return lambda plain, _: kind(
        *(read(value, field) for value, (read, field) in zip(plain, fields, strict=True))
    )


def _number(value: Any, _: Any) -> float:
    if type(value) not in {int, float}:
        raise TypeError(f"expected a number, got {_named(type(value))}")
    return float(value)


def _of_text(read: Callable[[str], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, _: read(_exactly(str)(value, str))


def _path(value: Any, kind: type[PurePath]) -> PurePath:
    return kind(_exactly(str)(value, str))


def _model(model: Model) -> Json:
    plain = unstructure(model)
    return plain if isinstance(model, Request) else observed(plain)


def _has_fields(value: object) -> bool:
    return attrs.has(type(value)) or is_dataclass(value)


def _named(kind: Any) -> str:
    return kind.__qualname__ if isinstance(kind, type) else str(kind)


def _told(problem: BaseException, kind: type | None) -> str:
    """What is wrong at one place of a value."""
    if isinstance(problem, KeyError):
        return f"{problem} is missing"
    return str(problem) or f"it is no {_named(kind)}"


def _first_line(problem: Exception) -> str:
    return str(problem).partition("\n")[0] or type(problem).__name__
