"""What an application's SDK would export, kept in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from eversince_async.telemetry import OpenTelemetry

if TYPE_CHECKING:
    from collections.abc import Mapping


class Exported:
    """Providers of the real SDK, and what has come out of them."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self.reader])
        self.tracer = self.tracer_provider.get_tracer("application")

    def telemetry(self, **options: Any) -> OpenTelemetry:
        return OpenTelemetry(
            tracer_provider=self.tracer_provider, meter_provider=self.meter_provider, **options
        )

    def close(self) -> None:
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()

    # -- Spans ------------------------------------------------------------------------------------------

    @property
    def spans(self) -> list[Any]:  # of ReadableSpan, whose attributes may be None, but never are
        """All that have ended, in the order of their ends."""
        return list(self._exporter.get_finished_spans())

    @property
    def calls(self) -> list[Any]:
        """Those of logical calls."""
        return [span for span in self.spans if "eversince.attempts" in span.attributes]

    @property
    def attempts(self) -> list[Any]:
        """Those of the requests that were sent."""
        return [span for span in self.spans if span.kind is SpanKind.CLIENT]

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]

    def parent(self, span: ReadableSpan) -> str | None:
        """The name of a span's parent."""
        if span.parent is None:
            return None
        names: dict[int, str] = {each.context.span_id: each.name for each in self.spans}
        return names[span.parent.span_id]

    # -- Metrics ----------------------------------------------------------------------------------------

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """The points of one metric: attributes, and the number or the (count, sum) of a histogram."""
        return [(dict(point.attributes), _number(point)) for point in self._data_points(name)]

    def value(self, metric: str, /, **attributes: Any) -> Any:
        """The point that has these attributes among its own; their names end in these."""
        (found,) = [
            number
            for point, number in self.points(metric)
            if all(_ending(point, name) == value for name, value in attributes.items())
        ]
        return found

    def _data_points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        if data is None:
            return []
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        metrics = [metric for scope in scopes for metric in scope.metrics if metric.name == name]
        return [point for metric in metrics for point in metric.data.data_points]


def _number(point: Any) -> Any:
    return (point.count, point.sum) if hasattr(point, "count") else point.value


def _ending(attributes: Mapping[str, Any], name: str) -> Any:
    return next((value for key, value in attributes.items() if key.rpartition(".")[2] == name), None)


def events(span: ReadableSpan) -> list[tuple[str, dict[str, Any]]]:
    return [(event.name, dict(event.attributes or {})) for event in span.events]


def seconds(span: Any) -> float:
    return float(span.end_time - span.start_time) / 1e9
