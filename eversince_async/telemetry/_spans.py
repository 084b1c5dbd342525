"""Spans around blocks of code, timed by a steady clock.

A span is the current one inside its block, and records how the block ended.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from eversince_async._redaction import excerpt
from eversince_async.clock import steady_now
from eversince_async.telemetry import _names as names

Attributes = Mapping[str, str | bool | int | float]


@contextmanager
def spanning(tracer: Tracer, name: str, kind: SpanKind, attributes: Attributes) -> Iterator[Span]:
    """Open a span around the block; spans begun inside are children."""
    span = tracer.start_span(name, kind=kind, attributes=dict(attributes), start_time=nanoseconds())
    token = context.attach(set_span_in_context(span))
    try:
        yield span
    except GeneratorExit:  # discarded unfinished, perhaps in another context, where the token is invalid
        span.set_attribute(names.CANCELLED, True)
        span.end(end_time=nanoseconds())
        raise
    except BaseException as error:
        record_failure(span, error)
        context.detach(token)
        span.end(end_time=nanoseconds())
        raise
    context.detach(token)
    span.end(end_time=nanoseconds())


def record_failure(span: Span, error: BaseException) -> None:
    """Record the error that ended a span; a cancellation is no failure."""
    if isinstance(error, asyncio.CancelledError):
        span.set_attribute(names.CANCELLED, True)
        return
    message = excerpt(str(error))
    span.set_attribute(names.ERROR, error_type(error))
    span.set_status(Status(StatusCode.ERROR, message))
    span.add_event(  # without the stack trace, whose lines are not redacted
        "exception",
        {"exception.type": _full_name(error), "exception.message": message},
        timestamp=nanoseconds(),
    )


def error_type(error: BaseException) -> str:
    """Return the class of an error, in the form of `error.type`."""
    return type(error).__qualname__


def outcome(error: BaseException | None) -> dict[str, str]:
    """Return the outcome of an operation as attributes of metrics."""
    if error is None:
        return {names.OUTCOME: "done"}
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return {names.OUTCOME: "cancelled"}
    return {names.OUTCOME: "failed", names.ERROR: error_type(error)}


def nanoseconds() -> int:
    """Return the time for spans, in nanoseconds.

    No span ends before it began, even if the wall clock is set meanwhile.
    """
    return int(steady_now().timestamp() * 1e9)


def _full_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
