"""What may surround every call: where a tracer is plugged in.

Observers are told of steps; a tracer stands around the whole. Only protocols live here: what implements
them is passed to the client, and without it nothing is imported and nothing costs.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import attrs

from eversince_async.governor import Lane
from eversince_async.session.hooks import AttemptFailed, RequestSent, ResponseReceived, RetryScheduled


@attrs.frozen(kw_only=True)
class CallInfo:
    """A logical call begins: one method called, however many attempts it takes.

    Attributes:
        endpoint: What is called, e.g. `projects.create`; None for an operation we do not know.
        method: The HTTP method.
        path: The path below the base URL, without its query.
        template: The path with placeholders for its ids; None for an operation we do not know.
        lane: How urgent it is.
        project_id: The project in its path, if there is one.
        idempotency_key: The key in its body, if there is one.
    """

    endpoint: str | None
    method: str
    path: str
    template: str | None
    lane: Lane
    project_id: str | None
    idempotency_key: str | None


class CallTrace(Protocol):
    """Follows one call. What its methods raise is logged and forgotten, as with observers."""

    def headers(self) -> Mapping[str, str]:
        """What to send along with each attempt, to the API and nowhere else."""
        ...

    def request(self, record: RequestSent, /) -> object:
        """An attempt is about to leave."""
        ...

    def response(self, record: ResponseReceived, /) -> object:
        """An answer came."""
        ...

    def failure(self, record: AttemptFailed, /) -> object:
        """An attempt ended without an answer."""
        ...

    def retry(self, record: RetryScheduled, /) -> object:
        """The call is going to be repeated."""
        ...


class CallTracer(Protocol):
    """Stands around calls."""

    def call(self, call: CallInfo, /) -> AbstractContextManager[CallTrace]:
        """Entered as a call begins, left as it ends, with its error if it has one.

        It must not raise, and must let errors and cancellations pass.
        """
        ...
