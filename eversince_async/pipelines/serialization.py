"""Conversion of results to JSON and back, by their type annotations.

These can be stored: None, numbers, texts, booleans, bytes; lists, tuples, sets and mappings of storable
values; dates, times, durations, paths, UUIDs, decimals, enums; dataclasses, attrs classes, named tuples and
typed dicts of storable values; the models of this library, and productions. Nothing is coerced: a value that
its annotation does not allow is refused, rather than restored as something else.
"""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import is_dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import cache, partial
from pathlib import Path, PurePath
from types import SimpleNamespace
from typing import Any, Final, Literal, NoReturn, get_args, get_origin, get_type_hints
from uuid import UUID

import attrs
import cattrs
from cattrs.preconf.json import make_converter

from eversince_async._wire.converter import structure, unstructure
from eversince_async.errors import ConfigurationError, InvalidResponse
from eversince_async.journal import Json
from eversince_async.journal.redaction import is_unredacted, redact_for_resend, redact_observed
from eversince_async.models._base import Model, Request
from eversince_async.models.content import Asset, Variation
from eversince_async.models.output import Share
from eversince_async.models.projects import Project
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.runtime import Runtime


class SerializationError(Exception):
    """A value that cannot be stored, with the reason."""


class Serializer:
    """Converter of the results of one client's pipelines.

    Args:
        runtime: The runtime with which restored productions work.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def check_type(self, kind: Any) -> None:
        """Check, before any step is executed, that a type can be stored.

        Raises:
            SerializationError: There are no rules for the type.
        """
        try:
            for part in _type_parts(kind):
                _result_converter().get_structure_hook(part)
        except (cattrs.StructureHandlerNotFoundError, NameError, TypeError) as problem:
            raise SerializationError(f"{_type_name(kind)} cannot be stored: {_first_line(problem)}") from None

    def to_json(self, value: Any, kind: Any) -> Json:
        """Convert a value into JSON.

        Raises:
            SerializationError: The value does not have the type, or holds a secret.
        """
        try:
            plain = _result_converter().unstructure(value, unstructure_as=kind)
            plain = json.loads(json.dumps(plain, allow_nan=False))
        except Exception as problem:  # noqa: BLE001 - the hooks of these types may raise anything
            raise SerializationError(
                f"{_type_name(type(value))} cannot be stored: {_first_line(problem)}"
            ) from None
        if not is_unredacted(redact_for_resend(plain)):
            raise SerializationError("it holds a signed URL, a key or another secret, which no journal keeps")
        again = self.from_json(plain, kind)
        if (again != value) if kind is Any else (_has_fields(value) and type(again) is not type(value)):
            raise SerializationError(
                f"{_type_name(type(value))} would come back as {_type_name(type(again))}: annotate the "
                "function with the type it returns"
            )
        return plain

    def from_json(self, plain: Json, kind: Any) -> Any:
        """Restore a value from JSON.

        Raises:
            SerializationError: The JSON does not describe a value of the type.
        """
        here = _runtime.set(self._runtime)
        try:
            return _result_converter().structure(plain, kind)
        except InvalidResponse as problem:
            raise SerializationError(f"it is not of type {_type_name(kind)}: {problem}") from None
        except Exception as problem:  # noqa: BLE001 - the hooks of these types may raise anything
            why = "; ".join(cattrs.transform_error(problem, format_exception=_describe_error))
            raise SerializationError(f"it is not of type {_type_name(kind)}: {why}") from None
        finally:
            _runtime.reset(here)

    def argument_to_json(self, value: Any) -> Json:
        """Convert an argument into the JSON that runs compare.

        An argument that can be stored is compared as a whole, any other by its type alone.
        """
        try:
            plain = _argument_converter().unstructure(value)
            return json.loads(json.dumps(plain, allow_nan=False))
        except Exception:  # noqa: BLE001 - the value is the user's, and may raise anything
            return {"type": _type_name(type(value))}


def to_display(value: Any) -> Json:
    """Convert the material of a question into plain values to show.

    Raises:
        SerializationError: The value cannot be shown this way.
    """
    try:
        return json.loads(json.dumps(_display_converter().unstructure(value), allow_nan=False))
    except (TypeError, ValueError) as problem:
        raise SerializationError(
            f"{_type_name(type(value))} cannot be shown: {_first_line(problem)}"
        ) from None


# A converter generates code for each class that it meets, which takes milliseconds: so each is built once.


@cache
def _result_converter() -> cattrs.Converter:
    converter = _converter()
    converter.register_unstructure_hook(Production, production_to_json)
    converter.register_structure_hook(
        Production, lambda plain, _: production_from_json(_runtime.get(), plain)
    )
    return converter


@cache
def _argument_converter() -> cattrs.Converter:
    converter = _converter()
    converter.register_unstructure_hook(Production, production_ref)
    return converter


@cache
def _display_converter() -> cattrs.Converter:
    converter = _converter()
    converter.register_unstructure_hook(Production, production_display)
    return converter


_runtime: Final[ContextVar[Runtime]] = ContextVar("runtime")
"""The runtime for the productions that are being restored."""

_TEXTS: Final[tuple[tuple[Any, Callable[[Any], str], Callable[[str], Any]], ...]] = (
    (UUID, str, UUID),
    (Decimal, str, Decimal),
    (time, time.isoformat, time.fromisoformat),
)
"""Types that are stored as text, each with its writer and its reader."""


def _converter() -> cattrs.Converter:
    converter = make_converter(structure_fallback_factory=_unknown)
    for single in (str, int, bool, type(None)):
        converter.register_structure_hook(single, _exact_type(single))
    converter.register_structure_hook(float, _number)
    for kind, write, read in _TEXTS:
        converter.register_unstructure_hook(kind, write)
        converter.register_structure_hook(kind, _from_text(read))
    converter.register_unstructure_hook_func(_subclass_of(PurePath), str)
    converter.register_unstructure_hook(timedelta, timedelta.total_seconds)
    converter.register_structure_hook(
        timedelta, lambda seconds, _: timedelta(seconds=_number(seconds, float))
    )
    converter.register_structure_hook_func(_subclass_of(PurePath), _path)
    converter.register_unstructure_hook_func(_subclass_of(Model), _model)
    converter.register_structure_hook_func(_subclass_of(Model), structure)
    converter.register_structure_hook_factory(_is_named_tuple, partial(_named_tuple, converter))
    return converter


def _unknown(kind: Any) -> NoReturn:
    """Refuse a type without rules.

    cattrs calls this when it meets the type, not only when it meets a value of it.
    """
    raise cattrs.StructureHandlerNotFoundError(f"there are no rules for {_type_name(kind)}", kind)


def _subclass_of(base: type) -> Callable[[Any], bool]:
    return lambda kind: isinstance(kind, type) and issubclass(kind, base)


def _exact_type(kind: type) -> Callable[[Any, Any], Any]:
    def read(value: Any, wanted: Any) -> Any:
        if type(value) is not kind:
            raise TypeError(f"expected {_type_name(kind)}, got {_type_name(type(value))}")
        return value if wanted is kind else wanted(value)  # e.g. a StrEnum, which is a str as well

    return read


def _type_parts(kind: Any) -> Iterator[Any]:
    """Yield a type and the types it consists of.

    cattrs does not report by itself that a part of a union has no rules.
    """
    yield kind
    if get_origin(kind) is not Literal:
        for part in get_args(kind):
            if isinstance(part, type) or get_origin(part) is not None:
                yield from _type_parts(part)


def _is_named_tuple(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


def _named_tuple(converter: cattrs.Converter, kind: Any) -> Callable[[Any, Any], Any]:
    """Build a reader of a named tuple, whose annotations may be strings."""
    hints = get_type_hints(kind)
    fields = [
        (converter.get_structure_hook(hints.get(name, Any)), hints.get(name, Any)) for name in kind._fields
    ]
    return lambda plain, _: kind(
        *(read(value, field) for value, (read, field) in zip(plain, fields, strict=True))
    )


def _number(value: Any, _: Any) -> float:
    if type(value) not in {int, float}:
        raise TypeError(f"expected a number, got {_type_name(type(value))}")
    return float(value)


def _from_text(read: Callable[[str], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, _: read(_exact_type(str)(value, str))


def _path(value: Any, kind: type[PurePath]) -> PurePath:
    return kind(_exact_type(str)(value, str))


def _model(model: Model) -> Json:
    plain = unstructure(model)
    return plain if isinstance(model, Request) else redact_observed(plain)


def _has_fields(value: object) -> bool:
    return attrs.has(type(value)) or is_dataclass(value)


def _type_name(kind: Any) -> str:
    return kind.__qualname__ if isinstance(kind, type) else str(kind)


def _describe_error(problem: BaseException, kind: type | None) -> str:
    """Describe an error at one place of a value."""
    if isinstance(problem, KeyError):
        return f"{problem} is missing"
    return str(problem) or f"it is not of type {_type_name(kind)}"


def _first_line(problem: Exception) -> str:
    return str(problem).partition("\n")[0] or type(problem).__name__


EXPIRED: Final = datetime.fromtimestamp(0, UTC)
"""An expiry time in the past on any clock."""


def production_to_json(production: Production) -> Json:
    """Convert a production into the JSON that the journal stores."""
    return {
        "project": redact_observed(unstructure(production.project)),
        "share": _redact(production.share),
        "variation": _redact(production.variation),
        "assets": [redact_observed(unstructure(asset)) for asset in production.assets],
        "files": [str(path) for path in production.files],
        "timings": dict(production.timings),
        "request_ids": list(production.request_ids),
    }


def production_from_json(runtime: Runtime, plain: Mapping[str, Any]) -> Production:
    """Restore a production from the journal.

    The journal does not hold the signature of its `assembled_url`, so the URL counts as expired. A new one is
    requested from the server only when it is needed: by `Production.download` or `Production.refreshed`.
    """
    project = structure(plain["project"], Project)
    if project.assembled_url is not None:
        project = attrs.evolve(project, assembled_url_expires_at=EXPIRED)
    share, variation = plain["share"], plain["variation"]
    return Production(
        project=project,
        share=None if share is None else structure(share, Share),
        variation=None if variation is None else structure(variation, Variation),
        assets=tuple(structure(asset, Asset) for asset in plain["assets"]),
        files=tuple(map(Path, plain["files"])),
        timings=plain["timings"],
        request_ids=tuple(plain["request_ids"]),
        runtime=runtime,
    )


def production_ref(production: Production) -> Json:
    """Return the identity of a production, for comparisons between runs.

    It is the same for a new production and a restored one.
    """
    variation = production.variation
    return {
        "project_id": production.project_id,
        "variation_id": None if variation is None else variation.id,
        "share_url": production.share_url,
    }


def production_display(production: Production) -> Json:
    """Return the facts that a person needs to look at a production."""
    variation = production.variation
    return {
        **production_ref(production),
        "variation": None if variation is None else variation.title,
        "studio_url": production.project.project_url,
        "files": [str(path) for path in production.files],
    }


def _redact(model: Model | None) -> Json:
    return None if model is None else redact_observed(unstructure(model))


def return_type(function: Callable[..., Any]) -> Any:
    """Return a function's annotated return type; Any if there is none.

    Raises:
        ConfigurationError: The annotation cannot be resolved.
    """
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    annotations = getattr(function, "__annotations__", {})
    if "return" not in annotations:
        return Any
    # Only the return type is resolved: names in other annotations may exist for type checkers alone.
    shell = SimpleNamespace(__annotations__={"return": annotations["return"]})
    try:
        return get_type_hints(shell, globalns=getattr(function, "__globals__", {}))["return"]
    except NameError as problem:
        raise ConfigurationError(
            f"the return annotation of {function.__qualname__} cannot be resolved: {problem}; define or "
            "import the name at the top of its module"
        ) from None
