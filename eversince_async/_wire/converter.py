"""The one converter between JSON and models.

`structure` reads by these rules:

- Unknown fields are kept, in `extra`. Names are the same in JSON and in Python.
- Nothing is coerced: `"7"` is no 7, and true is no number.
- What cannot be read is set aside, and with it the smallest thing that is useless without it: an optional
  field has its default then, and its value is kept in `extra`; a list or mapping has one item less; an object
  without a required field is no object. It stands in `unreadable`, with its path, unless nothing is left:
  that is an `InvalidResponse`. In requests nothing is set aside.
- An address in an answer (`…url`) that is no text is read as the JSON that it is, a required one that is
  null as an empty text: only using it is an error.
- Only the forms of numbers are not told apart: an integer is read where a number is wanted, 4.0 where an
  integer is.
- An optional field that is missing or null has its default. Only in requests is null a value of its own.
- Enums are open: a documented text becomes the member, any other stays the text it is.
- Times are ISO 8601 and become aware datetimes; one without an offset is in UTC.
- Lists become tuples, so that models stay frozen all the way down.
- Of a union of models, the first whose required fields are all there is read.
- Fields marked as local (`extra`, `receipt`, `existed`) never come from JSON, whatever it says.

`unstructure` writes by these:

- UNSET fields and local ones are left out, and so is None where it is the default. None elsewhere is null.
- Enum members become their values, datetimes ISO 8601, tuples lists.
- `extra` goes along, and wins.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar, get_origin

import attrs
import cattrs

from eversince_async._wire.readers import (
    MAX_UNREADABLE,
    FieldRule,
    Findings,
    Read,
    TooManyUnreadable,
    field_rules,
    refuse,
    rule_for,
)
from eversince_async.errors import InvalidRequest, InvalidResponse
from eversince_async.models._base import NO_EXTRA, UNSET, ItemList, Model, Request, Response

T = TypeVar("T")


def structure(data: Any, cls: type[T], path: str = "$") -> T:
    """Read JSON data as a model, or as an `ItemList[...]` of models.

    Args:
        data: What the JSON parser made of a body, or of a part of it.
        cls: What it should be.
        path: Where the data stood in the body, for errors.

    Raises:
        InvalidResponse: It cannot be read as that; says where, what was expected and what came.
    """
    read = _readers.get(cls) or reader_of(cls)
    try:
        model: T = read(data, cls)
    except Exception:  # noqa: BLE001 - any of them means "does not fit"
        model = _salvage(data, cls, path)
    return model


def is_foreign(data: Any, cls: Any) -> bool:
    """Whether an object has none of the fields that objects of a class have, as that of a gateway has."""
    if not isinstance(data, dict) or not _is_model(cls):
        return False
    hashable: Any = cls
    return not any(field.name in data for field in field_rules(hashable, reader_of))


def _salvage(data: Any, cls: Any, path: str) -> Any:
    findings = Findings(is_strict=_is_model(cls) and issubclass(cls, Request))
    try:
        model = rule_for(cls, reader_of).salvage(data, path, findings)
    except TooManyUnreadable:
        raise InvalidResponse(path, f"more than {MAX_UNREADABLE:,} values in it cannot be read") from None
    if isinstance(model, Response | ItemList):
        object.__setattr__(model, "unreadable", tuple(findings.values))  # frozen for everybody but its maker
    return model


def unstructure(model: Model) -> dict[str, Any]:
    """Write a model as JSON data; see the rules above.

    Raises:
        InvalidRequest: What it has in its `extra` is nested beyond reason, or contains itself.
    """
    try:
        plain: dict[str, Any] = converter.unstructure(model)
    except RecursionError:
        raise InvalidRequest({"body": "cannot be written as JSON: it is nested too deeply"}) from None
    return plain


def check(request: Request) -> None:
    """Refuse what every revision of the server refuses.

    Raises:
        InvalidRequest: With all problems at once; nothing was sent.
    """
    problems = request.problems()
    if problems:
        raise InvalidRequest(problems)


# -- Reading --------------------------------------------------------------------------------------------


_readers: dict[Any, Read] = {}
"""What `reader_of` has found: asking the converter each time would cost a tenth of a small answer."""


def reader_of(cls: Any) -> Read:
    """The function that reads a class, or an `ItemList` of them; generated when first asked for."""
    reader = _readers[cls] = converter.get_structure_hook(cls)
    return reader


def make_reader(model: type[Model]) -> Read:
    """Generate the function that reads a class; the hook factory of all models.

    The source is written out for the fields of that class, so that reading a value is a type check and a
    store, without a call. Three things need explaining:

    - A frozen class is slow to fill, attribute by attribute, through `object.__setattr__`. So the object
      begins its life as a *twin*: a subclass with the same slots that is not frozen. When it is complete,
      it is given its real class, and from then on nobody can change it.
    - That way `__init__` is never run, and so neither validators nor converters would be: classes that have
      some are refused.
    - Any exception in here means "does not fit". `structure` then reads again, slowly.
    """
    _check_no_dropped_fields(model)
    names = _Names()
    source = "\n    ".join(_source(model, names.bind))
    exec(compile(source, f"<reader of {model.__name__}>", "exec"), names.known)
    reader: Read = names.known["read"]
    return reader


def _source(model: type[Model], bind: Callable[[Any], str]) -> list[str]:
    """Lines of the reading function of a class: `o` is the JSON object, `s` the instance, `v` a value."""
    hashable: Any = model
    fields = field_rules(hashable, reader_of)
    local = [field for field in attrs.fields(model) if "local" in field.metadata and field.name != "extra"]
    known = frozenset(field.name for field in fields)
    return [
        "def read(o, _=None):",
        f"if type(o) is not dict: {bind(refuse)}(o)",
        f"s = {bind(_with_extra(model))}()",
        "get = o.get",
        *(line for field in fields for line in _field_source(field, bind)),
        *(f"s.{field.name} = {bind(field.default)}" for field in local),
        # A comprehension right here would make `o` a cell, and every use of it slower.
        f"s.extra = {bind(NO_EXTRA)} if {bind(known.issuperset)}(o) else {bind(_unknown)}(o, {bind(known)})",
        f"s.__class__ = {bind(model)}",
        "return s",
    ]


def _field_source(field: FieldRule, bind: Callable[[Any], str]) -> list[str]:
    lines = field.rule.source(bind)
    if field.is_required:
        return [f"v = o[{field.name!r}]", *lines, f"s.{field.name} = v"]
    indented = [f"    {line}" for line in lines]
    if field.default is None:
        read = [f"v = get({field.name!r})", "if v is not None:", *indented]
    elif field.keeps_null:
        default = bind(field.default)
        read = [f"v = get({field.name!r}, {default})", f"if v is not {default} and v is not None:", *indented]
    else:
        read = [f"v = get({field.name!r})", f"if v is None: v = {bind(field.default)}", "else:", *indented]
    return [*read, f"s.{field.name} = v"]


def _unknown(siblings: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in siblings.items() if name not in known}


def _with_extra(model: type[Model]) -> type[Model]:
    # Both of `setattr` and `delattr` must be object's own, or CPython stores the slow way.
    own = {name: getattr(object, name) for name in ("__init__", "__setattr__", "__delattr__")}
    return type(f"{model.__name__}Twin", (model,), {"__slots__": (), **own})


def _check_no_dropped_fields(model: type[Model]) -> None:
    fields = attrs.fields(model)
    if hasattr(model, "__attrs_post_init__") or any(field.validator or field.converter for field in fields):
        raise TypeError(f"{model.__name__} has code that runs on creation, which reading would skip")
    if any(isinstance(field.default, attrs.Factory) for field in fields):  # type: ignore[arg-type]  # is a class
        raise TypeError(f"{model.__name__} has a default made anew each time, which reading would share")


class _Names:
    """The globals of a generated function."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}

    def bind(self, thing: Any) -> str:
        """Give the function access to an object; return the name it has there."""
        name = f"{getattr(thing, '__name__', 'constant')}_{len(self.known)}"
        self.known[name] = thing
        return name


