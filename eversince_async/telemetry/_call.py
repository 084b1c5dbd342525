"""One logical call: its span, and the metrics of its attempts."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry.trace import Span, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from eversince_async.session.observers import AnswerReceived, AttemptFailed, RequestSent, RetryScheduled
from eversince_async.session.tracing import CallBegun
from eversince_async.telemetry import _names as names
from eversince_async.telemetry._instruments import Instruments
from eversince_async.telemetry._spans import error_type, nanoseconds, spanning

Attributes = dict[str, str | bool | int | float]

W3C: Final = TraceContextTextMapPropagator()
"""Only `traceparent` and `tracestate`: baggage may hold what is nobody else's business."""

STANDARD_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


class Calls:
    """Traces the calls of one client.

    Args:
        tracer: What makes spans.
        instruments: What measures.
        base_url: Where the calls go.
        server: The attributes that say so.
        propagate: Whether the server is told of the trace.
    """

    def __init__(
        self, tracer: Tracer, instruments: Instruments, *, base_url: str, server: Attributes, propagate: bool
    ) -> None:
        self.tracer = tracer
        self.instruments = instruments
        self.propagate = propagate
        self._base_url = base_url
        self._server = server

    @contextmanager
    def around(self, call: CallBegun) -> Iterator["TracedCall"]:
        """A span around a call."""
        method = call.method if call.method in STANDARD_METHODS else "_OTHER"
        common: Attributes = {
            names.METHOD: method,
            **self._server,
            names.ENDPOINT: call.endpoint or "other",
        }
        if call.template is not None:
            common[names.TEMPLATE] = call.template
        attributes = {
            **common,
            names.URL: self._base_url + call.path,
            names.LANE: call.lane.name.lower(),
        }
        if call.project_id is not None:
            attributes[names.PROJECT] = call.project_id
        if call.idempotency_key is not None:
            attributes[names.IDEMPOTENCY_KEY] = str(call.idempotency_key)
        name = method if call.template is None else f"{method} {call.template}"
        with spanning(self.tracer, name, SpanKind.CLIENT, attributes) as span:
            traced = TracedCall(self, span, common)
            try:
                yield traced
            finally:
                traced.ended()


class TracedCall:
    """Follows one call through its attempts."""

    def __init__(self, calls: Calls, span: Span, common: Attributes) -> None:
        self._calls = calls
        self._span = span
        self._records = span.is_recording()
        self._common = common
        self._time = asyncio.get_running_loop().time
        self._sent: RequestSent | None = None  # the attempt under way
        self._sent_at = 0.0
        self._sent_at_ns = 0
        self._attempts = 0
        self._waited = 0.0

    def headers(self) -> Mapping[str, str]:
        """The trace, for the server to join, if that is wished."""
        carrier: dict[str, str] = {}
        if self._calls.propagate:
            W3C.inject(carrier)
        return carrier

    def request(self, record: RequestSent) -> None:
        """An attempt is about to leave."""
        self._attempts, self._sent = record.attempt, record
        self._sent_at = self._time()
        self._waited += record.waited
        if self._records:
            self._sent_at_ns = nanoseconds()

    def response(self, record: AnswerReceived) -> None:
        """An answer came."""
        found: Attributes = {names.STATUS: record.status}
        if record.status >= 400:
            found[names.ERROR] = str(record.status)
        self._attempt_ended(found, record.elapsed, record.receipt.request_id)
        if self._records:
            self._span.set_attribute(names.STATUS, record.status)
            if record.receipt.request_id is not None:
                self._span.set_attribute(names.REQUEST_ID, record.receipt.request_id)

    def failure(self, record: AttemptFailed) -> None:
        """An attempt ended without an answer."""
        self._attempt_ended({names.ERROR: error_type(record.error)}, record.elapsed)

    def retry(self, record: RetryScheduled) -> None:
        """The call is going to be repeated."""
        error = error_type(record.error)
        self._calls.instruments.retries.add(
            1, {names.ENDPOINT: self._common[names.ENDPOINT], names.ERROR: error}
        )
        if self._records:
            attributes: Attributes = {
                names.ERROR: error,
                names.WAIT: record.wait,
                names.REASON: record.reason,
            }
            self._span.add_event("retry", attributes, timestamp=nanoseconds())

    def ended(self) -> None:
        """The call is over, whatever became of it."""
        if self._sent is not None:  # given up while an attempt was under way
            self._attempt_ended({names.ERROR: "CancelledError"}, self._time() - self._sent_at)
        if self._records:
            self._span.set_attribute(names.WAITED, self._waited)
            if self._attempts > 1:
                self._span.set_attribute(names.RESENT, self._attempts - 1)

    def _attempt_ended(self, found: Attributes, elapsed: float, request_id: str | None = None) -> None:
        sent, self._sent = self._sent, None
        self._calls.instruments.requests.record(elapsed, {**self._common, **found})
        if sent is None or not self._records:
            return
        attributes: Attributes = {
            names.ATTEMPT: sent.attempt,
            names.WAITED: sent.waited,
            names.ELAPSED: elapsed,
            **found,
        }
        if request_id is not None:
            attributes[names.REQUEST_ID] = request_id
        self._span.add_event("attempt", attributes, timestamp=self._sent_at_ns)
