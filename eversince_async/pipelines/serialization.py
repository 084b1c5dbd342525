"""From results to JSON and back, by their type annotations.

What can be stored: None, numbers, texts, booleans, bytes; lists, tuples, sets and mappings of what can be
stored; dates, times, durations, paths, UUIDs, decimals, enums; dataclasses, attrs classes, named tuples and
typed dicts of what can be stored; the models of this library, and productions. Nothing is coerced: what an
annotation does not allow is refused, rather than coming back as something else.
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
    """Says what cannot be stored, and why."""


class Serializer:
    """Stores results of one client's pipelines.

    Args:
        runtime: What productions that are restored work with.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def check_type(self, kind: Any) -> None:
        """Make sure, before anything is done, that there are rules for a type.

        Raises:
            Unstorable: There are none.
        """
        try:
            for part in _type_parts(kind):
                _result_converter().get_structure_hook(part)
        except (cattrs.StructureHandlerNotFoundError, NameError, TypeError) as problem:
            raise SerializationError(f"{_type_name(kind)} cannot be stored: {_first_line(problem)}") from None

    def to_json(self, value: Any, kind: Any) -> Json:
        """A value as it is stored.

        Raises:
            Unstorable: It is not of that type, or holds a secret.
        """
        try:
            plain = _result_converter().unstructure(value, unstructure_as=kind)
            plain = json.loads(json.dumps(plain, allow_nan=False))
        except Exception as problem:  # noqa: BLE001 - whatever the hooks of all those types raise
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
        """A value as it was.

        Raises:
            Unstorable: It is nothing of that type.
        """
        here = _runtime.set(self._runtime)
        try:
            return _result_converter().structure(plain, kind)
        except InvalidResponse as problem:
            raise SerializationError(f"it is no {_type_name(kind)}: {problem}") from None
        except Exception as problem:  # noqa: BLE001 - whatever the hooks of all those types raise
            why = "; ".join(cattrs.transform_error(problem, format_exception=_describe_error))
            raise SerializationError(f"it is no {_type_name(kind)}: {why}") from None
        finally:
            _runtime.reset(here)

    def argument_to_json(self, value: Any) -> Json:
        """What an argument is compared by: all of it if it can be stored, else its type alone."""
        try:
            plain = _argument_converter().unstructure(value)
            return json.loads(json.dumps(plain, allow_nan=False))
        except Exception:  # noqa: BLE001 - it is the user's own, and may be anything
            return {"type": _type_name(type(value))}


def to_display(value: Any) -> Json:
    """What is shown with a question: what can be stored of it, as plain values.

    Raises:
        Unstorable: It is nothing that can be shown this way.
    """
    try:
        return json.loads(json.dumps(_display_converter().unstructure(value), allow_nan=False))
    except (TypeError, ValueError) as problem:
        raise SerializationError(
            f"{_type_name(type(value))} cannot be shown: {_first_line(problem)}"
        ) from None


# A converter writes a function for each class that it meets, which takes milliseconds: there is one of each.


@cache
def _result_converter() -> cattrs.Converter:
    made = _converter()
    made.register_unstructure_hook(Production, production_to_json)
    made.register_structure_hook(Production, lambda plain, _: production_from_json(_runtime.get(), plain))
    return made


@cache
def _argument_converter() -> cattrs.Converter:
    made = _converter()
    made.register_unstructure_hook(Production, production_ref)
    return made


@cache
def _display_converter() -> cattrs.Converter:
    made = _converter()
    made.register_unstructure_hook(Production, production_display)
    return made


_runtime: Final[ContextVar[Runtime]] = ContextVar("runtime")
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
        made.register_structure_hook(single, _exact_type(single))
    made.register_structure_hook(float, _number)
    for kind, write, read in _TEXTS:
        made.register_unstructure_hook(kind, write)
        made.register_structure_hook(kind, _from_text(read))
    made.register_unstructure_hook_func(_subclass_of(PurePath), str)
    made.register_unstructure_hook(timedelta, timedelta.total_seconds)
    made.register_structure_hook(timedelta, lambda seconds, _: timedelta(seconds=_number(seconds, float)))
    made.register_structure_hook_func(_subclass_of(PurePath), _path)
    made.register_unstructure_hook_func(_subclass_of(Model), _model)
    made.register_structure_hook_func(_subclass_of(Model), structure)
    made.register_structure_hook_factory(_is_named_tuple, partial(_named_tuple, made))
    return made


def _unknown(kind: Any) -> NoReturn:
    """There are no rules for a type: said when it is met, and not only with a value of it."""
    raise cattrs.StructureHandlerNotFoundError(f"there are no rules for {_type_name(kind)}", kind)


def _subclass_of(base: type) -> Callable[[Any], bool]:
    return lambda kind: isinstance(kind, type) and issubclass(kind, base)


def _exact_type(kind: type) -> Callable[[Any, Any], Any]:
    def read(value: Any, wanted: Any) -> Any:
        if type(value) is not kind:
            raise TypeError(f"expected {_type_name(kind)}, got {_type_name(type(value))}")
        return value if wanted is kind else wanted(value)  # such as a StrEnum, which is a text, too

    return read


def _type_parts(kind: Any) -> Iterator[Any]:
    """A type, and those it is made of: whether there are rules for all of a union is not told by itself."""
    yield kind
    if get_origin(kind) is not Literal:
        for part in get_args(kind):
            if isinstance(part, type) or get_origin(part) is not None:
                yield from _type_parts(part)


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
    """What is wrong at one place of a value."""
    if isinstance(problem, KeyError):
        return f"{problem} is missing"
    return str(problem) or f"it is no {_type_name(kind)}"


def _first_line(problem: Exception) -> str:
    return str(problem).partition("\n")[0] or type(problem).__name__


EXPIRED: Final = datetime.fromtimestamp(0, UTC)
"""When what is no longer good has expired, whatever clocks show."""


def production_to_json(production: Production) -> Json:
    """All that is kept of one."""
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
    """One as it was kept.

    The signature of its `assembled_url` was not kept, so that counts as expired; nothing is asked of the
    server for it until somebody needs another: `Production.download`, `Production.refreshed`.
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
    """What tells one from another, and is the same whether it was just made or restored."""
    variation = production.variation
    return {
        "project_id": production.project_id,
        "variation_id": None if variation is None else variation.id,
        "share_url": production.share_url,
    }


def production_display(production: Production) -> Json:
    """What a person needs to look at one."""
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
    """The type a function is annotated to return; Any if it is not annotated.

    Raises:
        ConfigurationError: The annotation means nothing.
    """
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    annotations = getattr(function, "__annotations__", {})
    if "return" not in annotations:
        return Any
    # Only this one: the types of arguments may be there for type checkers alone.
    shell = SimpleNamespace(__annotations__={"return": annotations["return"]})
    try:
        return get_type_hints(shell, globalns=getattr(function, "__globals__", {}))["return"]
    except NameError as problem:
        raise ConfigurationError(
            f"what {function.__qualname__} is annotated to return cannot be resolved: {problem}; define or "
            "import that at the top of its module"
        ) from None
