"""The span of a call, with its attempts' spans and metrics."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import attrs
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from eversince_async.session.hooks import AttemptFailed, RequestSent, ResponseReceived, RetryScheduled
from eversince_async.session.tracing import CallInfo
from eversince_async.telemetry import _names as names
from eversince_async.telemetry._instruments import Instruments
from eversince_async.telemetry._spans import error_type, nanoseconds, spanning

Attributes = dict[str, str | bool | int | float]

W3C: Final = TraceContextTextMapPropagator()
"""The propagator of `traceparent` and `tracestate` alone: baggage may hold private data."""

STANDARD_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


class CallTracing:
    """The tracer of one client's calls.

    Args:
        tracer: The tracer that creates spans.
        instruments: The instruments for metrics.
        base_url: The address that the calls go to.
        server: The attributes for that address.
        propagate: True to send the trace context to the server.
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
    def trace(self, call: CallInfo) -> Iterator["TracedCall"]:
        """Open a span around a call, for its attempts' spans."""
        is_known = call.method in STANDARD_METHODS
        method = call.method if is_known else "_OTHER"
        common: Attributes = {
            names.METHOD: method,
            **self._server,
            names.ENDPOINT: call.endpoint or "other",
        }
        if call.template is not None:
            common[names.TEMPLATE] = call.template
        endpoint = common[names.ENDPOINT]
        ours: Attributes = {names.ENDPOINT: endpoint, names.LANE: call.lane.name.lower()}
        if call.project_id is not None:
            ours[names.PROJECT] = call.project_id
        name = call.method if is_known else "HTTP"
        name = name if call.template is None else f"{name} {call.template}"
        attempt = Attempt(name, {**common, **ours, names.URL: self._base_url + call.path})
        if call.idempotency_key is not None:
            ours[names.IDEMPOTENCY_KEY] = str(call.idempotency_key)
        with spanning(self.tracer, f"eversince {endpoint}", SpanKind.INTERNAL, ours) as span:
            traced = TracedCall(self, span, common, attempt)
            try:
                yield traced
            finally:
                traced.complete()


@attrs.frozen
class Attempt:
    """The name and attributes that all attempts of a call share."""

    name: str
    attributes: Attributes


class TracedCall:
    """The record of one call and its attempts."""

    def __init__(self, calls: CallTracing, span: Span, common: Attributes, attempt: Attempt) -> None:
        self._calls = calls
        self._span = span
        self._records = span.is_recording()
        self._common = common
        self._time = asyncio.get_running_loop().time
        self._attempt = attempt
        self._under_way: Span | None = None
        self._carrier: dict[str, str] = {}
        self._sent: RequestSent | None = None  # the attempt under way
        self._sent_at = 0.0
        self._attempts = 0
        self._waited = 0.0

    def headers(self) -> Mapping[str, str]:
        """Return the trace headers of the next attempt, if they are sent.

        They let the server join the trace, below the attempt's span.
        """
        return self._carrier

    def request(self, record: RequestSent) -> None:
        """Start an attempt, just before its request is sent."""
        self._attempts, self._sent = record.attempt, record
        self._sent_at = self._time()
        self._waited += record.waited
        inside = set_span_in_context(self._span)
        if self._records:
            self._under_way = self._start_span(record, inside)
            inside = set_span_in_context(self._under_way)
        if self._calls.propagate:
            W3C.inject(self._carrier, inside)

    def _start_span(self, record: RequestSent, inside: Context) -> Span:
        attributes = {**self._attempt.attributes, names.WAITED: record.waited}
        if record.attempt > 1:
            attributes[names.RESENT] = record.attempt - 1
        return self._calls.tracer.start_span(
            self._attempt.name,
            inside,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=nanoseconds(),
        )

    def response(self, record: ResponseReceived) -> None:
        """End an attempt that got a response."""
        found: Attributes = {names.STATUS: record.status}
        if record.status >= 400:
            found[names.ERROR] = str(record.status)
        self._finish_attempt(found, record.elapsed, record.receipt.request_id)
        if self._records and record.receipt.request_id is not None:
            self._span.set_attribute(names.REQUEST_ID, record.receipt.request_id)

    def failure(self, record: AttemptFailed) -> None:
        """End an attempt that got no response."""
        self._finish_attempt({names.ERROR: error_type(record.error)}, record.elapsed)

    def retry(self, record: RetryScheduled) -> None:
        """Record that the call will be retried."""
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

    def complete(self) -> None:
        """Record the end of the call, with any outcome."""
        if self._sent is not None:  # the call was cancelled during an attempt
            self._finish_attempt({names.ERROR: "CancelledError"}, self._time() - self._sent_at)
        if self._records:
            self._span.set_attribute(names.WAITED, self._waited)
            self._span.set_attribute(names.ATTEMPTS, self._attempts)

    def _finish_attempt(self, found: Attributes, elapsed: float, request_id: str | None = None) -> None:
        self._sent = None
        self._calls.instruments.requests.record(elapsed, {**self._common, **found})
        span, self._under_way = self._under_way, None
        if span is None:
            return
        if found.get(names.ERROR) == "CancelledError":  # a cancellation is no failure
            span.set_attribute(names.CANCELLED, True)
        else:
            span.set_attributes(found)
            if names.ERROR in found:
                span.set_status(Status(StatusCode.ERROR))
        if request_id is not None:
            span.set_attribute(names.REQUEST_ID, request_id)
        span.end(end_time=nanoseconds())
