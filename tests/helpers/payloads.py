"""JSON for any model, made up from its annotations; independent of how the converter reads them."""

import types
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Union, get_args, get_origin

import attrs
from hypothesis import strategies as st

from eversince_async import models
from eversince_async.models import Model, Request, Response, Unset

BASES = {Model, Request, Response}

ALL: list[Any] = [
    model
    for name in models.__all__
    if isinstance(model := getattr(models, name), type) and issubclass(model, Model) and model not in BASES
]
"""Every model there is."""

invented_names = st.text("abcdefgh_", min_size=1, max_size=6).map(lambda text: f"new_{text}")

short_text = st.text(max_size=8)

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | short_text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(short_text, inner, max_size=2),
    max_leaves=4,
)

times = st.sampled_from(
    [
        "2025-03-15T10:30:00Z",
        "2025-03-15T10:30:00.123456Z",
        "2025-03-15T10:30:00",
        "2025-03-15T12:30:00+02:00",
    ]
)


def fields(model: type[Model]) -> "list[attrs.Attribute[Any]]":
    return [field for field in attrs.fields(model) if "local" not in field.metadata]


def is_required(field: "attrs.Attribute[Any]") -> bool:
    return field.default is attrs.NOTHING


def choices(annotation: Any) -> tuple[Any, ...]:
    """What an annotation allows, None and Unset aside."""
    found = get_args(annotation) if get_origin(annotation) in {types.UnionType, Union} else (annotation,)
    return tuple(choice for choice in found if choice not in {types.NoneType, Unset})


def may_be_null(model: type[Model], field: "attrs.Attribute[Any]") -> bool:
    if issubclass(model, Request):
        return types.NoneType in get_args(field.type)
    return not is_required(field)


@st.composite
def payload(draw: st.DrawFn, model: type[Model]) -> dict[str, Any]:
    """An object that must be readable as the model."""
    made: dict[str, Any] = {}
    for field in fields(model):
        if not is_required(field) and draw(st.integers(0, 3)) == 0:
            continue
        null = may_be_null(model, field) and draw(st.integers(0, 3)) == 0
        made[field.name] = None if null else draw(field_value(model, field))
    extra = draw(st.dictionaries(invented_names, anything, max_size=2))
    return {**extra, **made}


def field_value(model: type[Model], field: "attrs.Attribute[Any]") -> "st.SearchStrategy[Any]":
    is_id = field.name in {"id", "project_id", "upload_id"} and not issubclass(model, Request)
    return st.text(min_size=1, max_size=8) if is_id else value(field.type)


def value(annotation: Any) -> "st.SearchStrategy[Any]":
    return st.one_of([_value(choice) for choice in choices(annotation)])


def _value(choice: Any) -> "st.SearchStrategy[Any]":
    origin = get_origin(choice)
    if origin in {tuple, Sequence}:
        return st.lists(value(get_args(choice)[0]), max_size=2)
    if origin is Mapping:
        return st.dictionaries(short_text, value(get_args(choice)[1]), max_size=2)
    if issubclass(choice, Model):
        return payload(choice)
    if issubclass(choice, Enum):
        return st.sampled_from([member.value for member in choice])
    return {
        str: short_text,
        bool: st.booleans(),
        int: st.integers(-(10**6), 10**6) | st.integers(-99, 99).map(float),
        float: st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6),
        datetime: times,
    }[choice]


# -- Places in a payload --------------------------------------------------------------------------------


@attrs.frozen
class Place:
    """A value inside a payload: `holder[key]`.

    Attributes:
        wanted: The kinds of JSON that fit there.
    """

    path: str
    trail: tuple[Any, ...]
    holder: Any
    wanted: frozenset[str]
    is_required: bool
    around: "Place | None" = attrs.field(repr=False)

    @property
    def key(self) -> Any:
        return self.trail[-1]

    @property
    def lost(self) -> "Place | None":
        """The smallest place that is useless when nothing readable is here; None for the whole payload."""
        place: Place | None = self
        while place is not None and place.is_required:
            place = place.around
        return place


def places(
    data: Any, model: type[Model], path: str = "$", trail: tuple[Any, ...] = (), around: Place | None = None
) -> Iterator[Place]:
    """Every place in a payload of that model, at any depth."""
    for field in fields(model):
        if field.name not in data:
            continue
        here, found = f"{path}.{field.name}", data[field.name]
        null = frozenset() if not may_be_null(model, field) and not issubclass(model, Request) else {"null"}
        place = Place(here, (*trail, field.name), data, kinds(field.type) | null, is_required(field), around)
        yield place
        if found is not None:
            yield from _inside(found, field.type, place)


def _inside(found: Any, annotation: Any, place: Place) -> Iterator[Place]:
    inner = choices(annotation)[0]
    origin = get_origin(inner)
    if origin in {tuple, Sequence}:
        item_type = get_args(inner)[0]
        for index, item in enumerate(found):
            here = f"{place.path}[{index}]"
            one = Place(here, (*place.trail, index), found, kinds(item_type), False, place)
            yield one
            yield from _inside(item, item_type, one)
    elif origin is Mapping:
        item_type = get_args(inner)[1]
        for name, item in found.items():
            here = f"{place.path}.{name}" if name.isidentifier() else f"{place.path}[{name!r}]"
            one = Place(here, (*place.trail, name), found, kinds(item_type), False, place)
            yield one
            yield from _inside(item, item_type, one)
    elif issubclass(inner, Model):
        yield from places(found, fitting(found, choices(annotation)), place.path, place.trail, place)


def fitting(data: Any, alternatives: Sequence[type[Model]]) -> type[Model]:
    """Which of several models a payload was made for."""
    return next(m for m in alternatives if all(f.name in data for f in fields(m) if is_required(f)))


def kinds(annotation: Any) -> frozenset[str]:
    return frozenset(kind for choice in choices(annotation) for kind in _kinds(choice))


def _kinds(choice: Any) -> tuple[str, ...]:
    origin = get_origin(choice)
    if origin in {tuple, Sequence}:
        return ("list",)
    if origin is Mapping or issubclass(choice, Model):
        return ("object",)
    return {
        bool: ("bool",),
        int: ("integer",),
        float: ("integer", "fraction"),
        datetime: (),  # a text fits only if it is a time; the texts below are none
    }.get(choice, ("text",))


WRONG: dict[str, Any] = {
    "null": None,
    "bool": True,
    "integer": 7,
    "fraction": 7.5,
    "text": "7",
    "list": [7],
    "object": {"new": 7},
}
"""One value of each kind."""
