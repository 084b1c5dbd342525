"""The end of one waiter does not affect another.

Both wait for the same thing.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from eversince_async import Eversince, Limits, UnexpectedCancellation, WouldWait
from eversince_async.emulator import Emulator
from eversince_async.emulator import Limits as EmulatedLimits
from eversince_async.governor import Governor
from helpers.crowd import account, scenario

SOUND = scenario(1, failure=0, render_failure=0, self_render=0)


@pytest.fixture
async def here() -> AsyncIterator[tuple[Emulator, Eversince]]:
    limits, there = Limits(active_projects=1), EmulatedLimits(active_projects=1)
    async with account(limits=limits, there=there, projects=SOUND) as both:
        yield both


async def test_two_leases_of_one_project_are_one_slot_until_both_are_over() -> None:
    governor = Governor(Limits(active_projects=1))
    one = await governor.slots.acquire("p1", project_id="p1")
    two = await governor.slots.acquire("p1", project_id="p1")
    one.release()
    one.release()

    assert (False, True) == (one.held, two.held)
    with pytest.raises(WouldWait):
        await governor.slots.acquire("p2", wait=False)
    two.release()
    (await governor.slots.acquire("p2", wait=False)).release()


@pytest.mark.parametrize("first", ["cancelled", "done"])
async def test_two_workflows_of_one_project_hold_its_slot_until_both_are_over(
    here: tuple[Emulator, Eversince], first: str
) -> None:
    emulator, eversince = here
    made = await eversince.projects.create("a film")
    short = asyncio.create_task(_awaited(eversince.wait(made.id)))
    long = asyncio.create_task(_awaited(eversince.resume(made.id)))
    await asyncio.sleep(1)
    other = asyncio.create_task(_awaited(eversince.produce("another")))
    if first == "cancelled":
        await asyncio.sleep(10)
        short.cancel()
    await asyncio.gather(long, other)
    await asyncio.wait([short])

    assert 429 not in emulator.world.log.statuses()
    assert 1 == emulator.world.most_active
    assert 0 == eversince.governor.snapshot().slots.occupied


@pytest.mark.parametrize("first", [True, False])
async def test_cancelling_one_who_awaits_a_workflow_leaves_it_to_the_other(
    here: tuple[Emulator, Eversince], *, first: bool
) -> None:
    _, eversince = here
    workflow = eversince.produce("a film")
    tasks = [asyncio.create_task(_awaited(workflow)) for _ in range(2)]
    await asyncio.sleep(1)
    leaves, stays = tasks if first else reversed(tasks)
    leaves.cancel()
    await asyncio.wait([leaves])

    assert (await stays).assembled_url is not None


async def test_who_awaits_a_workflow_is_not_cancelled_by_whoever_owns_it(
    here: tuple[Emulator, Eversince],
) -> None:
    """A bare `CancelledError` would look like the waiter's own.

    Task groups do not treat that as a failure.
    """
    _, eversince = here
    workflow = eversince.produce("a film")
    runs = workflow.start()
    await asyncio.sleep(1)
    listens = asyncio.create_task(_awaited(workflow))
    await asyncio.sleep(1)
    runs.cancel()
    await asyncio.wait([listens])

    assert isinstance(listens.exception(), UnexpectedCancellation)
    assert (await eversince.resume(workflow.handle)).assembled_url is not None


async def _awaited(workflow: Any) -> Any:
    return await workflow
