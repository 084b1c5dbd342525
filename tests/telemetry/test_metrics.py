"""What is measured, and how things stand with the account's limits."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from eversince_async import Eversince, Governor, Limits, NotFound, ProjectFailed
from eversince_async.emulator import Emulator, Scenario
from helpers.fake_server import Reset, Say, ScriptedServer, refusal

if TYPE_CHECKING:
    from helpers.telemetry_export import Exported

PROJECT = Say(json={"id": "proj_1", "status": "idle"}, after=2)
REQUESTS = "http.client.request.duration"
RETRIES = "eversince.client.retries"
WAITS = "eversince.client.wait.duration"
STAGES = "eversince.client.stage.duration"
WORKFLOWS = "eversince.client.workflow.duration"


async def test_each_attempt_is_a_request(server: ScriptedServer, exported: Exported) -> None:
    server.plays(Reset(), refusal(503, "service_unavailable"), PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.get("proj_1")

    assert 3 == len(exported.points(REQUESTS))
    assert (1, pytest.approx(2.0)) == exported.value(REQUESTS, status_code=200, endpoint="projects.get")
    assert 1 == exported.value(REQUESTS, status_code=503, type="503")[0]
    assert 1 == exported.value(REQUESTS, status_code=None, type="ConnectionFailed")[0]


async def test_requests_are_not_counted_by_project(server: ScriptedServer, exported: Exported) -> None:
    server.plays(PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        for number in range(3):
            await eversince.projects.get(f"proj_{number}")
            await eversince.request("GET", f"/projects/proj_{number}/soundtrack")

    assert [3, 3] == [count for _, (count, _) in exported.points(REQUESTS)]


async def test_retries_are_counted_by_what_went_wrong(server: ScriptedServer, exported: Exported) -> None:
    server.plays(Reset(), Reset(), PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.get("proj_1")

    assert 2 == exported.value(RETRIES, endpoint="projects.get", type="ConnectionFailed")


async def test_refused_calls_are_no_retries(server: ScriptedServer, exported: Exported) -> None:
    server.plays(refusal(404, "not_found"))
    async with server.client(telemetry=exported.telemetry()) as eversince:
        with pytest.raises(NotFound):
            await eversince.projects.get("proj_1")

    assert [] == exported.points(RETRIES)


async def test_waits_for_requests_are_measured(server: ScriptedServer, exported: Exported) -> None:
    server.plays(PROJECT)
    limits = Limits(requests_per_minute=1)
    async with server.client(telemetry=exported.telemetry(), limits=limits) as eversince:
        await eversince.projects.get("proj_1")
        await eversince.projects.get("proj_1")

    count, waited = exported.value(WAITS, kind="requests", granted=True)
    assert 1 == count
    assert 58.0 < waited < 61.0


async def test_waits_in_a_pause_are_measured(server: ScriptedServer, exported: Exported) -> None:
    server.plays(refusal(429, "rate_limited", headers={"Retry-After": "20"}), PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.get("proj_1")

    count, waited = exported.value(WAITS, kind="pause", granted=True)
    assert 1 == count
    assert 20.0 <= waited


async def test_waits_that_were_given_up_are_measured(server: ScriptedServer, exported: Exported) -> None:
    server.plays(PROJECT)
    limits = Limits(requests_per_minute=1)
    async with server.client(telemetry=exported.telemetry(), limits=limits) as eversince:
        await eversince.projects.get("proj_1")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(7):
                await eversince.projects.get("proj_1")

    assert (1, pytest.approx(7.0)) == exported.value(WAITS, kind="requests", granted=False)


async def test_waits_for_slots_and_days_are_measured(exported: Exported) -> None:
    limits = Limits(active_projects=1, renders_per_day=1)
    async with (
        Emulator() as emulator,
        Eversince(**emulator.connection, telemetry=exported.telemetry(), limits=limits) as eversince,
    ):
        await asyncio.gather(eversince.produce("One"), eversince.produce("Another"))

    assert 1 <= exported.value(WAITS, kind="slot", granted=True)[0]
    count, waited = exported.value(WAITS, kind="renders", granted=True)
    assert 1 == count
    assert waited > 20 * 3600


async def test_stages_and_workflows_are_measured(emulator: Emulator, exported: Exported) -> None:
    async with Eversince(**emulator.connection, telemetry=exported.telemetry()) as eversince:
        films = await asyncio.gather(eversince.produce("One"), eversince.produce("Another"))

    for stage in ("settle", "render"):
        total = sum(film.timings[stage] for film in films)
        assert (2, pytest.approx(total)) == exported.value(STAGES, stage=stage, outcome="done")
    assert 2 == exported.value(WORKFLOWS, workflow="production", outcome="done")[0]


async def test_failed_stages_say_so(exported: Exported) -> None:
    async with (
        Emulator(scenario=Scenario(failure=1)) as emulator,
        Eversince(**emulator.connection, telemetry=exported.telemetry()) as eversince,
    ):
        with pytest.raises(ProjectFailed):
            await eversince.produce("A film")

    assert 1 == exported.value(STAGES, stage="settle", outcome="failed", type="ProjectFailed")[0]
    assert 1 == exported.value(WORKFLOWS, outcome="failed", type="ProjectFailed")[0]


async def test_cancelled_workflows_say_so(emulator: Emulator, exported: Exported) -> None:
    async with Eversince(**emulator.connection, telemetry=exported.telemetry()) as eversince:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await eversince.produce("A film")

    assert 1 == exported.value(WORKFLOWS, outcome="cancelled", type=None)[0]


# -- How things stand ---------------------------------------------------------------------------------------


async def test_slots_requests_quotas_and_credits_are_told(emulator: Emulator, exported: Exported) -> None:
    async with Eversince(
        **emulator.connection, telemetry=exported.telemetry(), limits=Limits(active_projects=2)
    ) as eversince:
        films = [eversince.start(f"Film {number}") for number in range(3)]
        await asyncio.sleep(10)
        told = {
            name: exported.value(f"eversince.client.{name}", **attributes)
            for name, attributes in GAUGES.items()
        }
        seen = eversince.governor.snapshot()
        for film in films:
            await film

    assert seen.credits is not None
    assert {
        "slots.occupied": 2,
        "slots.limit": 2,
        "requests.used": seen.requests.used,
        "requests.limit": seen.requests.limit,
        "quota.used": 2,
        "quota.limit": 500,
        "waiting": 1,
        "credits": seen.credits.balance,
    } == told


GAUGES: dict[str, dict[str, Any]] = {
    "slots.occupied": {"ours": True},
    "slots.limit": {},
    "requests.used": {},
    "requests.limit": {},
    "quota.used": {"quota": "projects"},
    "quota.limit": {"quota": "projects"},
    "waiting": {"kind": "slot"},
    "credits": {},
}


async def test_what_has_no_limit_has_no_point(server: ScriptedServer, exported: Exported) -> None:
    server.plays(PROJECT)
    limits = Limits(active_projects=None)
    async with server.client(telemetry=exported.telemetry(), limits=limits) as eversince:
        await eversince.projects.get("proj_1")
        told = exported.points("eversince.client.slots.limit")

    assert [] == told


async def test_a_thread_may_collect_while_the_loop_runs(server: ScriptedServer, exported: Exported) -> None:
    """As periodic readers do."""
    server.plays(PROJECT)
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.get("proj_1")
        told = await asyncio.to_thread(exported.value, "eversince.client.requests.used")

    assert 1 == told


async def test_a_thread_collects_nothing_while_the_loop_waits_for_it(
    server: ScriptedServer, exported: Exported
) -> None:
    """As when a provider is shut down on the loop: it takes a moment, and no point."""
    server.plays(PROJECT)
    told: list[Any] = []
    async with server.client(telemetry=exported.telemetry()) as eversince:
        await eversince.projects.get("proj_1")
        thread = threading.Thread(
            target=lambda: told.extend(exported.points("eversince.client.requests.used"))
        )
        thread.start()
        thread.join(timeout=180)

    assert not thread.is_alive()
    assert [] == told


async def test_clients_of_one_account_are_counted_once(server: ScriptedServer, exported: Exported) -> None:
    server.plays(PROJECT)
    governor, telemetry = Governor(Limits(requests_per_minute=2)), exported.telemetry()
    async with (
        server.client(governor=governor, telemetry=telemetry) as one,
        server.client(governor=governor, telemetry=telemetry) as other,
    ):
        await one.projects.get("proj_1")
        await other.projects.get("proj_1")
        limit = exported.value("eversince.client.requests.limit")
        await one.projects.get("proj_1")

    assert 2 == limit
    assert 1 == exported.value(WAITS, kind="requests")[0]


async def test_accounts_add_up(server: ScriptedServer, exported: Exported) -> None:
    server.plays(PROJECT)
    telemetry = exported.telemetry()
    async with server.client(telemetry=telemetry) as one, server.client(telemetry=telemetry) as other:
        await one.projects.get("proj_1")
        await other.projects.get("proj_1")
        told = exported.value("eversince.client.slots.limit")

    assert 10 == told


def test_nothing_stands_anywhere_when_the_loop_has_ended(exported: Exported) -> None:
    from eversince_async.testing import run

    async def story() -> None:
        async with (
            Emulator() as emulator,
            Eversince(**emulator.connection, telemetry=exported.telemetry()) as eversince,
        ):
            await eversince.account.credits()

    run(story())

    assert [] == exported.points("eversince.client.slots.occupied")
