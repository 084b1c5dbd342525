"""What can be watched of every call: frozen records, handed to plain functions.

Observers are told, they do not take part: what one raises is logged and forgotten.

Each record is logged, too, under `eversince_async`. What stands in the text also stands in fields of the log
record, for those who search logs: `endpoint` `attempt` `project_id` always; `method` `path` `waited` of a
request; `status` `elapsed` `request_id` of an answer; `error` `elapsed` of an attempt without one; `error`
`wait` `reason` of a retry. Fields may be added, but keep their names and meanings.
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
    """A request is about to leave.

    Attributes:
        endpoint: What is called, e.g. `projects.create`.
        method: The HTTP method.
        path: The path below the base URL, without its query.
        attempt: 1 for the first time this call is sent.
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
    """An answer came back, good or bad.

    Attributes:
        endpoint: What was called.
        status: The HTTP status.
        attempt: Which attempt it answers.
        elapsed: Seconds from sending to the last byte.
        receipt: Request id and rate headers.
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
    """An attempt ended without an answer.

    Attributes:
        endpoint: What was called.
        attempt: Which attempt it was.
        elapsed: Seconds from sending to the failure.
        error: What went wrong.
        project_id: The project in the path, if there is one.
    """

    endpoint: str
    attempt: int
    elapsed: float
    error: TransportError
    project_id: str | None = None


@attrs.frozen(kw_only=True)
class RetryScheduled:
    """An attempt failed, and the call is going to be sent again.

    Attributes:
        endpoint: What is called.
        attempt: The attempt that failed.
        wait: Seconds until the next one at the earliest.
        reason: What went wrong, redacted.
        error: The same as the error it would have been.
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
    """The functions to tell.

    Attributes:
        on_request: Called with `RequestSent`.
        on_response: Called with `ResponseReceived`.
        on_failure: Called with `AttemptFailed`.
        on_retry: Called with `RetryScheduled`.
        subscribers: Called with every record, from when they are added to this list until they are removed.
    """

    on_request: tuple[Callable[[RequestSent], object], ...] = ()
    on_response: tuple[Callable[[ResponseReceived], object], ...] = ()
    on_failure: tuple[Callable[[AttemptFailed], object], ...] = ()
    on_retry: tuple[Callable[[RetryScheduled], object], ...] = ()
    subscribers: list[Callable[[HookEvent], object]] = attrs.field(factory=list, eq=False)

    def request(self, record: RequestSent) -> None:
        """Tell that a request leaves."""
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
        """Tell that an answer came."""
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
        """Tell that an attempt ended without an answer."""
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
        """Tell that a call is going to be repeated."""
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
    """What a log record of this step has as fields."""
    return {
        "endpoint": record.endpoint,
        "attempt": record.attempt,
        "project_id": record.project_id,
        **more,
    }


def notify(listener: Callable[[E], object], news: E) -> None:
    """Call a listener; its mistakes are logged and break nothing."""
    try:
        listener(news)
    except Exception:
        logger.exception("an observer failed on %s", type(news).__name__)
