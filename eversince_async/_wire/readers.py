"""Rules for reading JSON values, chosen by the annotations of fields.

Every rule exists twice, side by side. `source` writes the rule into the reading function that is generated
for a class: that function only has to be fast, and may fail with any exception. When it has failed, `salvage`
reads the same value again, slowly: it sets aside what does not fit, and with it only what is useless without
it.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, Never, Union, get_args, get_origin

import attrs

from eversince_async._redaction import HIDDEN, Hidden
from eversince_async._wire.json_codec import dumps
from eversince_async.errors import InvalidResponse
from eversince_async.models._base import NO_EXTRA, ItemList, Model, Request, UnreadableValue, Unset
from eversince_async.models._repr import format_value

Read = Callable[..., Any]
"""A function that turns a JSON value into a Python value.

It may raise any exception. cattrs passes the class as a second argument.
"""

Bind = Callable[[Any], str]
"""A function that makes an object known to generated code.

It returns the name of the object there.
"""

ReaderOf = Callable[[type[Model]], Read]
"""A function that finds or makes the generated reader of a class."""

_TEXT_SHOWN: Final = 40

MAX_IDENTIFIER: Final = 1000
"""The largest length of an id, in characters."""

MAX_WORD: Final = 200
"""The largest length of an unknown word, in characters.

An unknown word is one that this version does not document.
"""

MAX_UNREADABLE: Final = 1000
"""The number of values of one response that may be set aside.

A response with more of them is not accepted.
"""


class TooManyUnreadable(Exception):
    """An excess of values that were set aside in one response."""


class Findings:
    """The values that a slow reading sets aside.

    Attributes:
        values: The parts that could not be read.
    """

    def __init__(self, *, is_strict: bool) -> None:
        self.values: list[UnreadableValue] = []
        self._is_strict = is_strict

    def set_aside(self, path: str, value: Any, error: InvalidResponse, owner: Any = None) -> None:
        """Record a value that cannot be read, and the reason.

        Args:
            path: The place of the value.
            value: The value.
            error: The reason why it cannot be read.
            owner: The object to which the value belongs, if the value is a field.

        Raises:
            InvalidResponse: No value may be set aside.
            TooManyUnreadable: Too many values were set aside already.
        """
        if self._is_strict:
            raise error
        if len(self.values) == MAX_UNREADABLE:
            raise TooManyUnreadable
        inside = error.path.removeprefix(path).removeprefix(".")
        problem = f"{inside}: {error.problem}" if inside else error.problem
        holder = value if owner is None else owner
        value_id = holder.get("id") if type(holder) is dict else None
        item_id = value_id if type(value_id) is str else None
        self.values.append(UnreadableValue(path=path, problem=problem, id=item_id, value=value))


class Rule:
    """A rule for reading one kind of value."""

    def source(self, bind: Bind) -> list[str]:
        """Return lines of Python that replace the JSON in the variable `v`.

        After these lines, `v` holds the value that was read.
        """
        return [f"v = {bind(self.reader())}(v)"]

    def reader(self) -> Read:
        """Return the rule as a function."""
        return self.read

    def read(self, value: Any) -> Any:
        """Read a value, or raise any exception."""
        raise NotImplementedError

    def salvage(self, value: Any, path: str, findings: Findings) -> Any:
        """Read the readable parts of a value, and set the rest aside.

        Raises:
            InvalidResponse: Nothing useful is left of the value; the error names the place, the expected
                value and the actual one.
        """
        raise NotImplementedError


def invalid_response(path: str, expected: str, value: Any) -> InvalidResponse:
    """Return the error for a value that does not fit its place."""
    return InvalidResponse(path, f"expected {expected}, got {_describe(value)}")


def refuse(value: Any) -> Never:
    """Give up on a value; the slow reading finds the reason."""
    raise TypeError(type(value))


def _describe(value: Any) -> str:
    """Describe a JSON value in a few words, without secrets."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {format_value(value)}"
        case str():
            return f"the text {format_value(value, text=_TEXT_SHOWN)}"
        case list():
            return f"a list of {len(value)}"
        case dict():
            return "an object"
        case _:
            return f"a {type(value).__name__}"


# -- Single values --------------------------------------------------------------------------------------


class _Single(Rule):
    """A rule for a value without parts.

    Attributes:
        expected: The expected value, in words.
    """

    expected: str

    def salvage(self, value: Any, path: str, findings: Findings) -> Any:
        try:
            return self.read(value)
        except (TypeError, ValueError, OverflowError):
            raise invalid_response(path, self.expected, value) from None


@attrs.frozen
class ScalarRule(_Single):
    """A rule for a value of one type.

    `otherwise` reads an equivalent value of another type, or refuses it.
    """

    expected: str
    type: type
    otherwise: Read = refuse

    def source(self, bind: Bind) -> list[str]:
        return [f"if type(v) is not {self.type.__name__}: v = {bind(self.otherwise)}(v)"]

    def read(self, value: Any) -> Any:
        return value if type(value) is self.type else self.otherwise(value)


