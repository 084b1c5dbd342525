"""Each logical call is a span, and each of its attempts one by the conventions for HTTP clients."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from eversince_async import Eversince, NotFound, RequestTimedOut
from helpers.fake_server import Hang, Reset, Say, ScriptedServer, refusal
from helpers.telemetry_export import events, seconds

if TYPE_CHECKING:
    from helpers.telemetry_export import Exported

PROJECT = Say(json={"id": "proj_1", "status": "idle"}, headers={"X-Request-Id": "req_1"}, after=2)


async def test_a_call_is_a_span_of_its_own(server: ScriptedServer, exported: Exported) -> None:
    server.plays(PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.get("proj_1")

    (span,) = exported.calls
    assert "eversince projects.get" == span.name
    assert SpanKind.INTERNAL == span.kind
    assert StatusCode.UNSET == span.status.status_code
    assert 2.0 == pytest.approx(seconds(span))
    assert {
        "eversince.endpoint": "projects.get",
        "eversince.project_id": "proj_1",
        "eversince.request_id": "req_1",
        "eversince.lane": "interactive",
        "eversince.waited": 0.0,
        "eversince.attempts": 1,
    } == dict(span.attributes or {})


async def test_an_attempt_is_a_client_span_in_it(server: ScriptedServer, exported: Exported) -> None:
    """By the conventions, which want no span of HTTP around those of the attempts."""
    server.plays(PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.get("proj_1")

    (span,) = exported.attempts
    assert "GET /projects/{project_id}" == span.name
    assert "eversince projects.get" == exported.parent(span)
    assert StatusCode.UNSET == span.status.status_code
    assert 2.0 == pytest.approx(seconds(span))
    host, port = server.origin.removeprefix("http://").split(":")
    assert {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.template": "/projects/{project_id}",
        "url.full": f"{server.base_url}/projects/proj_1",
        "server.address": host,
        "server.port": int(port),
        "eversince.endpoint": "projects.get",
        "eversince.project_id": "proj_1",
        "eversince.request_id": "req_1",
        "eversince.lane": "interactive",
        "eversince.waited": 0.0,
    } == dict(span.attributes or {})


async def test_each_attempt_has_a_span_and_resends_are_counted(
    server: ScriptedServer, exported: Exported
) -> None:
    server.plays(Reset(), refusal(500, "internal_error"), PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.get("proj_1")

    broken, failed, answered = exported.attempts
    assert ["ConnectionFailed", "500", None] == [
        span.attributes.get("error.type") for span in (broken, failed, answered)
    ]
    assert [None, 1, 2] == [
        span.attributes.get("http.request.resend_count") for span in (broken, failed, answered)
    ]
    assert [StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET] == [
        span.status.status_code for span in (broken, failed, answered)
    ]
    assert failed.status.description is None  # the status code says it
    assert 2.0 == pytest.approx(seconds(answered))
    (call,) = exported.calls
    assert 3 == call.attributes["eversince.attempts"]


async def test_retries_are_events_of_the_call(server: ScriptedServer, exported: Exported) -> None:
    server.plays(Reset(), PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.get("proj_1")

    (call,) = exported.calls
    ((name, retry),) = events(call)
    assert ("retry", "ConnectionFailed") == (name, retry["error.type"])
    assert "the connection broke" in retry["eversince.reason"]


async def test_every_span_and_metric_names_the_schema_of_its_attributes(
    server: ScriptedServer, exported: Exported
) -> None:
    """One whose version has all that we use: `url.template` came with 1.26."""
    server.plays(PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.get("proj_1")

    schema = "https://opentelemetry.io/schemas/1.27.0"
    assert {schema} == {span.instrumentation_scope.schema_url for span in exported.spans}
    data = exported.reader.get_metrics_data()
    assert data is not None
    scopes = [scope.scope for resource in data.resource_metrics for scope in resource.scope_metrics]
    assert {schema} == {scope.schema_url for scope in scopes}


async def test_a_call_that_ended_well_is_no_error_whatever_was_retried(
    server: ScriptedServer, exported: Exported
) -> None:
    server.plays(refusal(500, "internal_error"), PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.get("proj_1")

    (span,) = exported.calls
    assert StatusCode.UNSET == span.status.status_code
    assert "error.type" not in span.attributes


async def test_a_refused_call_is_an_error(server: ScriptedServer, exported: Exported) -> None:
    server.plays(refusal(404, "not_found", "no such project", headers={"X-Request-Id": "req_2"}))
    async with server.client(telemetry=exported.telemetry()) as eversince:
        with pytest.raises(NotFound):
            await eversince.projects.get("proj_1")

    (span,) = exported.calls
    assert StatusCode.ERROR == span.status.status_code
    assert "no such project" in span.status.description
    assert ("NotFound", "req_2") == (
        span.attributes["error.type"],
        span.attributes["eversince.request_id"],
    )
    (attempt,) = exported.attempts
    assert ("404", 404, "req_2") == (
        attempt.attributes["error.type"],
        attempt.attributes["http.response.status_code"],
        attempt.attributes["eversince.request_id"],
    )
    name, exception = events(span)[-1]
    assert ("exception", "eversince_async.errors.NotFound") == (name, exception["exception.type"])


async def test_a_call_that_ran_out_of_time_is_an_error(server: ScriptedServer, exported: Exported) -> None:
    server.plays(Hang())
    async with server.client(telemetry=exported.telemetry()) as eversince:
        with pytest.raises(RequestTimedOut):
            await eversince.with_options(deadline=10).projects.get("proj_1")

    (span,) = exported.calls
    assert StatusCode.ERROR == span.status.status_code
    assert "RequestTimedOut" == span.attributes["error.type"]
    assert 10.0 == pytest.approx(seconds(span))


async def test_a_cancelled_call_is_no_error_and_says_so(server: ScriptedServer, exported: Exported) -> None:
    server.plays(Hang())
    async with server.client(telemetry=exported.telemetry()) as eversince:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await eversince.projects.get("proj_1")

    (span,) = exported.calls
    assert StatusCode.UNSET == span.status.status_code
    assert span.attributes["eversince.cancelled"] is True
    assert "error.type" not in span.attributes
    assert 5.0 == pytest.approx(seconds(span))
    (attempt,) = exported.attempts
    assert StatusCode.UNSET == attempt.status.status_code
    assert attempt.attributes["eversince.cancelled"] is True
    assert 5.0 == pytest.approx(seconds(attempt))


async def test_a_call_is_a_child_of_the_span_it_is_made_in(
    server: ScriptedServer, exported: Exported
) -> None:
    server.plays(PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        with exported.tracer.start_as_current_span("request to the application"):
            await eversince.projects.get("proj_1")

    (call,) = exported.named("eversince projects.get")
    assert "request to the application" == exported.parent(call)


async def test_concurrent_calls_do_not_mix(server: ScriptedServer, exported: Exported) -> None:
    server.plays(PROJECT)

    async def get(eversince: Eversince, number: int) -> None:
        with exported.tracer.start_as_current_span(f"task {number}"):
            await eversince.projects.get(f"proj_{number}")

    async with server.client(telemetry=exported.telemetry()) as eversince:
        await asyncio.gather(*(get(eversince, number) for number in range(5)))

    calls = exported.named("eversince projects.get")
    assert {f"task {number}": f"proj_{number}" for number in range(5)} == {
        exported.parent(call): call.attributes["eversince.project_id"] for call in calls
    }


async def test_the_wait_for_the_budget_is_told(server: ScriptedServer, exported: Exported) -> None:
    from eversince_async import Limits

    server.plays(PROJECT)
    async with server.client(
        telemetry=exported.telemetry(), limits=Limits(requests_per_minute=1)
    ) as eversince:
        await eversince.projects.get("proj_1")
        await eversince.projects.get("proj_1")

    assert exported.calls[1].attributes["eversince.waited"] > 58.0


@pytest.mark.parametrize(("method", "name"), [("GET", "GET"), ("BREW", "HTTP")])
async def test_an_operation_we_do_not_know_has_a_name_of_few_values(
    server: ScriptedServer, exported: Exported, method: str, name: str
) -> None:
    server.plays(Say(json={}))
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.request(method, "/projects/proj_1/soundtrack", query={"token": "secret"})

    (span,) = exported.attempts
    assert name == span.name
    assert {"eversince other"} == {call.name for call in exported.calls}
    assert "other" == span.attributes["eversince.endpoint"]
    assert "url.template" not in span.attributes
    assert f"{server.base_url}/projects/proj_1/soundtrack" == span.attributes["url.full"]


async def test_an_idempotency_key_is_told(server: ScriptedServer, exported: Exported) -> None:
    server.plays(Say(status=202, json={"id": "proj_1", "status": "queued"}))
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.create("A film", idempotency_key="mug-2026")

    assert "mug-2026" == exported.calls[0].attributes["eversince.idempotency_key"]


async def test_spans_that_are_not_sampled_cost_no_events(server: ScriptedServer) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    from eversince_async.telemetry import OpenTelemetry

    server.plays(Reset(), PROJECT)
    telemetry: Any = OpenTelemetry(tracer_provider=TracerProvider(sampler=ALWAYS_OFF))
    async with server.client(telemetry=telemetry) as eversince:
        assert "proj_1" == (await eversince.projects.get("proj_1")).id
