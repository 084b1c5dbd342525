"""The synchronous instruments. Durations are in seconds."""

from typing import Final

from opentelemetry.metrics import Meter

BRIEF: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Histogram boundaries in seconds for HTTP requests, as the conventions advise."""

LONG: Final = (0.1, 1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 86400)
"""Histogram boundaries in seconds for operations that take seconds to hours."""


class Instruments:
    """The synchronous instruments; the gauges are in `_gauges`.

    Attributes:
        requests: `http.client.request.duration`: each attempt, by method, server, endpoint (`url.template`,
            `eversince.endpoint`), status and `error.type`. Its count is the number of requests.
        retries: `eversince.client.retries`: by endpoint and the error that caused the retry.
        waits: `eversince.client.wait.duration`: each wait at the governor, by kind and whether it was
            granted.
        stages: `eversince.client.stage.duration`: by stage, outcome and `error.type`.
        workflows: `eversince.client.workflow.duration`: by workflow, outcome and `error.type`.
    """

    def __init__(self, meter: Meter) -> None:
        self.requests: Final = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=BRIEF,
        )
        self.retries: Final = meter.create_counter(
            "eversince.client.retries", unit="{retry}", description="Attempts that were repeated."
        )
        self.waits: Final = meter.create_histogram(
            "eversince.client.wait.duration",
            unit="s",
            description="Waits for the account's limits.",
            explicit_bucket_boundaries_advisory=LONG,
        )
        self.stages: Final = meter.create_histogram(
            "eversince.client.stage.duration",
            unit="s",
            description="Stages of productions.",
            explicit_bucket_boundaries_advisory=LONG,
        )
        self.workflows: Final = meter.create_histogram(
            "eversince.client.workflow.duration",
            unit="s",
            description="Productions and other workflows.",
            explicit_bucket_boundaries_advisory=LONG,
        )
