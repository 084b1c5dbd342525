"""The base classes of all models.

Models keep unknown fields, compare by value, and hide secrets in their reprs. They are frozen, slotted and
take keywords only. They are declared with `repr=False, eq=False` because the methods here serve all of them;
generating the methods for each class would slow down every import.
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
"""Metadata of a field that is not part of the JSON; this package fills it in."""

SECRET: Final = {"secret": True}
"""Metadata of a field whose value must never be printed."""


class NoExtra(Mapping[str, Any]):
    """The immutable empty mapping that models without unknown fields share."""

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
        return "NO_EXTRA"  # copies and unpickled values are the same object


NO_EXTRA: Final = NoExtra()


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Model:
    """A JSON object of the API.

    Attributes:
        extra: Fields this version does not know, by name, as received; mostly empty. A field whose value has
            another type than documented is here, too, and its attribute has the default.
    """

    extra: Mapping[str, Any] = attrs.field(default=NO_EXTRA, metadata=LOCAL)

    def __repr__(self) -> str:
        """Return the non-empty fields, without secrets and query strings of URLs."""
        return f"{type(self).__name__}({', '.join(f'{name}={text}' for name, text in self._iter_fields())})"

    def __rich_repr__(self) -> Iterator[tuple[str, "_Verbatim"]]:
        """Return the same fields for rich.

        Otherwise rich would read the fields by itself and print secrets.
        """
        return ((name, _Verbatim(text)) for name, text in self._iter_fields())

    def __eq__(self, other: object) -> bool:
        """Return True for a model of the same class with equal values.

        Unknown fields count, the receipt does not.
        """
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
    """A part of a response that differs from the API's documentation.

    Such a part is set aside.

    Attributes:
        path: The place of the part, such as `$.projects[3]` or `$.projects[3].created_at`.
        problem: The expected and the received value, such as `status: is missing`.
        id: The `id` of the object that is the part, or has it as a field; None if there is no id.
        value: The JSON as received.
    """

    path: str
    problem: str
    id: str | None = attrs.field(default=None, repr=format_value)
    value: Any = attrs.field(default=None, repr=False)

    @property
    def is_item(self) -> bool:
        """True for a whole list item, False for a field of one."""
        return self.path.endswith("]") and self.path.count("[") == self.path.count(".") == 1


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Response(Model):
    """A JSON object in the response of an endpoint.

    Attributes:
        receipt: The status, request id and rate headers of the response; None if the object has another
            source.
        unreadable: The parts that could not be read, nested ones included; mostly empty. All other parts are
            in this object.
        envelope: Unknown fields beside this object, if the response wraps it in an envelope.
    """

    receipt: Receipt | None = attrs.field(default=None, eq=False, repr=False, metadata=LOCAL)
    unreadable: tuple[UnreadableValue, ...] = attrs.field(default=(), eq=False, metadata=LOCAL)
    envelope: Mapping[str, Any] = attrs.field(default=NO_EXTRA, eq=False, metadata=LOCAL)


class ItemList(list[T]):
    """All items in the response of an endpoint.

    Attributes:
        extra: Unknown fields beside the list, by name, as received; mostly empty.
        receipt: The status, request id and rate headers of the response; None if the list has another source.
        unreadable: The items that could not be read and are not in the list, and unreadable fields of the
            others.
    """

    extra: Mapping[str, Any] = NO_EXTRA
    receipt: Receipt | None = None
    unreadable: tuple[UnreadableValue, ...] = ()


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Request(Model):
    """A JSON object to send.

    A field left UNSET is not sent. None is sent as null, and is accepted only if null has a meaning.

    Attributes:
        extra: Further fields to send, which this version does not know; they override its own fields.
    """

    def problems(self) -> dict[str, str]:
        """Return all the problems that every server would refuse.

        Returns:
            The problem and the advice for each field (`references[2].url`); empty if there are no problems.
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
        """Return True if there is no field to send."""
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
    """Return a hashable stand-in, which is equal for equal values.

    Mappings and lists have no hash of their own.
    """
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
