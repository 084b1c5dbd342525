"""Each logical call is a span by the conventions for HTTP clients; its attempts are events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from exported import events, seconds
from opentelemetry.trace import SpanKind, StatusCode
from scripted import Hang, Reset, Say, ScriptedServer, refusal

from eversince_async import AnswerTimedOut, Eversince, NotFound

if TYPE_CHECKING:
    from exported import Exported

PROJECT = Say(json={"id": "proj_1", "status": "idle"}, headers={"X-Request-Id": "req_1"}, after=2)


async def test_a_call_is_a_client_span(server: ScriptedServer, exported: Exported) -> None:
    server.plays(PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.get("proj_1")

    (span,) = exported.spans
    assert "GET /projects/{project_id}" == span.name
    assert SpanKind.CLIENT == span.kind
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


async def test_attempts_are_events_in_their_order(server: ScriptedServer, exported: Exported) -> None:
    server.plays(Reset(), PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.get("proj_1")

    (span,) = exported.spans
    (_, first), (_, retry), (_, second) = events(span)
    assert ["attempt", "retry", "attempt"] == [name for name, _ in events(span)]
    assert (1, "ConnectionFailed") == (first["eversince.attempt"], first["error.type"])
    assert "ConnectionFailed" == retry["error.type"]
    assert "the connection broke" in retry["eversince.reason"]
    assert (2, 200, "req_1") == (
        second["eversince.attempt"],
        second["http.response.status_code"],
        second["eversince.request_id"],
    )
    assert 2.0 == pytest.approx(second["eversince.elapsed"])
    assert 1 == span.attributes["http.request.resend_count"]


async def test_an_event_stands_where_its_attempt_was_sent(server: ScriptedServer, exported: Exported) -> None:
    server.plays(PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.get("proj_1")

    (span,) = exported.spans
    assert 2.0 == pytest.approx((span.end_time - span.events[0].timestamp) / 1e9)


async def test_a_call_that_ended_well_is_no_error_whatever_was_retried(
    server: ScriptedServer, exported: Exported
) -> None:
    server.plays(refusal(500, "internal_error"), PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.get("proj_1")

    (span,) = exported.spans
    assert StatusCode.UNSET == span.status.status_code
    assert "error.type" not in span.attributes
    assert 200 == span.attributes["http.response.status_code"]


async def test_a_refused_call_is_an_error(server: ScriptedServer, exported: Exported) -> None:
    server.plays(refusal(404, "not_found", "no such project", headers={"X-Request-Id": "req_2"}))
    async with server.client(telemetry=exported.telemetry()) as eversince:
        with pytest.raises(NotFound):
            await eversince.projects.get("proj_1")

    (span,) = exported.spans
    assert StatusCode.ERROR == span.status.status_code
    assert "no such project" in span.status.description
    assert ("NotFound", 404, "req_2") == (
        span.attributes["error.type"],
        span.attributes["http.response.status_code"],
        span.attributes["eversince.request_id"],
    )
    name, exception = events(span)[-1]
    assert ("exception", "eversince_async.errors.NotFound") == (name, exception["exception.type"])


async def test_a_call_that_ran_out_of_time_is_an_error(server: ScriptedServer, exported: Exported) -> None:
    server.plays(Hang())
    async with server.client(telemetry=exported.telemetry()) as eversince:
        with pytest.raises(AnswerTimedOut):
            await eversince.with_options(deadline=10).projects.get("proj_1")

    (span,) = exported.spans
    assert StatusCode.ERROR == span.status.status_code
    assert "AnswerTimedOut" == span.attributes["error.type"]
    assert 10.0 == pytest.approx(seconds(span))


async def test_a_cancelled_call_is_no_error_and_says_so(server: ScriptedServer, exported: Exported) -> None:
    server.plays(Hang())
    async with server.client(telemetry=exported.telemetry()) as eversince:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await eversince.projects.get("proj_1")

    (span,) = exported.spans
    assert StatusCode.UNSET == span.status.status_code
    assert span.attributes["eversince.cancelled"] is True
    assert "error.type" not in span.attributes
    assert 5.0 == pytest.approx(seconds(span))
    ((name, attempt),) = events(span)
    assert ("attempt", "CancelledError") == (name, attempt["error.type"])


async def test_a_call_is_a_child_of_the_span_it_is_made_in(
    server: ScriptedServer, exported: Exported
) -> None:
    server.plays(PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        with exported.tracer.start_as_current_span("request to the application"):
            await eversince.projects.get("proj_1")

    (call,) = exported.named("GET /projects/{project_id}")
    assert "request to the application" == exported.parent(call)


async def test_concurrent_calls_do_not_mix(server: ScriptedServer, exported: Exported) -> None:
    server.plays(PROJECT)

    async def get(eversince: Eversince, number: int) -> None:
        with exported.tracer.start_as_current_span(f"task {number}"):
            await eversince.projects.get(f"proj_{number}")

    async with server.client(telemetry=exported.telemetry()) as eversince:
        await asyncio.gather(*(get(eversince, number) for number in range(5)))

    calls = exported.named("GET /projects/{project_id}")
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

    assert exported.spans[1].attributes["eversince.waited"] > 58.0


@pytest.mark.parametrize(("method", "name"), [("GET", "GET"), ("BREW", "_OTHER")])
async def test_an_operation_we_do_not_know_has_a_name_of_few_values(
    server: ScriptedServer, exported: Exported, method: str, name: str
) -> None:
    server.plays(Say(json={}))
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.request(method, "/projects/proj_1/soundtrack", query={"token": "secret"})

    (span,) = exported.spans
    assert name == span.name
    assert "other" == span.attributes["eversince.endpoint"]
    assert "url.template" not in span.attributes
    assert f"{server.base_url}/projects/proj_1/soundtrack" == span.attributes["url.full"]


async def test_an_idempotency_key_is_told(server: ScriptedServer, exported: Exported) -> None:
    server.plays(Say(status=202, json={"id": "proj_1", "status": "queued"}))
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.create("A film", idempotency_key="mug-2026")

    assert "mug-2026" == exported.spans[0].attributes["eversince.idempotency_key"]


async def test_spans_that_are_not_sampled_cost_no_events(server: ScriptedServer) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    from eversince_async.telemetry import OpenTelemetry

    server.plays(Reset(), PROJECT)
    telemetry: Any = OpenTelemetry(tracer_provider=TracerProvider(sampler=ALWAYS_OFF))
    async with server.client(telemetry=telemetry) as eversince:
        assert "proj_1" == (await eversince.projects.get("proj_1")).id
