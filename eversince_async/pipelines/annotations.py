"""What functions are annotated to return."""

import inspect
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, get_type_hints

from eversince_async.errors import ConfigurationError


def returned_by(function: Callable[..., Any]) -> Any:
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
