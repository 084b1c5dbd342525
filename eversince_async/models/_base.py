"""What all models have in common: unknown fields are kept, equality is by value, reprs keep secrets.

Models are frozen, slotted and take keywords only. They are declared with `repr=False, eq=False` because
the methods here serve them all; generating them for each class would slow down every import.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Never, TypeVar

import attrs

from eversince_async._redaction import HIDDEN, without_query
from eversince_async.models._checks import field_problem
from eversince_async.models._repr import format_value
from eversince_async.models._unset import UNSET, Unset
from eversince_async.models.receipt import Receipt

__all__ = [
    "LOCAL",
    "NO_EXTRA",
    "SECRET",
    "UNSET",
    "ItemList",
    "Model",
    "Request",
    "Response",
    "UnreadableValue",
    "Unset",
]

T = TypeVar("T")

LOCAL: Final = {"local": True}
"""Metadata of a field that is no part of the JSON: we fill it in."""

SECRET: Final = {"secret": True}
"""Metadata of a field whose value must never be shown."""


class NoExtra(Mapping[str, Any]):
    """The empty mapping that all models without unknown fields share; it cannot be changed."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Never:
        raise KeyError(key)

    def __iter__(self) -> Iterator[Never]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "{}"

    def __reduce__(self) -> str:
        return "NO_EXTRA"  # copies and pickles are this very object


NO_EXTRA: Final = NoExtra()


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Model:
    """A JSON object of the API.

    Attributes:
        extra: Fields this version does not know, by name, as they came; mostly empty. A field whose value
            is of another type than documented is here, too, and its attribute has the default.
    """

    extra: Mapping[str, Any] = attrs.field(default=NO_EXTRA, metadata=LOCAL)

    def __repr__(self) -> str:
        """The fields that say something, without secrets and without the query strings of URLs."""
        return f"{type(self).__name__}({', '.join(f'{name}={text}' for name, text in self._iter_fields())})"

    def __rich_repr__(self) -> Iterator[tuple[str, "_Verbatim"]]:
        """The same for rich, which would otherwise read the fields by itself and print secrets."""
        return ((name, _Verbatim(text)) for name, text in self._iter_fields())

    def __eq__(self, other: object) -> bool:
        """Models of one class with equal values, unknown ones included; the receipt does not count."""
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _compared_fields(type(self)))

    def __hash__(self) -> int:
        return hash((type(self), *(_hashable(getattr(self, name)) for name in _compared_fields(type(self)))))

    def _iter_fields(self) -> Iterator[tuple[str, str]]:
        # Unknown fields come last, although they are inherited.
        for field in sorted(attrs.fields(type(self)), key=lambda field: field.name == "extra"):
            value = getattr(self, field.name)
            if isinstance(value, str) and field.name.endswith("url"):
                value = without_query(value)
            if field.repr and not _says_nothing(value):
                yield field.name, HIDDEN if "secret" in field.metadata else format_value(value)


@attrs.frozen(kw_only=True)
class UnreadableValue:
    """A part of an answer that was set aside, as it is not what the API documents.

    Attributes:
        path: Where it stood, such as `$.projects[3]` or `$.projects[3].created_at`.
        problem: What was expected and what came, such as `status: is missing`.
        id: The `id` of the object it is, or is a field of; None if that has none.
        value: The JSON as it came.
    """

    path: str
    problem: str
    id: str | None = attrs.field(default=None, repr=format_value)
    value: Any = attrs.field(default=None, repr=False)

    @property
    def is_item(self) -> bool:
        """Whether it is a whole item of the answer's list, rather than a field of one."""
        return self.path.endswith("]") and self.path.count("[") == self.path.count(".") == 1


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Response(Model):
    """A JSON object that an endpoint answers with.

    Attributes:
        receipt: Status, request id and rate headers of that answer; None if it came another way.
        unreadable: Parts that could not be read, nested ones included; mostly empty. The rest is here.
        envelope: Unknown fields beside this object, where the answer has it in an envelope of its own.
    """

    receipt: Receipt | None = attrs.field(default=None, eq=False, repr=False, metadata=LOCAL)
    unreadable: tuple[UnreadableValue, ...] = attrs.field(default=(), eq=False, metadata=LOCAL)
    envelope: Mapping[str, Any] = attrs.field(default=NO_EXTRA, eq=False, metadata=LOCAL)


class ItemList(list[T]):
    """All items that an endpoint answers with.

    Attributes:
        extra: Unknown fields beside the list, by name, as they came; mostly empty.
        receipt: Status, request id and rate headers of that answer; None if it came another way.
        unreadable: Items that could not be read and are not in the list, and fields of those that are.
    """

    extra: Mapping[str, Any] = NO_EXTRA
    receipt: Receipt | None = None
    unreadable: tuple[UnreadableValue, ...] = ()


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Request(Model):
    """A JSON object that is sent.

    A field left UNSET is not sent. None is sent as null, and is taken only where null means something.

    Attributes:
        extra: Further fields to send, for what this version does not know; they win over its own.
    """

    def problems(self) -> dict[str, str]:
        """What every server would refuse, all at once.

        Returns:
            What is wrong and what to do, by field (`references[2].url`); empty if nothing is.
        """
        found: dict[str, str] = {}
        for field in attrs.fields(type(self)):
            value = getattr(self, field.name)
            problem = field_problem(field, value)
            if problem is not None:
                found[field.name] = problem
            elif isinstance(value, (list, tuple)):
                found.update(_problems_inside(field.name, value))
        return found

    def is_empty(self) -> bool:
        """Whether there is nothing to send at all."""
        return not self.extra and all(
            getattr(self, field.name) is UNSET for field in attrs.fields(type(self)) if field.name != "extra"
        )


class _Verbatim:
    """A text that is its own repr."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _compared_fields(model: type[Model]) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(model) if field.eq)


def _hashable(value: Any) -> Any:
    """A stand-in that is equal for equal values: mappings and lists have no hash of their own."""
    if isinstance(value, Mapping):
        return frozenset(value)
    return tuple(value) if isinstance(value, list) else value


def _says_nothing(value: Any) -> bool:
    if isinstance(value, (str, tuple, list, Mapping)):
        return not value
    return value is None or value is UNSET


def _problems_inside(name: str, items: list[Any] | tuple[Any, ...]) -> Iterator[tuple[str, str]]:
    for index, item in enumerate(items):
        if isinstance(item, Request):
            for inner, problem in item.problems().items():
                yield f"{name}[{index}].{inner}", problem
