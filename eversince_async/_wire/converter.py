"""The one converter between JSON and models.

`structure` reads by these rules:

- Unknown fields are kept, in `extra`. Names are the same in JSON and in Python.
- No value is coerced: `"7"` is not read as 7, and true is not read as a number.
- A value that cannot be read is set aside, together with the smallest part that is useless without it: an
  optional field gets its default, and its value is kept in `extra`; a list or mapping loses one item; an
  object without a required field is set aside as a whole. The value is listed in `unreadable`, with its path.
  If nothing is left, the result is an `InvalidResponse`. In requests no value is set aside.
- An address in a response (a field named `…url`) that is no text is read as its own JSON, and a required one
  that is null as an empty text: the error comes only when the address is used.
- Only the forms of numbers are not distinguished: an integer is accepted for a number, and 4.0 for an
  integer.
- An optional field that is missing or null has its default. Only in requests is null a value of its own.
- Enums are open: a documented text becomes the member, any other remains a text.
- Times are ISO 8601 and become aware datetimes; a time without an offset is in UTC.
- Lists become tuples, so that models are frozen at every level.
- Of a union of models, the first whose required fields are all present is read.
- Fields marked as local (`extra`, `receipt`, `existed`) never come from JSON, even if it has such names.

`unstructure` writes by these rules:

- UNSET fields and local fields are left out, and so is None if None is the default. Any other None is null.
- Enum members become their values, datetimes ISO 8601, tuples lists.
- `extra` is written, too, and overrides fields of the same name.
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
        data: The parsed JSON of a body, or of a part of one.
        cls: The class to read.
        path: The place of the data in the body, for errors.

    Raises:
        InvalidResponse: The data cannot be read as that class; the error names the place, the expected value
            and the actual one.
    """
    read = _readers.get(cls) or reader_of(cls)
    try:
        model: T = read(data, cls)
    except Exception:  # noqa: BLE001 - every exception here means "does not fit"
        model = _salvage(data, cls, path)
    return model


def is_foreign(data: Any, cls: Any) -> bool:
    """Return True if an object has none of a class's fields.

    Such an object hardly comes from the API itself; a gateway may have sent it.
    """
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
        object.__setattr__(model, "unreadable", tuple(findings.values))  # frozen for all other code
    return model


def unstructure(model: Model) -> dict[str, Any]:
    """Write a model as JSON data, by the rules above.

    Raises:
        InvalidRequest: The `extra` of the model is nested too deeply, or contains itself.
    """
    try:
        plain: dict[str, Any] = converter.unstructure(model)
    except RecursionError:
        raise InvalidRequest({"body": "cannot be written as JSON: it is nested too deeply"}) from None
    return plain


def check(request: Request) -> None:
    """Refuse a request that every revision of the server refuses.

    Raises:
        InvalidRequest: The request has problems; the error lists all of them. Nothing was sent.
    """
    problems = request.problems()
    if problems:
        raise InvalidRequest(problems)


# -- Reading --------------------------------------------------------------------------------------------


_readers: dict[Any, Read] = {}
"""The readers that `reader_of` has returned.

Asking the converter each time would take a tenth of the time for a small response.
"""


def reader_of(cls: Any) -> Read:
    """Return the function that reads a class, or an `ItemList` of it.

    The function is generated on first use.
    """
    reader = _readers[cls] = converter.get_structure_hook(cls)
    return reader


def make_reader(model: type[Model]) -> Read:
    """Generate the function that reads a class.

    This is the hook factory of all models. The source is written out for the fields of that class, so that
    reading a value is a type check and a store, without a call. Three points need explanation:

    - A frozen class is slow to fill, attribute by attribute, through `object.__setattr__`. So the object is
      created as a *twin*: a subclass with the same slots that is not frozen. When the object is complete, it
      gets its real class, and from then on it cannot be changed.
    - `__init__` never runs that way, and so neither would validators and converters: classes that have any
      are refused.
    - Any exception in the function means "does not fit". `structure` then reads the data again, slowly.
    """
    _check_no_dropped_fields(model)
    names = _Names()
    source = "\n    ".join(_source(model, names.bind))
    exec(compile(source, f"<reader of {model.__name__}>", "exec"), names.values)
    reader: Read = names.values["read"]
    return reader


def _source(model: type[Model], bind: Callable[[Any], str]) -> list[str]:
    """Return the lines of the reading function of a class.

    In them, `o` is the JSON object, `s` the instance, and `v` a value.
    """
    hashable: Any = model
    fields = field_rules(hashable, reader_of)
    local = [field for field in attrs.fields(model) if "local" in field.metadata and field.name != "extra"]
    known = frozenset(field.name for field in fields)
    return [
        "def read(o, _=None):",
        f"if type(o) is not dict: {bind(refuse)}(o)",
        f"s = {bind(_unfrozen_twin(model))}()",
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


def _unfrozen_twin(model: type[Model]) -> type[Model]:
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
        self.values: dict[str, Any] = {}

    def bind(self, thing: Any) -> str:
        """Give the generated function access to an object; return its name there."""
        name = f"{getattr(thing, '__name__', 'constant')}_{len(self.values)}"
        self.values[name] = thing
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
    new = cattrs.Converter(detailed_validation=False)
    new.register_structure_hook_factory(_is_model, make_reader)
    new.register_structure_hook_factory(_is_list, _list_hook)
    new.register_unstructure_hook_func(_is_model, _write)
    return new


converter = _make_converter()
