"""Closing a client while productions are under way: they are left, waited for, or cancelled."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from typing import Any

import pytest

from eversince_async import ClientClosed, ConfigurationError, Eversince, EversinceError, OutcomeUnknown
from eversince_async.emulator import Emulator, Faults, Latency, Scenario
from eversince_async.governor import Limits

MINUTE = Scenario(walk={"queued": 10, "running": 50}, rendering=20)


@pytest.fixture
async def emulator():
    async with Emulator(scenario=MINUTE) as emulator:
        yield emulator


def statuses(emulator: Emulator) -> list[str]:
    return [project.status for project in emulator.world.projects.values() if not project.studio]


async def outcome(workflow: Any) -> Any:
    """What somebody who awaits it is told."""
    try:
        return await workflow
    except EversinceError as error:
        return error


async def under_way(eversince: Eversince, count: int = 1, **options: Any) -> list[asyncio.Task[Any]]:
    """Productions awaited in tasks of their own, as in the handlers of requests, half-way through."""
    tasks = [asyncio.create_task(outcome(eversince.produce(f"Film {n}", **options))) for n in range(count)]
    await asyncio.sleep(30)
    return tasks


# -- Leave ------------------------------------------------------------------------------------------------


async def test_who_awaits_a_production_is_told_how_to_go_on(emulator, eversince):
    """The task itself is not cancelled, and the project goes on."""
    (task,) = await under_way(eversince)
    await eversince.aclose()
    told = await task

    assert isinstance(told, ClientClosed)
    assert ["running"] == statuses(emulator)
    async with Eversince(**emulator.connection) as another:
        film = await another.resume(json.loads(json.dumps(told.handle)))
    assert told.project_id == film.project_id
    assert 1 == emulator.world.counts["projects"]


async def test_what_was_left_is_handed_out(emulator, eversince):
    """Also what has no project yet, as it waits for a slot: it is created by whoever takes it up."""
    tasks = await under_way(eversince, 7)
    left = await eversince.aclose()
    await asyncio.wait(tasks)

    assert 7 == len(left)
    assert 5 == len([handle for handle in left if handle.project_id is not None])
    async with Eversince(**emulator.connection) as another:
        films = await asyncio.gather(*(another.resume(handle) for handle in left))
    assert 7 == len({film.project_id for film in films}) == emulator.world.counts["projects"]


async def test_a_production_cancels_its_project_if_these_were_its_terms(emulator, eversince):
    tasks = await under_way(eversince, on_cancel="cancel")
    await eversince.aclose()
    await asyncio.wait(tasks)

    assert ["cancelled"] == statuses(emulator)
    assert 0 == eversince.governor.snapshot().slots.occupied


async def test_who_follows_a_production_is_told_as_well(emulator, eversince):
    async def follow() -> None:
        async with eversince.produce("A film") as workflow:
            async for _ in workflow:
                pass
            await workflow

    following = asyncio.create_task(outcome(follow()))
    await asyncio.sleep(30)
    await eversince.aclose()

    assert isinstance(await following, ClientClosed)


async def test_a_wait_ends_too_and_has_nothing_to_hand_out(emulator, eversince):
    project = emulator.add_project(walks={"running": 1000})
    waiting = asyncio.create_task(outcome(eversince.wait(project.id)))
    await asyncio.sleep(30)

    assert () == await eversince.aclose()
    assert isinstance(await waiting, ClientClosed)


async def test_what_was_started_a_moment_ago_is_handed_out(emulator, eversince):
    eversince.start("A film")
    (handle,) = await eversince.aclose()

    async with Eversince(**emulator.connection) as another:
        await another.resume(handle)
    assert 1 == emulator.world.counts["projects"]


async def test_what_nobody_waits_for_ends_silently(emulator, eversince, caplog):
    eversince.start("A film")
    await asyncio.sleep(30)
    with caplog.at_level(logging.ERROR):
        await eversince.aclose()
        gc.collect()

    assert [] == caplog.records


async def test_whoever_is_cancelled_meanwhile_stays_cancelled(emulator, eversince):
    (task,) = await under_way(eversince)
    task.cancel()
    await eversince.aclose()
    await asyncio.wait([task])

    assert task.cancelled()


async def test_the_task_can_be_cancelled_afterwards(emulator, eversince):
    """Ending what runs in a task leaves no request for its cancellation behind."""

    async def then_sleep() -> int:
        await outcome(eversince.produce("A film"))
        async with asyncio.timeout(1000):
            await asyncio.sleep(10)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    task = asyncio.create_task(then_sleep())
    await asyncio.sleep(30)
    await eversince.aclose()

    assert 0 == await task


# -- Drain ------------------------------------------------------------------------------------------------


async def test_draining_waits_for_what_is_under_way(emulator, eversince):
    tasks = await under_way(eversince, 7)

    assert () == await eversince.aclose(productions="drain")
    assert ["idle"] * 7 == statuses(emulator)
    assert all(task.result().share_url for task in tasks)


async def test_draining_leaves_what_takes_too_long(emulator, eversince):
    tasks = await under_way(eversince, 7)
    began = asyncio.get_running_loop().time()
    left = await eversince.aclose(productions="drain", drain_timeout=90)

    assert 90 == pytest.approx(asyncio.get_running_loop().time() - began, abs=1)
    assert 2 == len(left)
    assert 5 == len([task for task in tasks if not isinstance(await task, ClientClosed)])


async def test_closing_again_ends_the_draining(emulator, eversince):
    tasks = await under_way(eversince)
    draining = asyncio.create_task(eversince.aclose(productions="drain"))
    await asyncio.sleep(1)
    (handle,) = await eversince.aclose()

    assert () == await draining
    assert handle.project_id == (await tasks[0]).project_id


async def test_draining_that_is_cancelled_closes_all_the_same(emulator, eversince):
    tasks = await under_way(eversince)
    draining = asyncio.create_task(eversince.aclose(productions="drain"))
    await asyncio.sleep(1)
    draining.cancel()
    await asyncio.wait([draining])

    assert draining.cancelled()
    assert isinstance(await tasks[0], ClientClosed)
    assert not eversince._transport.is_open


async def test_draining_nothing_takes_no_time(emulator, eversince):
    await eversince.account.credits()
    began = asyncio.get_running_loop().time()
    await eversince.aclose(productions="drain")

    assert began == asyncio.get_running_loop().time()


# -- Cancel -----------------------------------------------------------------------------------------------


async def test_cancelling_stops_what_is_at_work(emulator, eversince):
    """What has not begun is handed out: nothing was paid for it."""
    tasks = await under_way(eversince, 7)
    left = await eversince.aclose(productions="cancel")
    await asyncio.wait(tasks)

    assert ["cancelled"] * 5 == statuses(emulator)
    assert 0 == eversince.governor.snapshot().slots.occupied
    assert [None, None] == [handle.project_id for handle in left]


async def test_cancelling_hands_out_what_could_not_be_cancelled(emulator, eversince):
    tasks = await under_way(eversince)
    await emulator.stop()
    (handle,) = await eversince.aclose(productions="cancel")
    await asyncio.wait(tasks)

    assert handle.project_id is not None


async def test_other_words_are_refused(eversince):
    with pytest.raises(ConfigurationError, match="drain"):
        await eversince.aclose(productions="wait")


# -- Whatever was said ------------------------------------------------------------------------------------


@pytest.mark.parametrize("productions", ["leave", "drain", "cancel"])
async def test_nothing_is_left_open(emulator, productions):
    eversince = Eversince(**emulator.connection, limits=Limits(active_projects=2))
    tasks = await under_way(eversince, 4)
    await eversince.aclose(productions=productions, drain_timeout=40)
    await asyncio.wait(tasks)

    assert not eversince._transport.is_open
    assert not eversince._store.is_open
    assert 0 == len(eversince._runtime.registry)
    assert [] == [lease for lease in eversince.governor.snapshot().slots.leases if lease.held]


# -- Single calls -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("waits", ["for its answer", "for its turn"])
async def test_a_call_that_straddles_the_end_opens_nothing_anew(waits):
    """It would never be closed."""
    async with Emulator(faults=Faults(latency=5)) as emulator:
        eversince = Eversince(**emulator.connection)
        if waits == "for its turn":
            eversince.governor.pause(50)
        call = asyncio.create_task(outcome(eversince.account.credits()))
        await asyncio.sleep(2)
        await eversince.aclose()

        assert isinstance(await call, ClientClosed)
        assert not eversince._transport.is_open
        assert 0 == eversince.governor.snapshot().requests.in_flight


async def test_a_write_that_straddles_the_end_says_that_it_may_have_happened(emulator):
    eversince = Eversince(**emulator.connection)
    project = emulator.add_project()
    emulator.faults.once("POST", f"/projects/{project.id}/messages", Latency(seconds=5))
    call = asyncio.create_task(outcome(eversince.messages.send(project.id, "Go on")))
    await asyncio.sleep(2)
    await eversince.aclose()

    assert isinstance(await call, OutcomeUnknown)
    assert not eversince._transport.is_open


async def test_a_closed_client_can_be_used_again(emulator):
    async with Eversince(**emulator.connection) as eversince:
        await eversince.account.credits()
        await eversince.aclose()

        assert 1450 == (await eversince.account.credits()).credits_balance
