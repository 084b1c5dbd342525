"""How a JSON value is read, by the annotation of the field it is for.

Every rule exists twice, side by side. `source` writes it into the reading function that is generated for
a class: that only has to be fast, and may fail with any exception. When it has failed, `find` walks the
same value again, slowly, and raises an error saying where it does not fit and what was expected there.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, Never, Union, get_args, get_origin

import attrs

from eversince_async.errors import UnreadableAnswer
from eversince_async.models._base import Model, Request, Unset
from eversince_async.models._shown import shown

Read = Callable[..., Any]
"""Turns a JSON value into a Python value, or raises anything. (cattrs passes the class as well.)"""

Bind = Callable[[Any], str]
"""Makes an object known to generated code; returns its name there."""

ReaderOf = Callable[[type[Model]], Read]
"""Finds or makes the generated function that reads a class."""

_TEXT_SHOWN: Final = 40


class Rule:
    """How to read one kind of value."""

    def source(self, bind: Bind) -> list[str]:
        """Lines of Python that turn the JSON in the variable `v` into its value."""
        return [f"v = {bind(self.reader())}(v)"]

    def reader(self) -> Read:
        """The same as a function."""
        return self.read

    def read(self, value: Any) -> Any:
        """Call that function."""
        raise NotImplementedError

    def find(self, value: Any, path: str) -> None:
        """Raise `UnreadableAnswer` for the first place within `value` that cannot be read, if any."""
        raise NotImplementedError


def misfit(path: str, expected: str, value: Any) -> UnreadableAnswer:
    """The error for a value that is not what it must be at that place."""
    return UnreadableAnswer(path, f"expected {expected}, got {_described(value)}")


def refuse(value: Any) -> Never:
    """Give up on a value; the slow walk will tell why."""
    raise TypeError(type(value))


def _described(value: Any) -> str:
    """A JSON value in a few words, without secrets."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {shown(value)}"
        case str():
            return f"the text {shown(value, text=_TEXT_SHOWN)}"
        case list():
            return f"a list of {len(value)}"
        case dict():
            return "an object"
        case _:
            return f"a {type(value).__name__}"


# -- Single values --------------------------------------------------------------------------------------


class _Single(Rule):
    """A value without parts.

    Attributes:
        expected: What it must be, in words.
    """

    expected: str

    def find(self, value: Any, path: str) -> None:
        try:
            self.read(value)
        except (TypeError, ValueError, OverflowError):
            raise misfit(path, self.expected, value) from None


@attrs.frozen
class Plain(_Single):
    """A value of one type; `otherwise` reads what is as good, or refuses."""

    expected: str
    type: type
    otherwise: Read = refuse

    def source(self, bind: Bind) -> list[str]:
        return [f"if type(v) is not {self.type.__name__}: v = {bind(self.otherwise)}(v)"]

    def read(self, value: Any) -> Any:
        return value if type(value) is self.type else self.otherwise(value)


@attrs.frozen
class Instant(_Single):
    """ISO 8601; a time without an offset is in UTC."""

    expected: str = "a time in ISO 8601"

    def source(self, bind: Bind) -> list[str]:
        return [
            f"v = {bind(datetime.fromisoformat)}(v)",
            f"if v.tzinfo is None: v = v.replace(tzinfo={bind(UTC)})",
        ]

    def read(self, value: Any) -> datetime:
        time = datetime.fromisoformat(value)
        return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


@attrs.frozen
class Open(_Single):
    """A text; one of the documented ones becomes its enum member."""

    members: Mapping[Any, Enum]
    expected: str = "a text"

    def source(self, bind: Bind) -> list[str]:
        return [f"if type(v) is not str: {bind(refuse)}(v)", f"v = {bind(self.members.get)}(v, v)"]

    def read(self, value: Any) -> Any:
        return self.members.get(value, value) if type(value) is str else refuse(value)


def _number(value: Any) -> float:
    return float(value) if type(value) is int else refuse(value)


def _integer(value: Any) -> int:
    return int(value) if type(value) is float and value.is_integer() else refuse(value)


SINGLE: Final[Mapping[Any, Rule]] = {
    str: Plain("a text", str),
    bool: Plain("true or false", bool),
    int: Plain("an integer", int, _integer),
    float: Plain("a number", float, _number),
    datetime: Instant(),
}


# -- Values with parts ----------------------------------------------------------------------------------


@attrs.frozen
class Items(Rule):
    """A list; `collect` makes a tuple or a list of what was read."""

    item: Rule
    collect: Callable[[list[Any]], Any]

    def read(self, value: Any) -> Any:
        read = self.item.reader()
        return self.collect([read(item) for item in value] if type(value) is list else refuse(value))

    def source(self, bind: Bind) -> list[str]:
        read = bind(self.item.reader())
        return [
            f"if type(v) is not list: {bind(refuse)}(v)",
            f"v = {bind(self.collect)}([{read}(item) for item in v])",
        ]

    def find(self, value: Any, path: str) -> None:
        if type(value) is not list:
            raise misfit(path, "a list", value)
        for index, item in enumerate(value):
            self.item.find(item, f"{path}[{index}]")