# -- Writing --------------------------------------------------------------------------------------------


def _write(model: Model) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for field in attrs.fields(type(model)):
        value = getattr(model, field.name)
        if "local" in field.metadata or value is UNSET or (value is None and field.default is None):
            continue
        plain[field.name] = _plain(value)
    return {**plain, **_plain(model.extra)}


def _plain(value: Any) -> Any:
    match value:
        case Model():
            return _write(value)
        case Enum():
            return value.value
        case datetime():
            return value.isoformat()
        case list() | tuple():
            return [_plain(item) for item in value]
        case Mapping():
            return {name: _plain(item) for name, item in value.items()}
        case _:
            return value


# -- The converter itself -------------------------------------------------------------------------------


def _is_model(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, Model)


def _is_list(cls: Any) -> bool:
    origin: Any = get_origin(cls)
    return origin is ItemList


def _list_hook(cls: Any) -> Read:
    rule = rule_for(cls, reader_of)
    return lambda data, _: rule.read(data)


def _make_converter() -> cattrs.Converter:
    made = cattrs.Converter(detailed_validation=False)
    made.register_structure_hook_factory(_is_model, make_reader)
    made.register_structure_hook_factory(_is_list, _list_hook)
    made.register_unstructure_hook_func(_is_model, _write)
    return made


converter = _make_converter()
