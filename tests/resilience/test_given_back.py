"""Requests that never left cost neither the day's quota nor a slot.

This holds for every end of their waits.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import attrs
import pytest

from eversince_async import Eversince, Limits, QuotaExhausted
from eversince_async.emulator import Emulator
from eversince_async.emulator import Limits as EmulatedLimits
from eversince_async.emulator.faults import ErrorAnswer, Reset, Stall
from eversince_async.errors import ClientClosed, EversinceError, JournalError
from eversince_async.journal import MemoryJournal
from eversince_async.session.hooks import ResponseReceived
from helpers.crowd import account, scenario

SOUND = scenario(1, failure=0, render_failure=0, self_render=0)
LIMITS = Limits(projects_per_day=2, renders_per_day=2, active_projects=2)


@pytest.fixture
async def here() -> AsyncIterator[tuple[Emulator, Eversince]]:
    async with account(limits=LIMITS, there=EmulatedLimits(), projects=SOUND) as both:
        yield both


async def ended(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    await asyncio.wait([task])


def begun(awaitable: Awaitable[Any]) -> "asyncio.Task[Any]":
    async def run() -> Any:
        return await awaitable

    return asyncio.create_task(run())


def pause_after_each_answer(eversince: Eversince, seconds: float) -> None:
    def heard(record: object) -> None:
        if isinstance(record, ResponseReceived):
            eversince.governor.pause(seconds)

    eversince._session.observers.subscribers.append(heard)


def nothing_is_taken(eversince: Eversince, *, projects: int = 2, renders: int = 2) -> None:
    quota = eversince.governor.quota
    assert (projects, renders) == (quota.left("projects"), quota.left("renders"))
    assert 0 == eversince.governor.snapshot().slots.occupied


async def test_a_create_cancelled_before_its_departure_took_nothing(here: tuple[Emulator, Eversince]) -> None:
    emulator, eversince = here
    eversince.governor.pause(30)
    tasks = [begun(eversince.produce(f"film {n}")) for n in range(2)]
    await asyncio.sleep(1)
    for task in tasks:
        await ended(task)

    nothing_is_taken(eversince)
    assert 0 == len(emulator.world.log)


async def test_a_render_cancelled_before_its_departure_took_nothing(here: tuple[Emulator, Eversince]) -> None:
    _, eversince = here
    draft = await eversince.produce("a film", render=None, share=False)
    pause_after_each_answer(eversince, 30)
    waiting = begun(eversince.render(draft.project_id))
    await asyncio.sleep(1)
    assert 1 == eversince.governor.quota.left("renders")
    await ended(waiting)

    nothing_is_taken(eversince, projects=1)


async def test_a_message_cancelled_before_its_departure_leaves_no_slot(
    here: tuple[Emulator, Eversince],
) -> None:
    _, eversince = here
    async with eversince.converse("a film") as conversation:
        async for turn in conversation:
            pause_after_each_answer(eversince, 30)
            replying = begun(turn.reply("another"))
            while not eversince.governor.snapshot().slots.occupied:  # polls come before
                await asyncio.sleep(1)
            await ended(replying)
            break

        assert 0 == eversince.governor.snapshot().slots.occupied


@pytest.mark.parametrize("fault", [Stall(), Reset()], ids=str)
async def test_a_create_that_may_have_left_keeps_what_it_took(
    here: tuple[Emulator, Eversince], fault: Any
) -> None:
    emulator, eversince = here
    emulator.faults.once("POST", "/projects", fault, times=9)
    task = begun(eversince.produce("a film"))
    await asyncio.sleep(5)
    await ended(task)

    assert 1 == eversince.governor.quota.left("projects")
    assert 1 == eversince.governor.snapshot().slots.occupied


async def test_a_create_that_was_refused_and_waits_to_be_repeated_took_nothing() -> None:
    """A 429 of the minute is definite.

    Cancelled before the next attempt leaves, nothing is in doubt.
    """
    limits = attrs.evolve(LIMITS, requests_per_minute=100)
    there = EmulatedLimits(requests_per_minute=2)
    async with account(limits=limits, there=there, projects=SOUND) as (emulator, eversince):
        for _ in range(2):
            await eversince.account.credits()
        task = begun(eversince.produce("a film"))
        await asyncio.sleep(5)
        assert 1 == emulator.world.log.statuses()[429]
        await ended(task)

        nothing_is_taken(eversince)


async def test_a_create_in_doubt_keeps_what_it_took_when_the_client_is_closed_before_it_is_repeated(
    here: tuple[Emulator, Eversince],
) -> None:
    emulator, eversince = here
    emulator.faults.once("POST", "/projects", Reset(after_commit=True))
    task = begun(eversince.produce("a film"))
    while not emulator.world.counts["projects"]:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.01)
    await eversince.aclose()

    with pytest.raises(ClientClosed):
        await task
    assert 1 == eversince.governor.quota.left("projects")
    assert 1 == eversince.governor.snapshot().slots.occupied


class Failing(MemoryJournal):
    """A journal that cannot write intents."""

    async def intent(self, *_: Any, **__: Any) -> Any:
        raise JournalError("no space left")


async def test_what_cannot_be_written_down_took_nothing(here: tuple[Emulator, Eversince]) -> None:
    emulator, eversince = here
    async with Failing() as journal:
        with pytest.raises(JournalError):
            await eversince.batch(["a film"], journal=journal)

    nothing_is_taken(eversince)
    assert 0 == emulator.world.counts["projects"]


@pytest.mark.parametrize("refused", [402, 400, 401])
async def test_what_was_refused_took_nothing(here: tuple[Emulator, Eversince], refused: int) -> None:
    emulator, eversince = here
    code = {402: "insufficient_credits", 400: "validation_error", 401: "unauthorized"}[refused]
    emulator.faults.once("POST", "/projects", ErrorAnswer(status=refused, code=code, message="no"))
    with pytest.raises(EversinceError):
        await eversince.produce("a film")

    nothing_is_taken(eversince)


async def test_whoever_waits_for_another_day_gives_it_back_when_cancelled_over_its_slot(
    here: tuple[Emulator, Eversince],
) -> None:
    """Cancelling a wait for a slot gives the granted render back.

    The production was granted a render at the daily reset and then waited for a slot again.
    """
    _, eversince = here
    for _ in range(2):
        await eversince.produce("a film", share=False)
    eversince.governor.quota.seed("renders", [])
    with pytest.raises(QuotaExhausted):
        await eversince.produce("a film", share=False, wait_for_quota=False)
    third = begun(eversince.produce("a film", share=False))
    await asyncio.sleep(23 * 3600)
    leases = [await eversince.governor.slots.acquire(f"other {n}") for n in range(2)]
    await asyncio.sleep(2 * 3600)
    assert not third.done()
    await ended(third)
    for lease in leases:
        lease.release()

    nothing_is_taken(eversince)


async def test_what_has_taken_a_render_already_is_not_sent_once_the_day_is_said_to_be_spent() -> None:
    """Only requests in flight at that moment are refused.

    A production that still waits for the budget learns of the refusal.
    """
    limits, there = Limits(active_projects=None), EmulatedLimits(active_projects=None, renders_per_day=0)
    async with account(limits=limits, there=there, projects=SOUND) as (emulator, eversince):
        drafts = [await eversince.produce(f"film {n}", render=None, share=False) for n in range(6)]
        pause_after_each_answer(eversince, 20)  # all requests wait for the budget, and leave one by one
        renders = [begun(eversince.render(draft.project_id)) for draft in drafts]
        await asyncio.sleep(600)
        for render in renders:
            await ended(render)

        assert len(emulator.world.log.of("POST /projects/:id/render")) <= 2
