"""The account's limits: each can be enforced, changed and switched off."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime

import pytest

from eversince_async import clock
from eversince_async.emulator import Emulator, Limits
from eversince_async.emulator.limits import DayCount, RequestWindow
from helpers.emulator_client import Calls, calling


async def test_the_thirty_first_request_of_a_minute_is_refused_with_the_time_to_wait() -> None:
    async with calling(Emulator()) as call:
        await call("GET", "/account/credits")
        await asyncio.sleep(20)
        answers = [await call("GET", "/account/credits") for _ in range(30)]

        assert [200] * 29 + [429] == [answer.status for answer in answers]
        assert [str(left) for left in range(28, -1, -1)] == [
            answer.headers["X-RateLimit-Remaining"] for answer in answers[:-1]
        ]
        refused = answers[-1]
        assert "rate_limited" == refused.code
        assert ("30", "0", "40") == tuple(
            refused.headers[name] for name in ("X-RateLimit-Limit", "X-RateLimit-Remaining", "Retry-After")
        )
        assert 40 == pytest.approx(int(refused.headers["X-RateLimit-Reset"]) - clock.wall_seconds(), abs=1)
        await asyncio.sleep(40)
        assert [200, 429] == [(await call("GET", "/account/credits")).status for _ in range(2)]


async def test_the_window_is_shared_by_all_keys_and_bad_keys_leave_it_alone() -> None:
    async with calling(Emulator(keys=["es_live_two"], limits=Limits(requests_per_minute=2))) as call:
        for _ in range(5):
            await call("GET", "/account/credits", key="es_live_wrong")
        answers = [
            (await call("GET", "/account/credits", key=f"es_live_{key}")).status
            for key in ("emulator", "two", "two")
        ]

        assert [200, 200, 429] == answers


async def test_may_allows_a_hundred_and_twenty() -> None:
    async with calling(Emulator(revision="2026-05")) as call:
        assert "120" == (await call("GET", "/account/credits")).headers["X-RateLimit-Limit"]


async def test_without_limits_the_headers_speak_of_a_million() -> None:
    async with calling(Emulator(limits=Limits.none())) as call:
        headers = (await call("GET", "/account/credits")).headers

        assert ("1000000", "999999") == (headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"])


def test_a_sliding_window_never_lets_more_through_in_any_window() -> None:
    window = RequestWindow(2, 60.0)

    assert [True, True, False, True, False, True] == [
        window.admit(now).allowed for now in (0.0, 50.0, 59.9, 60.0, 109.0, 110.0)
    ]


def test_a_fixed_window_lets_a_whole_budget_through_when_it_turns() -> None:
    window = RequestWindow(2, 60.0, sliding=False)

    assert [True, True, False, True, True, False] == [
        window.admit(now).allowed for now in (0.0, 50.0, 59.9, 60.0, 61.0, 62.0)
    ]


async def test_the_sixth_active_project_waits_for_a_slot(call: Calls) -> None:
    ids = [await call.create() for _ in range(5)]
    idle = call.emulator.add_project()

    create = await call("POST", "/projects", json={"brief": "x"})
    message = await call("POST", f"/projects/{idle.id}/messages", json={"message": "x"})
    render = await call("POST", f"/projects/{idle.id}/render")
    await call("POST", f"/projects/{ids[0]}/cancel")

    assert [(429, "project_limit")] * 3 == [reply.refusal for reply in (create, message, render)]
    assert "Retry-After" not in create.headers
    assert await call.create()
    assert 5 == call.emulator.world.most_active


@pytest.mark.parametrize("visible", [True, False])
async def test_somebody_else_may_hold_the_slots(call: Calls, visible: bool) -> None:  # noqa: FBT001 - a parameter of a test
    held = call.emulator.studio.occupy(5, visible=visible)

    assert (429, "project_limit") == (await call("POST", "/projects", json={"brief": "x"})).refusal
    assert (5 if visible else 0) == (await call("GET", "/projects")).body["total"]
    call.emulator.studio.release(held[0])
    assert await call.create()


async def test_five_hundred_projects_a_day_on_a_rolling_day() -> None:
    limits = Limits(projects_per_day=2, active_projects=None, requests_per_minute=None)
    async with calling(Emulator(limits=limits)) as call:
        await call.create()
        await asyncio.sleep(3600)
        await call.create()

        assert (429, "project_limit") == (await call("POST", "/projects", json={"brief": "x"})).refusal
        await asyncio.sleep(23 * 3600)
        await call.create()
        assert 429 == (await call("POST", "/projects", json={"brief": "x"})).status


async def test_a_replay_is_no_project_of_the_day() -> None:
    async with calling(Emulator(limits=Limits(projects_per_day=1, active_projects=1))) as call:
        await call.create(idempotency_key="k")

        assert 200 == (await call("POST", "/projects", json={"brief": "x", "idempotency_key": "k"})).status


async def test_fifty_renders_a_day_and_then_a_long_wait() -> None:
    limits = Limits(requests_per_minute=None, active_projects=None)
    async with calling(Emulator(limits=limits)) as call:
        projects = [call.emulator.add_project() for _ in range(51)]
        answers = [await call("POST", f"/projects/{project.id}/render") for project in projects]

        assert [202] * 50 + [429] == [answer.status for answer in answers]
        assert "rate_limited" == answers[-1].code
        assert 86_400 == pytest.approx(int(answers[-1].headers["Retry-After"]), abs=10)
        assert 50 == call.emulator.world.counts["renders"] + sum(
            project.status == "rendering" for project in projects
        )


async def test_may_gives_ten_renders_without_a_subscription() -> None:
    async with calling(Emulator(revision="2026-05", plan=None, limits=Limits(active_projects=None))) as call:
        projects = [call.emulator.add_project() for _ in range(11)]
        answers = [(await call("POST", f"/projects/{project.id}/render")).status for project in projects]

        assert [202] * 10 + [429] == answers


def test_a_day_may_turn_at_midnight() -> None:
    midnight = datetime(2026, 5, 1, tzinfo=UTC).timestamp()
    count = DayCount()
    count.add(midnight - 1)

    assert (1, 1) == (count.today(midnight - 1, "utc"), count.frees_in(midnight - 1, "utc"))
    assert 1 == count.today(midnight, "rolling")
    assert 0 == count.today(midnight, "utc")


async def test_a_body_of_more_than_a_megabyte_is_413_however_it_comes(call: Calls) -> None:
    async def chunks() -> object:
        for _ in range(20):
            yield b" " * 65_536

    whole = await call("POST", "/projects", data=io.BytesIO(b" " * (2**20 + 1)))
    chunked = await call("POST", "/projects", data=chunks())
    most = await call("POST", "/projects", data=io.BytesIO(b'{"brief": "x"}' + b" " * (2**20 - 14)))

    assert (413, "payload_too_large") == whole.refusal
    assert (413, "payload_too_large") == chunked.refusal
    assert 202 == most.status


async def test_no_limits_means_none() -> None:
    async with calling(Emulator(limits=Limits.none(), credits=1e9)) as call:
        for _ in range(40):
            await call.create()

        assert 40 == call.emulator.world.counts["projects"]
        assert 40 == call.emulator.world.most_active
