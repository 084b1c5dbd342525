"""Observers: they receive every step, and cannot interfere."""

import logging

import pytest

from eversince_async import Limits, NotFound, RequestSent, ResponseReceived, RetryScheduled
from helpers.fake_server import Reset, Say, ScriptedServer, refusal

PROJECT = Say(json={"id": "proj_1", "status": "idle"}, headers={"X-Request-Id": "req_1"}, after=2)


async def test_each_step_is_told(server: ScriptedServer) -> None:
    server.plays(Reset(), PROJECT)
    told: list[RequestSent | ResponseReceived | RetryScheduled] = []
    async with server.client(
        on_request=told.append, on_response=told.append, on_retry=told.append
    ) as eversince:
        await eversince.projects.get("proj_1")

    first, retry, second, answer = told
    assert isinstance(first, RequestSent)
    assert ("projects.get", "GET", "/projects/proj_1", 1, 0.0) == (
        first.endpoint,
        first.method,
        first.path,
        first.attempt,
        first.waited,
    )
    assert isinstance(retry, RetryScheduled)
    assert ("projects.get", 1) == (retry.endpoint, retry.attempt)
    assert 0 <= retry.wait <= 0.5
    assert "the connection broke" in retry.reason
    assert isinstance(second, RequestSent)
    assert 2 == second.attempt
    assert isinstance(answer, ResponseReceived)
    assert ("projects.get", 200, 2, "req_1") == (
        answer.endpoint,
        answer.status,
        answer.attempt,
        answer.receipt.request_id,
    )
    assert 2.0 == pytest.approx(answer.elapsed)


async def test_a_guest_is_told_from_when_it_comes_until_it_goes(server: ScriptedServer) -> None:
    server.plays(PROJECT)
    told: list[object] = []
    async with server.client() as eversince:
        guests = eversince._session.observers.subscribers
        await eversince.projects.get("proj_1")
        guests.append(told.append)
        await eversince.projects.get("proj_1")
        guests.remove(told.append)
        await eversince.projects.get("proj_1")

    assert [RequestSent, ResponseReceived] == [type(record) for record in told]


async def test_query_is_no_part_of_the_path(server: ScriptedServer) -> None:
    server.plays(Say(json={"projects": [], "total": 0}))
    told: list[RequestSent] = []
    async with server.client(on_request=told.append) as eversince:
        await eversince.projects.list(title="secret plans")

    assert "/projects" == told[0].path


async def test_wait_for_the_budget_is_told(server: ScriptedServer) -> None:
    server.plays(PROJECT)
    told: list[RequestSent] = []
    async with server.client(on_request=told.append, limits=Limits(requests_per_minute=1)) as eversince:
        await eversince.projects.get("proj_1")
        await eversince.projects.get("proj_1")

    assert 0.0 == told[0].waited
    assert told[1].waited > 58.0


async def test_answers_with_errors_are_told(server: ScriptedServer) -> None:
    server.plays(refusal(404, "not_found"))
    told: list[ResponseReceived] = []
    async with server.client(on_response=told.append) as eversince:
        with pytest.raises(NotFound):
            await eversince.projects.get("proj_1")

    assert [404] == [answer.status for answer in told]


async def test_several_may_listen(server: ScriptedServer) -> None:
    server.plays(PROJECT)
    one: list[RequestSent] = []
    other: list[RequestSent] = []
    async with server.client(on_request=[one.append, other.append]) as eversince:
        await eversince.projects.get("proj_1")

    assert one == other
    assert 1 == len(one)


async def test_failing_observers_are_logged_and_harmless(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("broken observer")

    server.plays(Reset(), PROJECT)
    async with server.client(on_request=fail, on_response=fail, on_retry=fail) as eversince:
        project = await eversince.projects.get("proj_1")

    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "proj_1" == project.id
    assert ["RequestSent", "RetryScheduled", "RequestSent", "ResponseReceived"] == [
        record.getMessage().rpartition(" ")[2] for record in errors
    ]


async def test_records_are_frozen(server: ScriptedServer) -> None:
    server.plays(PROJECT)
    told: list[RequestSent] = []
    async with server.client(on_request=told.append) as eversince:
        await eversince.projects.get("proj_1")

    with pytest.raises(AttributeError):
        told[0].attempt = 2  # type: ignore[misc]  # the test checks that this fails
