"""Spans and metrics by OpenTelemetry: `pip install 'eversince-async[otel]'`.

```python
from eversince_async.telemetry import OpenTelemetry

async with Eversince(telemetry=OpenTelemetry()) as eversince:
    ...
```

You switch telemetry on explicitly; an installed package never does. Other packages bring OpenTelemetry's API
along, and that should not change what a program sends or costs. Without this import, nothing of OpenTelemetry
is imported. The application configures the SDK and its exporters, as always.

**Spans.** Each logical call has a span (`eversince projects.create`), whose `retry` events give the reason
and the time of each retry. Each of its attempts has a child span of kind CLIENT, by the conventions for HTTP
clients (`POST /projects`; `http.request.resend_count` from the second on). By these conventions, the span
around the attempts is no HTTP span itself. Each workflow has a span (`eversince production`, `eversince
wait`, …) with a child for each of its stages (`eversince render`, …), which holds the calls; its events are
`status`, `waiting` and `credits low`. Each batch has a span (`eversince batch`) with a child for each item
that is worked on (`eversince item`), which holds the item's stages. Polls of projects serve all waiters, so
their spans are roots; their `eversince.lane` is `poll`, should you sample.

**Metrics.** See `telemetry._instruments`, which lists each with its unit and its attributes.

**Errors.** A span whose operation raised an error has the status ERROR, `error.type`, and an `exception`
event without the stack trace. A cancellation is not an error: `eversince.cancelled` is true, and the status
stays unset.

**Secrets.** No query string, no header, no body and no brief goes into a span; texts of errors are redacted.
"""

try:
    from eversince_async.telemetry._opentelemetry import OpenTelemetry
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "opentelemetry":
        raise
    raise ModuleNotFoundError(
        "eversince_async.telemetry needs OpenTelemetry's API: pip install 'eversince-async[otel]'",
        name=error.name,
    ) from None

__all__ = ["OpenTelemetry"]
