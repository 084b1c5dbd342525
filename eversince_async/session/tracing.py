"""Protocols for a tracer that surrounds every call.

Hooks receive single steps; a tracer surrounds the whole call. This module holds only the protocols. An
implementation is passed to the client; without one, nothing is imported and nothing costs time.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import attrs

from eversince_async.governor import Lane
from eversince_async.session.hooks import AttemptFailed, RequestSent, ResponseReceived, RetryScheduled


@attrs.frozen(kw_only=True)
class CallInfo:
    """A logical call: one method call of the user, including its retries.

    Attributes:
        endpoint: The operation, e.g. `projects.create`; None for an operation that this version does not
            know.
        method: The HTTP method.
        path: The path below the base URL, without its query.
        template: The path with placeholders for its ids; None for an operation that this version does not
            know.
        lane: The urgency of the call.
        project_id: The project in the path, if there is one.
        idempotency_key: The key in the body, if there is one.
    """

    endpoint: str | None
    method: str
    path: str
    template: str | None
    lane: Lane
    project_id: str | None
    idempotency_key: str | None


class CallTrace(Protocol):
    """A trace of one call.

    Exceptions that its methods raise are logged and have no other effect, as with hooks.
    """

    def headers(self) -> Mapping[str, str]:
        """Return the headers to send with each attempt.

        They are sent to the API and nowhere else.
        """
        ...

    def request(self, record: RequestSent, /) -> object:
        """Record that an attempt is about to leave."""
        ...

    def response(self, record: ResponseReceived, /) -> object:
        """Record that a response was received."""
        ...

    def failure(self, record: AttemptFailed, /) -> object:
        """Record that an attempt ended without a response."""
        ...

    def retry(self, record: RetryScheduled, /) -> object:
        """Record that the call will be sent again."""
        ...


class CallTracer(Protocol):
    """A tracer that surrounds calls."""

    def call(self, call: CallInfo, /) -> AbstractContextManager[CallTrace]:
        """Return the context of one call.

        The context is entered when the call begins and left when it ends, with the call's error if there is
        one. It must not raise, and must let errors and cancellations pass.
        """
        ...