@attrs.frozen
class Table(Rule):
    """An object with any names, all of whose values are alike."""

    item: Rule

    def read(self, value: Any) -> dict[str, Any]:
        read = self.item.reader()
        return {name: read(item) for name, item in value.items()}

    def find(self, value: Any, path: str) -> None:
        if type(value) is not dict:
            raise misfit(path, "an object", value)
        for name, item in value.items():
            self.item.find(item, member(path, name))


@attrs.frozen
class Object(Rule):
    """A model."""

    model: type[Model]
    reader_of: ReaderOf

    def reader(self) -> Read:
        return self.reader_of(self.model)

    def read(self, value: Any) -> Any:
        return self.reader()(value)

    def find(self, value: Any, path: str) -> None:
        if type(value) is not dict:
            raise misfit(path, "an object", value)
        for field in members(self.model, self.reader_of):
            field.find(value, path)


@attrs.frozen
class Either(Rule):
    """One of several models: the first whose required fields are all there, else the last."""

    models: tuple[Object, ...]

    def read(self, value: Any) -> Any:
        return self._choice(value).read(value)

    def find(self, value: Any, path: str) -> None:
        self._choice(value).find(value, path)

    def _choice(self, value: Any) -> Object:
        names = value if type(value) is dict else ()
        fits = (each for each in self.models if all(name in names for name in _required(each.model)))
        return next(fits, self.models[-1])


@attrs.frozen
class Member:
    """A field of a model.

    Attributes:
        name: Its name, in JSON and in Python.
        rule: How it is read.
        default: What it is when missing; `attrs.NOTHING` if it must be there.
        keeps_null: Whether null is a value of its own (in what is sent) or as good as missing (in what is
            received).
        is_secret: Whether its value must never be shown.
    """

    name: str
    rule: Rule
    default: Any
    keeps_null: bool
    is_secret: bool

    @property
    def is_required(self) -> bool:
        """Whether it must be there and must not be null."""
        return self.default is attrs.NOTHING

    def find(self, siblings: Mapping[str, Any], path: str) -> None:
        """Raise `UnreadableAnswer` if this field of an object cannot be read."""
        here = member(path, self.name)
        value = siblings.get(self.name)
        if value is None and self.name not in siblings:
            if self.is_required:
                raise UnreadableAnswer(here, "is missing")
        elif value is not None or self.is_required:
            try:
                self.rule.find(value, here)
            except UnreadableAnswer:
                if self.is_secret:
                    raise UnreadableAnswer(here, "expected something else") from None
                raise


def member(path: str, name: str) -> str:
    """The path of a field: `$.sections`, or `$["odd name"]`."""
    return f"{path}.{name}" if name.isidentifier() else f"{path}[{shown(name, text=_TEXT_SHOWN)}]"


# -- From annotations to rules --------------------------------------------------------------------------


def members(model: type[Model], reader_of: ReaderOf) -> list[Member]:
    """The fields of a model that come from JSON."""
    return [
        Member(
            name=field.name,
            rule=rule_for(field.type, reader_of),
            default=field.default,
            keeps_null=issubclass(model, Request),
            is_secret="secret" in field.metadata,
        )
        for field in attrs.fields(model)
        if "local" not in field.metadata
    ]


def rule_for(annotation: Any, reader_of: ReaderOf) -> Rule:
    """The rule for an annotation; None and Unset in it are the field's matter, not the value's."""
    choices = get_args(annotation) if get_origin(annotation) in {UnionType, Union} else (annotation,)
    choices = tuple(choice for choice in choices if choice not in {NoneType, Unset})
    match choices:
        case (choice,) if choice in SINGLE:
            return SINGLE[choice]
        case (choice,):
            return _rule_with_parts(choice, reader_of)
        case (enum, other) if other is str and issubclass(enum, Enum):
            return Open(enum._value2member_map_)
        case models if all(isinstance(each, type) and issubclass(each, Model) for each in models):
            return Either(tuple(Object(model, reader_of) for model in models))
    raise TypeError(f"no rule for {annotation!r}")


def _rule_with_parts(annotation: Any, reader_of: ReaderOf) -> Rule:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in {tuple, Sequence}:
        return Items(rule_for(arguments[0], reader_of), tuple)
    if origin is list:
        return Items(rule_for(arguments[0], reader_of), list)
    if origin is Mapping:
        return Table(rule_for(arguments[1], reader_of))
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return Object(annotation, reader_of)
    raise TypeError(f"no rule for {annotation!r}")


def _required(model: type[Model]) -> list[str]:
    return [field.name for field in attrs.fields(model) if field.default is attrs.NOTHING]