@attrs.frozen
class Access(_Single):
    """A rule for a text that may grant access.

    Such a text is a key, or an address with a signature. Its repr hides the text.
    """

    expected: str = "a text"

    def source(self, bind: Bind) -> list[str]:
        return [f"v = {bind(Hidden)}(v) if isinstance(v, str) else {bind(refuse)}(v)"]

    def read(self, value: Any) -> str:
        return Hidden(value) if isinstance(value, str) else refuse(value)


@attrs.frozen
class DatetimeRule(_Single):
    """A rule for times in ISO 8601; without an offset, in UTC."""

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
class EnumRule(_Single):
    """A rule for a word.

    A documented word becomes its enum member; any other word remains a text.
    """

    members: Mapping[Any, Enum]
    expected: str = "a word"

    def source(self, bind: Bind) -> list[str]:
        return [
            f"if type(v) is not str: {bind(refuse)}(v)",
            f"v = {bind(self.members.get)}(v) or {bind(_word)}(v)",
        ]

    def read(self, value: Any) -> Any:
        return (self.members.get(value) or _word(value)) if type(value) is str else refuse(value)


@attrs.frozen
class Identifier(_Single):
    """A rule for an opaque id.

    An id is neither empty nor longer than a URL can hold.
    """

    expected: str = f"an id of 1 to {MAX_IDENTIFIER:,} characters"

    def source(self, bind: Bind) -> list[str]:
        return [f"if type(v) is not str or not 0 < len(v) <= {MAX_IDENTIFIER}: {bind(refuse)}(v)"]

    def read(self, value: Any) -> str:
        if type(value) is not str or not 0 < len(value) <= MAX_IDENTIFIER:
            refuse(value)
        return value


def _word(value: str) -> str:
    return value if len(value) <= MAX_WORD else refuse(value)


def _number(value: Any) -> float:
    return float(value) if type(value) is int else refuse(value)


def _integer(value: Any) -> int:
    return int(value) if type(value) is float and value.is_integer() else refuse(value)


SINGLE: Final[Mapping[Any, Rule]] = {
    str: ScalarRule("a text", str),
    bool: ScalarRule("true or false", bool),
    int: ScalarRule("an integer", int, _integer),
    float: ScalarRule("a number", float, _number),
    datetime: DatetimeRule(),
}


# -- Values with parts ----------------------------------------------------------------------------------


@attrs.frozen
class ListRule(Rule):
    """A rule for a list.

    `collect` makes a tuple or a list of the items.
    """

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

    def salvage(self, value: Any, path: str, findings: Findings) -> Any:
        if type(value) is not list:
            raise invalid_response(path, "a list", value)
        read = []
        for index, item in enumerate(value):
            here = f"{path}[{index}]"
            try:
                read.append(self.item.salvage(item, here, findings))
            except InvalidResponse as error:
                findings.set_aside(here, item, error)
        return self.collect(read)


@attrs.frozen
class MappingRule(Rule):
    """A rule for an object with any names and similar values."""

    item: Rule

    def read(self, value: Any) -> dict[str, Any]:
        read = self.item.reader()
        return {name: read(item) for name, item in value.items()}

    def salvage(self, value: Any, path: str, findings: Findings) -> Any:
        if type(value) is not dict:
            raise invalid_response(path, "an object", value)
        read = {}
        for name, item in value.items():
            here = member(path, name)
            try:
                read[name] = self.item.salvage(item, here, findings)
            except InvalidResponse as error:
                findings.set_aside(here, item, error)
        return read


@attrs.frozen
class Object(Rule):
    """A rule for a model."""

    model: type[Model]
    reader_of: ReaderOf

    def reader(self) -> Read:
        return self.reader_of(self.model)

    def read(self, value: Any) -> Any:
        return self.reader()(value)

    def salvage(self, value: Any, path: str, findings: Findings) -> Any:
        if type(value) is not dict:
            raise invalid_response(path, "an object", value)
        with suppress(Exception):
            return self.read(value)  # this object has no fault
        model: Any = self.model
        before = len(findings.values)
        extra = {name: each for name, each in value.items() if name not in _names_of(model)}
        try:
            fields = {
                field.name: field.salvage(value, path, findings, extra)
                for field in field_rules(model, self.reader_of)
            }
        except InvalidResponse:
            del findings.values[before:]  # the object is set aside as a whole, and listed once
            raise
        return model(**fields, extra=extra or NO_EXTRA)


@attrs.frozen
class UnionRule(Rule):
    """A rule for one of several models.

    The first model whose required fields are all present is read, else the last.
    """

    models: tuple[Object, ...]

    def read(self, value: Any) -> Any:
        return self._choice(value).read(value)

    def salvage(self, value: Any, path: str, findings: Findings) -> Any:
        return self._choice(value).salvage(value, path, findings)

    def _choice(self, value: Any) -> Object:
        names = value if type(value) is dict else ()
        fits = (each for each in self.models if all(name in names for name in _required_fields(each.model)))
        return next(fits, self.models[-1])


