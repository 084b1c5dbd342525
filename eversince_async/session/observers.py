"""What can be watched of every call: frozen records, handed to plain functions.

Observers are told, they do not take part: what one raises is logged and forgotten.
"""

import logging
from collections.abc import Callable
from typing import Final, TypeVar

import attrs

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
    """

    endpoint: str
    method: str
    path: str
    attempt: int
    waited: float


@attrs.frozen(kw_only=True)
class AnswerReceived:
    """An answer came back, good or bad.

    Attributes:
        endpoint: What was called.
        status: The HTTP status.
        attempt: Which attempt it answers.
        elapsed: Seconds from sending to the last byte.
        receipt: Request id and rate headers.
    """

    endpoint: str
    status: int
    attempt: int
    elapsed: float
    receipt: Receipt


@attrs.frozen(kw_only=True)
class RetryScheduled:
    """An attempt failed, and the call is going to be sent again.

    Attributes:
        endpoint: What is called.
        attempt: The attempt that failed.
        wait: Seconds until the next one at the earliest.
        reason: What went wrong, redacted.
    """

    endpoint: str
    attempt: int
    wait: float
    reason: str


E = TypeVar("E")


@attrs.frozen(kw_only=True)
class Observers:
    """The functions to tell.

    Attributes:
        on_request: Called with `RequestSent`.
        on_response: Called with `AnswerReceived`.
        on_retry: Called with `RetryScheduled`.
    """

    on_request: tuple[Callable[[RequestSent], object], ...] = ()
    on_response: tuple[Callable[[AnswerReceived], object], ...] = ()
    on_retry: tuple[Callable[[RetryScheduled], object], ...] = ()

    def request(self, record: RequestSent) -> None:
        """Tell that a request leaves."""
        logger.debug("%s: %s %s (attempt %d)", record.endpoint, record.method, record.path, record.attempt)
        for listener in self.on_request:
            tell(listener, record)

    def response(self, record: AnswerReceived) -> None:
        """Tell that an answer came."""
        logger.debug(
            "%s: answered %d in %.3f s [request %s]",
            record.endpoint,
            record.status,
            record.elapsed,
            record.receipt.request_id,
        )
        for listener in self.on_response:
            tell(listener, record)

    def retry(self, record: RetryScheduled) -> None:
        """Tell that a call is going to be repeated."""
        logger.info(
            "%s: attempt %d failed, again in %.1f s: %s",
            record.endpoint,
            record.attempt,
            record.wait,
            record.reason,
        )
        for listener in self.on_retry:
            tell(listener, record)


def tell(listener: Callable[[E], object], news: E) -> None:
    """Call a listener; its mistakes are logged and break nothing."""
    try:
        listener(news)
    except Exception:
        logger.exception("an observer failed on %s", type(news).__name__)
