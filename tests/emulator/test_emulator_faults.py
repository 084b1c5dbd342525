"""Faults, webhooks, and the emulator's reports to tests."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from email.utils import parsedate_to_datetime

import aiohttp
import pytest
from aiohttp import web

from eversince_async import clock
from eversince_async.emulator import (
    Emulator,
    ErrorAnswer,
    Faults,
    Latency,
    Limits,
    NotJson,
    RateLimit,
    Reset,
    Scenario,
    StaleRead,
    Stall,
    Truncated,
    Unavailable,
)
from helpers.emulator_client import EVERYWHERE, Calls, calling

CREATE = {"brief": "x", "idempotency_key": "k"}


@pytest.mark.parametrize("committed", [False, True])
async def test_a_reset_comes_before_or_after_the_deed(call: Calls, committed: bool) -> None:  # noqa: FBT001 - a parameter of a test
    call.emulator.faults.once("POST", "/projects", Reset(after_commit=committed))

    with pytest.raises(aiohttp.ClientOSError):
        await call("POST", "/projects", json=CREATE)
    again = await call("POST", "/projects", json=CREATE)

    assert (200 if committed else 202) == again.status
    assert 1 == call.emulator.world.counts["projects"]
    assert ("Reset", None) == ((first := call.emulator.world.log.entries[0]).fault, first.status)


async def test_an_error_may_come_before_or_after_the_deed(call: Calls) -> None:
    for fault in (ErrorAnswer(), Unavailable(retry_after=3), ErrorAnswer(after_commit=True)):
        call.emulator.faults.once("POST", "/projects", fault)

    answers = [await call("POST", "/projects", json=CREATE) for _ in range(4)]

    assert [500, 503, 500, 200] == [answer.status for answer in answers]
    assert ("service_unavailable", "3") == (answers[1].code, answers[1].headers["Retry-After"])
    assert all(name in answers[0].headers for name in EVERYWHERE)


async def test_a_rate_limit_says_how_long_in_seconds_or_as_a_date(call: Calls) -> None:
    call.emulator.faults.once("GET", "/account/*", RateLimit(retry_after=2.5))
    call.emulator.faults.once("GET", "/account/*", RateLimit(retry_after=30, as_date=True))

    seconds = await call("GET", "/account/credits")
    date = await call("GET", "/account/credits")

    until = parsedate_to_datetime(date.headers["Retry-After"]).timestamp()
    assert [(429, "rate_limited")] * 2 == [seconds.refusal, date.refusal]
    assert "2.5" == seconds.headers["Retry-After"]
    assert 30 == pytest.approx(until - clock.wall_seconds(), abs=1.1)


async def test_an_answer_may_be_cut(call: Calls) -> None:
    call.emulator.faults.once("POST", "/projects", Truncated())

    with pytest.raises(aiohttp.ClientPayloadError):
        await call("POST", "/projects", json=CREATE)
    assert 200 == (await call("POST", "/projects", json=CREATE)).status


async def test_a_gateway_may_answer_html(call: Calls) -> None:
    call.emulator.faults.once("GET", "/account/credits", NotJson())

    reply = await call("GET", "/account/credits")

    assert (502, "text/html; charset=utf-8") == (reply.status, reply.headers["Content-Type"])
    assert "X-Request-Id" not in reply.headers


async def test_a_stalled_request_is_never_answered(call: Calls) -> None:
    call.emulator.faults.once("GET", "/account/credits", Stall())

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(100):
            await call("GET", "/account/credits")
    assert 200 == (await call("GET", "/account/credits")).status


async def test_a_late_server_still_does_what_was_asked_when_the_client_has_gone(call: Calls) -> None:
    call.emulator.faults.once("POST", "/projects", Latency(seconds=100))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10):
            await call("POST", "/projects", json=CREATE)
    await asyncio.sleep(200)

    assert 1 == call.emulator.world.counts["projects"]


async def test_stopping_ends_what_a_late_server_still_does(call: Calls) -> None:
    """No handler outlives the test or goes on working."""
    call.emulator.faults.once("POST", "/projects", Latency(seconds=100))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10):
            await call("POST", "/projects", json=CREATE)

    await call.emulator.stop()

    assert not [task for task in asyncio.all_tasks() if "_handle_request" in repr(task.get_coro())]
    assert 0 == call.emulator.world.counts["projects"]


async def test_a_read_may_be_stale(call: Calls) -> None:
    project = call.emulator.add_project()
    await asyncio.sleep(3600)
    path = f"/projects/{project.id}"
    await call("POST", f"{path}/render")
    call.emulator.faults.once("GET", path, StaleRead())
    call.emulator.faults.once("GET", "/projects", StaleRead(seconds=60))

    stale = (await call("GET", path)).body["status"]
    listed = (await call("GET", "/projects")).body["projects"][0]["status"]
    fresh = (await call("GET", path)).body["status"]

    assert ("idle", "idle", "rendering") == (stale, listed, fresh)


async def test_a_stale_server_does_not_know_a_new_project_yet() -> None:
    async with calling(Emulator(faults=Faults(stale_reads=2.0))) as call:
        project_id = await call.create()

        assert (404, "not_found") == (await call("GET", f"/projects/{project_id}")).refusal
        assert [] == (await call("GET", "/projects")).body["projects"]
        await asyncio.sleep(2)
        assert 200 == (await call("GET", f"/projects/{project_id}")).status


async def test_the_servers_clock_may_be_wrong() -> None:
    async with calling(Emulator(faults=Faults(clock_skew=-500.0))) as call:
        headers = (await call("GET", "/account/credits")).headers
        date = parsedate_to_datetime(headers["Date"]).timestamp()

        assert -500 == pytest.approx(date - clock.wall_seconds(), abs=1.1)
        assert 60 == pytest.approx(int(headers["X-RateLimit-Reset"]) - date, abs=1.1)


async def test_chances_are_seeded() -> None:
    async def run(seed: int) -> list[int]:
        faults = Faults(error_500=0.2, error_503=0.2, rate_limited=0.1, latency=(0.1, 0.9), seed=seed)
        async with calling(Emulator(faults=faults, limits=Limits.none())) as call:
            return [(await call("GET", "/account/credits")).status for _ in range(40)]

    first = await run(1)

    assert {200, 500, 503, 429} == set(first)
    assert first == await run(1)
    assert first != await run(2)


# -- Webhooks -------------------------------------------------------------------------------------------


class Receiver:
    """A receiver of webhooks on this machine."""

    def __init__(self, status: int = 200) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = status
        self.url = ""

    async def __aenter__(self) -> Receiver:
        self._runner = web.ServerRunner(web.Server(self._take))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.BaseRequest) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        return web.Response(status=self.status)

    @property
    def events(self) -> list[str]:
        return [json.loads(body)["event"] for _, body in self.got]


def hooked(**options: object) -> Emulator:
    return Emulator(allow_loopback_webhooks=True, limits=Limits.none(), **options)  # type: ignore[arg-type] - as given


async def test_every_transition_but_queued_sends_one_signed_webhook_in_time() -> None:
    scenario = Scenario(queued=5, running=10, images=20, videos=30, rendering=40)
    async with Receiver() as receiver, calling(hooked(webhook_secret="s", scenario=scenario)) as call:
        project_id = await call.create(webhook_url=receiver.url)
        start = clock.wall_seconds()
        await asyncio.sleep(100)
        await call("POST", f"/projects/{project_id}/render")
        await asyncio.sleep(50)

        runs = ["running", "generating", "running", "generating", "running", "idle"]
        assert [*runs, "rendering", "idle"] == receiver.events
        assert [5, 15, 35, 45, 75, 85, 100, 140] == [
            round(delivery.at - start) for delivery in call.emulator.deliveries
        ]
        headers, body = receiver.got[-1]
        signed = headers["X-Eversince-Timestamp"].encode() + b"." + body
        assert (
            f"sha256={hmac.new(b's', signed, hashlib.sha256).hexdigest()}" == headers["X-Eversince-Signature"]
        )
        payload, status = json.loads(body), (await call("GET", f"/projects/{project_id}")).body
        assert status == {name: payload[name] for name in status}
        assert {"event", "timeline", "assets"} == payload.keys() - status.keys()


async def test_a_cancelled_project_sends_nothing_and_a_failed_one_does() -> None:
    async with Receiver() as receiver, calling(hooked()) as call:
        cancelled = await call.create(webhook_url=receiver.url)
        await call("POST", f"/projects/{cancelled}/cancel")
        failed = await call.create(webhook_url=receiver.url)
        call.emulator.studio.fail(failed)
        await asyncio.sleep(5)

        assert ["failed"] == receiver.events


async def test_a_refused_webhook_is_not_sent_again() -> None:
    async with Receiver(status=500) as receiver, calling(hooked()) as call:
        project = call.emulator.add_project(webhook_url=receiver.url)
        await call("POST", f"/projects/{project.id}/render")
        await asyncio.sleep(20)

        assert ["rendering"] == receiver.events
        assert [500] == [delivery.status for delivery in call.emulator.deliveries]
        assert "X-Eversince-Signature" not in receiver.got[0][0], "no secret, no signature"


async def test_webhooks_get_lost_by_faults_and_by_dead_receivers() -> None:
    async with calling(hooked(faults=Faults(lost_webhooks=1.0))) as call:
        project = call.emulator.add_project(webhook_url="http://127.0.0.1:1/")
        await call("POST", f"/projects/{project.id}/render")
        call.emulator.faults.lost_webhooks = 0.0
        await call.settled(project.id)

        assert ["lost", "ClientConnectorError"] == [delivery.problem for delivery in call.emulator.deliveries]


async def test_a_webhook_set_later_is_heard_too() -> None:
    async with Receiver() as receiver, calling(hooked()) as call:
        project_id = await call.create()
        await call("PATCH", f"/projects/{project_id}/settings", json={"webhook_url": receiver.url})
        await asyncio.sleep(3600)

        assert "idle" == receiver.events[-1]


async def test_loopback_webhooks_need_leave(call: Calls) -> None:
    body = {"brief": "x", "webhook_url": "http://127.0.0.1:9/"}

    assert (400, "validation_error") == (await call("POST", "/projects", json=body)).refusal


# -- Inspection by tests --------------------------------------------------------------------------------


async def test_looks_count_single_reads_and_lists(call: Calls) -> None:
    project = call.emulator.add_project(walks={"queued": 12, "running": 60})
    await call("GET", f"/projects/{project.id}")
    await asyncio.sleep(5)
    await call("GET", "/projects?limit=100")
    await asyncio.sleep(10)
    running = (await call("GET", f"/projects/{project.id}")).body["status"]
    await asyncio.sleep(60)

    assert "running" == running
    assert [0, 5, 15] == call.emulator.polls(project.id)
    assert "idle" == call.emulator.world.projects[project.id].status


async def test_the_log_tells_what_was_asked_and_answered(call: Calls) -> None:
    project_id = await call.create()
    await call("GET", "/projects/none")
    await call("GET", "/nowhere")
    log = call.emulator.world.log

    assert [
        ("POST /projects", 202, None, project_id),
        ("GET /projects/:id", 404, "not_found", "none"),
        (None, 404, "not_found", None),
    ] == [(entry.route, entry.status, entry.code, entry.project_id) for entry in log]
    assert 2 == len(log.refusals("not_found"))
    assert 1 == log.routes()["POST /projects"]


async def test_the_log_finds_the_busiest_minute(call: Calls) -> None:
    for pause in (0, 0, 59, 1, 0):
        await asyncio.sleep(pause)
        await call("GET", "/account/credits")

    assert 3 == call.emulator.world.log.most_requests_in_window(60)
    assert 5 == call.emulator.world.log.most_requests_in_window(61)


async def test_projects_can_be_put_anywhere(call: Calls) -> None:
    for status in ("queued", "running", "generating", "rendering", "idle", "failed", "cancelled"):
        project = call.emulator.add_project(status=status, title=status)
        assert status == (await call("GET", f"/projects/{project.id}")).body["status"]
    call.emulator.studio.cancel(project.id)
    assert "Emulator http://127.0.0.1" in repr(call.emulator)


async def test_the_same_seed_makes_the_same_world() -> None:
    """Only the IDs differ: no two emulator runs share them."""

    async def life(seed: int) -> object:
        async with calling(Emulator(scenario=Scenario(seed=seed), limits=Limits.none())) as call:
            project_id = await call.create()
            await call.settled(project_id)
            project = call.emulator.world.projects[project_id]
            return round(project.updated_at - project.created_at, 3), len(project.assets)

    assert await life(1) == await life(1)
    assert await life(1) != await life(2)