@attrs.frozen
class FieldRule:
    """A rule for a field of a model.

    Attributes:
        name: The name of the field, in JSON and in Python.
        rule: The rule for its value.
        default: The value if the field is missing; `attrs.NOTHING` if the field is required.
        keeps_null: True if null is a value of its own (in requests), False if null counts as missing (in
            responses).
        is_secret: True if the value must never be shown.
        is_address: True if the field holds an address in a response; an address that is no text is odd, but
            present.
    """

    name: str
    rule: Rule
    default: Any
    keeps_null: bool
    is_secret: bool
    is_address: bool

    @property
    def is_required(self) -> bool:
        """True if the field must be present and must not be null."""
        return self.default is attrs.NOTHING

    def salvage(
        self, siblings: Mapping[str, Any], path: str, findings: Findings, extra: dict[str, Any]
    ) -> Any:
        """Read this field of an object.

        The value of an optional field that cannot be read is set aside, into `extra`.

        Raises:
            InvalidResponse: The field is required and cannot be read.
        """
        here, value = member(path, self.name), siblings.get(self.name)
        if value is None and (not self.is_required or self.name not in siblings):
            if self.is_required:
                raise InvalidResponse(here, "is missing")
            return None if self.keeps_null and self.name in siblings else self.default
        try:
            return self.rule.salvage(value, here, findings)
        except InvalidResponse as error:
            problem = error
        if self.is_address and (value is not None or self.is_required):
            return "" if value is None else Hidden(dumps(value).decode())
        if self.is_secret:
            problem, value = InvalidResponse(here, "expected something else"), HIDDEN
        if self.is_required:
            raise problem from None
        findings.set_aside(here, value, problem, siblings)
        extra[self.name] = value
        return self.default


def member(path: str, name: str) -> str:
    """Return the path of a field: `$.sections`, or `$["odd name"]`."""
    return f"{path}.{name}" if name.isidentifier() else f"{path}[{format_value(name, text=_TEXT_SHOWN)}]"


# -- From annotations to rules --------------------------------------------------------------------------


@functools.cache
def field_rules(model: type[Any], reader_of: ReaderOf) -> list[FieldRule]:
    """Return the rules for those fields of a model that JSON holds."""
    return [
        FieldRule(
            name=field.name,
            rule=_rule_of(model, field, reader_of),
            default=field.default,
            keeps_null=issubclass(model, Request),
            is_secret="secret" in field.metadata,
            is_address=field.name.endswith("url") and not issubclass(model, Request),
        )
        for field in attrs.fields(model)
        if "local" not in field.metadata
    ]


def rule_for(annotation: Any, reader_of: ReaderOf) -> Rule:
    """Return the rule for an annotation.

    None and Unset in the annotation are ignored: they concern the field, not the value.
    """
    choices = get_args(annotation) if get_origin(annotation) in {UnionType, Union} else (annotation,)
    choices = tuple(choice for choice in choices if choice not in {NoneType, Unset})
    match choices:
        case (choice,) if choice in SINGLE:
            return SINGLE[choice]
        case (choice,):
            return _rule_with_parts(choice, reader_of)
        case (enum, other) if other is str and issubclass(enum, Enum):
            return EnumRule(enum._value2member_map_)
        case models if all(isinstance(each, type) and issubclass(each, Model) for each in models):
            return UnionRule(tuple(Object(model, reader_of) for model in models))
    raise TypeError(f"no rule for {annotation!r}")


def _rule_with_parts(annotation: Any, reader_of: ReaderOf) -> Rule:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in {tuple, Sequence}:
        return ListRule(rule_for(arguments[0], reader_of), tuple)
    if origin is ItemList:
        return ListRule(rule_for(arguments[0], reader_of), ItemList)
    if origin is Mapping:
        return MappingRule(rule_for(arguments[1], reader_of))
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return Object(annotation, reader_of)
    raise TypeError(f"no rule for {annotation!r}")


def _required_fields(model: type[Model]) -> list[str]:
    return [field.name for field in attrs.fields(model) if field.default is attrs.NOTHING]


def _rule_of(model: type[Any], field: "attrs.Attribute[Any]", reader_of: ReaderOf) -> Rule:
    if _is_identifier(model, field):
        return _IDENTIFIER
    rule = rule_for(field.type, reader_of)
    may_be_access = "secret" in field.metadata or field.name.endswith("url")
    return _ACCESS if may_be_access and rule is SINGLE[str] and not issubclass(model, Request) else rule


def _is_identifier(model: type[Model], field: "attrs.Attribute[Any]") -> bool:
    is_own = field.name in {"id", "project_id", "upload_id"} and field.default is attrs.NOTHING
    return is_own and not issubclass(model, Request)


_IDENTIFIER: Final = Identifier()
_ACCESS: Final = Access()


@functools.cache
def _names_of(model: type[Any]) -> frozenset[str]:
    return frozenset(field.name for field in attrs.fields(model) if "local" not in field.metadata)
