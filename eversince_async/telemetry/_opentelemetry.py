"""`OpenTelemetry`: the object that has a client traced and measured."""

import asyncio
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final
from urllib.parse import urlsplit

from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind

from eversince_async._version import own_version
from eversince_async.governor import GovernorProtocol, WaitEnded
from eversince_async.orchestrator.events import CreditsWarning, Event, StatusChanged, Waiting
from eversince_async.orchestrator.tracing import StageInfo, Telemetry, Tracer, WorkflowStarted
from eversince_async.session.tracing import CallInfo
from eversince_async.telemetry import _names as names
from eversince_async.telemetry._calls import Attributes, CallTracing, TracedCall
from eversince_async.telemetry._gauges import Gauges
from eversince_async.telemetry._instruments import Instruments
from eversince_async.telemetry._spans import nanoseconds, outcome, spanning

SCOPE: Final = "eversince_async"
"""The name of our tracer and meter."""

SCHEMA: Final = "https://opentelemetry.io/schemas/1.27.0"
"""The semantic conventions that the names in `_names` come from.

Those of HTTP are stable since 1.23, and include `url.template` since 1.26.
"""

PORTS: Final = {"https": 443, "http": 80}


class OpenTelemetry(Telemetry):
    """Tracing and metrics for clients: `Eversince(telemetry=OpenTelemetry())`.

    One object may serve several clients.

    Args:
        tracer_provider: The destination of spans; by default the global provider, even if it is set later.
        meter_provider: The destination of metrics; likewise.
        propagate: True to send the trace to the API's server, in the W3C's headers `traceparent` and
            `tracestate`. The hosts behind presigned URLs, to which uploads and downloads go, never receive
            it.
    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        propagate: bool = False,
    ) -> None:
        ours = own_version()
        self.propagate = propagate
        self._tracer = trace.get_tracer(SCOPE, ours, tracer_provider, schema_url=SCHEMA)
        meter = metrics.get_meter(SCOPE, ours, meter_provider, schema_url=SCHEMA)
        self._instruments = Instruments(meter)
        self._gauges = Gauges(meter)
        self._listened_to: weakref.WeakSet[GovernorProtocol] = weakref.WeakSet()

    def tracer_for(self, *, base_url: str, governor: GovernorProtocol) -> "ClientTracer":
        """Build the tracer of one client; `Eversince` calls this."""
        if governor not in self._listened_to:  # clients may share a governor, whose waits are counted once
            self._listened_to.add(governor)
            governor.on_wait_end(self._on_wait_end)
        calls = CallTracing(
            self._tracer,
            self._instruments,
            base_url=base_url,
            server=_server(base_url),
            propagate=self.propagate,
        )
        return ClientTracer(calls, self._gauges, governor)

    def _on_wait_end(self, wait: WaitEnded) -> None:
        self._instruments.waits.record(
            wait.seconds, {names.KIND: wait.kind.value, names.GRANTED: wait.granted}
        )


class ClientTracer(Tracer):
    """The tracer of one client's calls, stages and workflows."""

    def __init__(self, calls: CallTracing, gauges: Gauges, governor: GovernorProtocol) -> None:
        self._calls = calls
        self._tracer = calls.tracer
        self._instruments = calls.instruments
        self._gauges = gauges
        self._governor = governor

    def call(self, call: CallInfo) -> AbstractContextManager[TracedCall]:
        """Trace a logical call."""
        self._gauges.is_alive(self._governor, asyncio.get_running_loop())
        return self._calls.trace(call)

    @contextmanager
    def stage(self, stage: StageInfo) -> Iterator[None]:
        """Trace and measure a stage of a production."""
        attributes: Attributes = {names.STAGE: stage.stage, names.KEY: stage.key}
        if stage.project_id is not None:
            attributes[names.PROJECT] = stage.project_id
        with (
            _time(self._instruments.stages, {names.STAGE: stage.stage}),
            spanning(self._tracer, f"eversince {stage.stage}", SpanKind.INTERNAL, attributes),
        ):
            yield

    @contextmanager
    def workflow(self, workflow: WorkflowStarted) -> Iterator[Callable[[Event], None]]:
        """Trace and measure a workflow; yield a callback for its events."""
        self._gauges.is_alive(self._governor, asyncio.get_running_loop())
        attributes: Attributes = {names.WORKFLOW: workflow.name, names.KEY: workflow.key}
        if workflow.project_id is not None:
            attributes[names.PROJECT] = workflow.project_id
        with (
            _time(self._instruments.workflows, {names.WORKFLOW: workflow.name}),
            spanning(self._tracer, f"eversince {workflow.name}", SpanKind.INTERNAL, attributes) as span,
        ):
            yield lambda event: _record_event(span, event)


def _record_event(span: trace.Span, event: Event) -> None:
    """Add an event of a workflow to its span.

    Stages have spans of their own.
    """
    if not span.is_recording():
        return
    if event.project_id is not None:
        span.set_attribute(names.PROJECT, event.project_id)
    match event:
        case StatusChanged(status=status):
            span.add_event("status", {names.PROJECT_STATUS: str(status)}, timestamp=nanoseconds())
        case Waiting(reason=reason):
            why = {names.KIND: reason.kind.value, names.REASON: reason.detail}
            span.add_event("waiting", why, timestamp=nanoseconds())
        case CreditsWarning(warning=warning):
            span.add_event("credits low", {names.REASON: warning}, timestamp=nanoseconds())
        case _:
            pass


@contextmanager
def _time(histogram: metrics.Histogram, attributes: Attributes) -> Iterator[None]:
    """Measure the duration of a block, however it ends."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        yield
    except BaseException as error:
        histogram.record(loop.time() - began, {**attributes, **outcome(error)})
        raise
    histogram.record(loop.time() - began, {**attributes, **outcome(None)})


def _server(base_url: str) -> Attributes:
    """Return the attributes of the server's address."""
    parts = urlsplit(base_url)
    return {names.SERVER: parts.hostname or "", names.PORT: parts.port or PORTS[parts.scheme]}
