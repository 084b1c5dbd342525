"""Spans and metrics by OpenTelemetry: `pip install 'eversince-async[otel]'`.

```python
from eversince_async.telemetry import OpenTelemetry

async with Eversince(telemetry=OpenTelemetry()) as eversince:
    ...
```

It is switched on in so many words and never by what is installed: other packages bring OpenTelemetry's API
along, and that should not change what a program sends or costs. Without this import, nothing of
OpenTelemetry is imported. The application configures the SDK and its exporters, as always.

**Spans.** One for each logical call (`eversince projects.create`), whose events `retry` tell why and when it
goes on; with a child of kind CLIENT for each of its attempts, by the conventions for HTTP clients (`POST
/projects`; `http.request.resend_count` from the second on). By these conventions, what stands around attempts
is no span of HTTP itself. One for each workflow (`eversince production`, `eversince wait`, …) with a child
for each of its stages (`eversince render`, …), in which its calls are; its events are `status`, `waiting` and
`credits low`. One for each batch (`eversince batch`) with a child for each item that is worked on
(`eversince item`), which has its stages in turn. Looks at projects serve all who wait, so their spans are
roots; `eversince.lane` is `poll` for them, should you sample.

**Metrics.** See `telemetry._instruments`, where each stands with its unit and its attributes.

**Errors.** A span whose operation raised has the status ERROR, `error.type`, and an `exception` event without
the stack trace. Being cancelled is not an error: `eversince.cancelled` is true, and the status stays unset.

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
