"""Records of every step of a call, passed to plain functions.

The records are frozen. Listeners only observe: an exception that a listener raises is logged and has no other
effect.

Each record is also logged, under `eversince_async`. The facts in the text are fields of the log record, too,
so that logs can be searched: `endpoint` `attempt` `project_id` always; `method` `path` `waited` of a request;
`status` `elapsed` `request_id` of a response; `error` `elapsed` of an attempt without one; `error` `wait`
`reason` of a retry. Fields may be added, but existing ones keep their names and meanings.
"""

import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar

import attrs

from eversince_async._redaction import excerpt
from eversince_async.errors import EversinceError, TransportError
from eversince_async.models.receipt import Receipt

logger: Final = logging.getLogger("eversince_async")


@attrs.frozen(kw_only=True)
class RequestSent:
    """The record of a request that is about to leave.

    Attributes:
        endpoint: The operation, e.g. `projects.create`.
        method: The HTTP method.
        path: The path below the base URL, without its query.
        attempt: The number of this attempt; 1 for the first time this call is sent.
        waited: Seconds the call waited for the account's request budget before this attempt.
        project_id: The project in the path, if there is one.
    """

    endpoint: str
    method: str
    path: str
    attempt: int
    waited: float
    project_id: str | None = None


@attrs.frozen(kw_only=True)
class ResponseReceived:
    """The record of a response, whether a success or an error.

    Attributes:
        endpoint: The operation, e.g. `projects.create`.
        status: The HTTP status.
        attempt: The number of the attempt that received the response.
        elapsed: Seconds from sending to the last byte.
        receipt: The request id and the rate headers.
        project_id: The project in the path, if there is one.
    """

    endpoint: str
    status: int
    attempt: int
    elapsed: float
    receipt: Receipt
    project_id: str | None = None


@attrs.frozen(kw_only=True)
class AttemptFailed:
    """The record of an attempt that ended without a response.

    Attributes:
        endpoint: The operation, e.g. `projects.create`.
        attempt: The number of the attempt.
        elapsed: Seconds from sending to the failure.
        error: The error that ended the attempt.
        project_id: The project in the path, if there is one.
    """

    endpoint: str
    attempt: int
    elapsed: float
    error: TransportError
    project_id: str | None = None


@attrs.frozen(kw_only=True)
class RetryScheduled:
    """The record of a failed attempt that will be followed by another.

    Attributes:
        endpoint: The operation, e.g. `projects.create`.
        attempt: The number of the attempt that failed.
        wait: The shortest time until the next attempt, in seconds.
        reason: The text of the error, redacted.
        error: The error that would be raised without a retry.
        project_id: The project in the path, if there is one.
    """

    endpoint: str
    attempt: int
    wait: float
    reason: str
    error: EversinceError
    project_id: str | None = None


HookEvent = RequestSent | ResponseReceived | AttemptFailed | RetryScheduled

E = TypeVar("E")


@attrs.frozen(kw_only=True)
class Hooks:
    """The functions that receive the records.

    Attributes:
        on_request: Functions called with `RequestSent`.
        on_response: Functions called with `ResponseReceived`.
        on_failure: Functions called with `AttemptFailed`.
        on_retry: Functions called with `RetryScheduled`.
        subscribers: Functions called with every record, while they are in this list.
    """

    on_request: tuple[Callable[[RequestSent], object], ...] = ()
    on_response: tuple[Callable[[ResponseReceived], object], ...] = ()
    on_failure: tuple[Callable[[AttemptFailed], object], ...] = ()
    on_retry: tuple[Callable[[RetryScheduled], object], ...] = ()
    subscribers: list[Callable[[HookEvent], object]] = attrs.field(factory=list, eq=False)

    def request(self, record: RequestSent) -> None:
        """Report that a request is about to leave."""
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug(
                "%s: %s %s (attempt %d)",
                record.endpoint,
                record.method,
                record.path,
                record.attempt,
                extra=_fields(record, method=record.method, path=record.path, waited=record.waited),
            )
        for listener in (*self.on_request, *self.subscribers):
            notify(listener, record)

    def response(self, record: ResponseReceived) -> None:
        """Report that a response was received."""
        if logger.isEnabledFor(logging.DEBUG):
            request_id = record.receipt.request_id
            logger.debug(
                "%s: answered %d in %.3f s [request %s]",
                record.endpoint,
                record.status,
                record.elapsed,
                request_id,
                extra=_fields(record, status=record.status, elapsed=record.elapsed, request_id=request_id),
            )
        for listener in (*self.on_response, *self.subscribers):
            notify(listener, record)

    def failure(self, record: AttemptFailed) -> None:
        """Report that an attempt ended without a response."""
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug(
                "%s: no answer after %.3f s: %s",
                record.endpoint,
                record.elapsed,
                excerpt(str(record.error)),
                extra=_fields(record, error=type(record.error).__name__, elapsed=record.elapsed),
            )
        for listener in (*self.on_failure, *self.subscribers):
            notify(listener, record)

    def retry(self, record: RetryScheduled) -> None:
        """Report that a call will be sent again."""
        if logger.isEnabledFor(logging.INFO):
            error = type(record.error).__name__
            logger.info(
                "%s: attempt %d failed, again in %.1f s: %s",
                record.endpoint,
                record.attempt,
                record.wait,
                record.reason,
                extra=_fields(record, error=error, wait=record.wait, reason=record.reason),
            )
        for listener in (*self.on_retry, *self.subscribers):
            notify(listener, record)


def _fields(record: HookEvent, **more: Any) -> dict[str, Any]:
    """Return the fields that the log record of an event has."""
    return {
        "endpoint": record.endpoint,
        "attempt": record.attempt,
        "project_id": record.project_id,
        **more,
    }


def notify(listener: Callable[[E], object], news: E) -> None:
    """Call a listener; log any exception that it raises, and continue."""
    try:
        listener(news)
    except Exception:
        logger.exception("an observer failed on %s", type(news).__name__)
