"""`@pipeline`: a plain async function that can be run under a key."""

import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial, update_wrapper
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar, overload

from eversince_async.errors import ConfigurationError
from eversince_async.journal import Json
from eversince_async.pipelines.run import Run
from eversince_async.pipelines.serialization import Serializer, return_type

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

RESERVED: Final = ("key", "journal", "retry_failed", "timeouts", "wait_for_quota", "allow_other_account")
"""Names of the arguments that `eversince.run` takes itself."""


class Pipeline(Generic[P, T_co]):
    """A plain async function that `eversince.run` runs under a key.

    Called with a `Run`, a pipeline is just its function: `await campaign(run.branch("tiktok"), …)` runs it as
    a part of another pipeline.

    Attributes:
        function: The function.
        name: The pipeline's name in the journal.
        version: The version of the code, as its author counts.
    """

    __wrapped__: Callable[Concatenate[Run, P], Coroutine[Any, Any, T_co]]

    def __init__(
        self, function: Callable[Concatenate[Run, P], Coroutine[Any, Any, T_co]], *, name: str, version: str
    ) -> None:
        self.function = function
        self.name = name
        self.version = version
        update_wrapper(self, function)

    def __call__(self, run: Run, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T_co]:
        """Call the function."""
        return self.function(run, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<Pipeline {self.name}>"

    @property
    def result_type(self) -> Any:
        """The function's annotated return type; Any if there is none.

        Raises:
            ConfigurationError: The annotation cannot be resolved.
        """
        return return_type(self.function)

    def spec(self, storing: Serializer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Json:
        """Build the spec that later runs under the same key must match.

        Raises:
            TypeError: The function does not accept these arguments.
        """
        arguments = inspect.signature(self.function).bind(None, *args, **kwargs).arguments
        own = list(arguments.items())[1:]  # without the run
        return {
            "pipeline": self.name,
            "version": self.version,
            "arguments": {name: storing.argument_to_json(value) for name, value in own},
        }


@overload
def pipeline(function: Callable[Concatenate[Run, P], Coroutine[Any, Any, T]], /) -> Pipeline[P, T]: ...


@overload
def pipeline(
    *, name: str | None = None, version: str = "1"
) -> Callable[[Callable[Concatenate[Run, P], Coroutine[Any, Any, T]]], Pipeline[P, T]]: ...


def pipeline(
    function: Callable[..., Any] | None = None, /, *, name: str | None = None, version: str = "1"
) -> Any:
    """Make a pipeline of an async function that takes a `Run` first.

        @pipeline
        async def campaign(run: Run, brief: str) -> Production: ...

    A key belongs to the name, the version and the arguments of its first run. The code itself is not
    compared, only its behaviour: the steps of an earlier run must come again, in the same order and with the
    same arguments. Raise the version to have old keys refused before any step is executed.

    Args:
        function: The function.
        name: The pipeline's name in the journal; by default the function's. Keep it when you rename the
            function.
        version: The version of the code.

    Raises:
        ConfigurationError: The function is not async, or one of its arguments is named like one of
            `eversince.run`.
    """

    def decorate(function: Callable[..., Any]) -> Pipeline[..., Any]:
        _check_function(function)
        return Pipeline(function, name=name or _name_of(function), version=version)

    return decorate if function is None else decorate(function)


def _name_of(function: Callable[..., Any]) -> str:
    """Return a function's name; for a `functools.partial`, the inner function's."""
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _check_function(function: Callable[..., Any]) -> None:
    name = getattr(function, "__qualname__", repr(function))
    if inspect.isasyncgenfunction(function):
        raise ConfigurationError(f"{name} yields: a pipeline is an async function that returns")
    if not inspect.iscoroutinefunction(function):
        raise ConfigurationError(f"{name} is no async function: a pipeline is `async def {name}(run, …)`")
    parameters = inspect.signature(function).parameters
    if not parameters:
        raise ConfigurationError(f"{name} takes no argument: the first of a pipeline is its run")
    for reserved in RESERVED:
        if reserved in parameters:
            raise ConfigurationError(
                f"{name} has an argument {reserved!r}, which `eversince.run` takes for itself"
            )
