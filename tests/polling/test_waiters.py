"""Several waiters of one workflow: none loses by another's end."""

import asyncio
from typing import Any

import pytest

from eversince_async import (
    ClientClosed,
    ConfigurationError,
    Eversince,
    Limits,
    UnexpectedCancellation,
    Workflow,
)
from eversince_async.emulator import Emulator, Scenario
from eversince_async.testing import run

WALK = Scenario(walk={"queued": 12, "running": 60}, rendering=90)


@pytest.fixture
async def emulator() -> Any:
    async with Emulator(scenario=WALK) as emulator:
        yield emulator


def statuses(emulator: Emulator) -> list[str]:
    return [project.status for project in emulator.world.projects.values() if not project.studio]


def awaited(workflow: Workflow[Any]) -> asyncio.Task[Any]:
    async def wait() -> Any:
        return await workflow

    return asyncio.create_task(wait())


@pytest.mark.parametrize("seconds", [0.001, 1, 40, 100])
@pytest.mark.parametrize("gone", [{0}, {1}, {0, 1}, {0, 2}])
async def test_the_others_get_their_result(
    emulator: Emulator, eversince: Eversince, gone: set[int], seconds: float
) -> None:
    workflow = eversince.produce("A film", on_cancel="cancel")
    tasks = [awaited(workflow) for _ in range(3)]
    await asyncio.sleep(seconds)
    for number in gone:
        tasks[number].cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)

    assert gone == {number for number, end in enumerate(ends) if isinstance(end, asyncio.CancelledError)}
    assert 1 == len({end.share_url for number, end in enumerate(ends) if number not in gone})
    assert 1 == len(statuses(emulator))


async def test_the_last_that_is_cancelled_ends_it_before_its_await_returns(
    emulator: Emulator, eversince: Eversince
) -> None:
    workflow = eversince.produce("A film", on_cancel="cancel")
    tasks = [awaited(workflow) for _ in range(3)]
    await asyncio.sleep(30)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)

    assert ["cancelled"] == statuses(emulator)
    assert 0 == len(eversince._runtime.registry)


async def test_a_timeout_ends_one_wait_only(emulator: Emulator, eversince: Eversince) -> None:
    workflow = eversince.produce("A film")
    other = asyncio.gather(awaited(workflow))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10):
            await workflow

    assert (await other)[0].share_url is not None


async def test_whoever_comes_while_it_ends_is_told_that_it_was_cancelled(
    emulator: Emulator, eversince: Eversince
) -> None:
    workflow = eversince.produce("A film", on_cancel="cancel")
    first = awaited(workflow)
    await asyncio.sleep(30)
    first.cancel()
    await asyncio.sleep(0)
    second = awaited(workflow)
    await asyncio.wait([first, second])

    assert first.cancelled()
    assert isinstance(second.exception(), UnexpectedCancellation)


async def test_when_all_tasks_are_cancelled_its_last_words_are_said(
    emulator: Emulator, eversince: Eversince
) -> None:
    """The workflow's own task is cancelled with its waiters.

    The waiters do not cancel it once more.
    """
    workflow = eversince.produce("A film", on_cancel="cancel")
    tasks = [awaited(workflow) for _ in range(2)]
    await asyncio.sleep(30)
    assert workflow._task is not None
    for each in (workflow._task, *tasks):
        each.cancel()
    await asyncio.wait(tasks)

    assert ["cancelled"] == statuses(emulator)


async def test_each_is_told_of_a_closed_client_by_an_error_of_his_own_with_the_handle(
    emulator: Emulator,
) -> None:
    async with Eversince(**emulator.connection) as eversince:
        workflow = eversince.produce("A film")
        tasks = [awaited(workflow) for _ in range(3)]
        await asyncio.sleep(30)
        left = await eversince.aclose()
    ends = await asyncio.gather(*tasks, return_exceptions=True)

    assert 3 == len({id(end) for end in ends})
    assert [workflow.handle.to_json()] * 3 == [end.handle for end in ends if isinstance(end, ClientClosed)]
    assert (workflow.handle,) == left


# -- Before its turn has come -----------------------------------------------------------------------------

ONE = Limits(active_projects=1)


async def test_one_who_waits_for_the_turn_leaves_it_to_the_other_and_its_place_in_line(
    emulator: Emulator,
) -> None:
    async with Eversince(**emulator.connection, limits=ONE) as eversince:
        before = eversince.start("Before")
        workflow = eversince.produce("A film")
        await asyncio.sleep(1)
        first, second = awaited(workflow), awaited(workflow)
        await asyncio.sleep(1)
        after = eversince.start("After")
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.gather(second, awaited(before), awaited(after))

        assert ["Before", "A film", "After"] == [
            each.brief for each in emulator.world.projects.values() if not each.studio
        ]
        assert 0 == eversince.governor.snapshot().slots.occupied


@pytest.mark.parametrize("gone", [{0}, {1}, {0, 1}])
@pytest.mark.parametrize("rounds", range(6))
async def test_around_the_instant_of_the_turn_no_slot_is_lost(
    emulator: Emulator, gone: set[int], rounds: int
) -> None:
    async with Eversince(**emulator.connection, limits=ONE) as eversince:
        held = await eversince.governor.slots.acquire("another")
        workflow = eversince.produce("A film", on_cancel="cancel")
        tasks = [awaited(workflow) for _ in range(2)]
        await asyncio.sleep(1)
        held.release()
        for _ in range(rounds):
            await asyncio.sleep(0)
        for number in gone:
            tasks[number].cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)

        assert gone == {n for n, end in enumerate(ends) if isinstance(end, asyncio.CancelledError)}
        assert not [lease for lease in eversince.governor.snapshot().slots.leases if lease.held]
        assert 0 == len(eversince._runtime.registry)


async def test_a_task_that_is_cancelled_before_it_could_begin_keeps_no_slot(emulator: Emulator) -> None:
    async with Eversince(**emulator.connection, limits=ONE) as eversince:
        held = await eversince.governor.slots.acquire("another")
        workflow = eversince.produce("A film")
        task = awaited(workflow)
        await asyncio.sleep(1)
        held.release()
        while workflow._task is None:
            await asyncio.sleep(0)
        workflow._task.cancel()
        with pytest.raises(UnexpectedCancellation):
            await task

        assert 0 == eversince.governor.snapshot().slots.occupied
        assert 0 == len(eversince._runtime.registry)


@pytest.mark.parametrize("rounds", range(8))
async def test_closing_around_the_instant_of_the_turn_ends_all_and_begins_nothing(
    emulator: Emulator, rounds: int
) -> None:
    eversince = Eversince(**emulator.connection, limits=ONE)
    held = await eversince.governor.slots.acquire("another")
    workflow = eversince.produce("A film")
    tasks = [awaited(workflow) for _ in range(2)]
    await asyncio.sleep(1)
    held.release()
    for _ in range(rounds):
        await asyncio.sleep(0)
    left = await eversince.aclose()
    ends = await asyncio.gather(*tasks, return_exceptions=True)

    assert [ClientClosed, ClientClosed] == [type(end) for end in ends]
    assert (workflow.handle,) == left
    assert eversince._transport._owned._session is None


@pytest.mark.parametrize("rounds", range(8))
async def test_draining_around_the_instant_of_the_turn_waits_for_it(emulator: Emulator, rounds: int) -> None:
    eversince = Eversince(**emulator.connection, limits=ONE)
    held = await eversince.governor.slots.acquire("another")
    workflow = eversince.produce("A film")
    tasks = [awaited(workflow) for _ in range(2)]
    await asyncio.sleep(1)
    held.release()
    for _ in range(rounds):
        await asyncio.sleep(0)
    left = await eversince.aclose(productions="drain")

    assert () == left
    assert (await tasks[0]).share_url == (await tasks[1]).share_url


@pytest.mark.parametrize("how", ["leave", "drain"])
async def test_what_was_awaited_a_moment_ago_is_closed_with_its_client(emulator: Emulator, how: Any) -> None:
    eversince = Eversince(**emulator.connection)
    task = awaited(eversince.produce("A film"))
    left = await eversince.aclose(productions=how)
    await asyncio.wait([task])

    assert (1, 0) == (len(left), len(statuses(emulator))) if how == "leave" else ((), 1) == (left, 1)
    assert isinstance(task.exception(), ClientClosed) == (how == "leave")


# -- In another event loop --------------------------------------------------------------------------------


async def test_one_that_is_awaited_is_not_started_again(eversince: Eversince) -> None:
    workflow = eversince.produce("A film")
    task = awaited(workflow)
    await asyncio.sleep(1)
    with pytest.raises(ConfigurationError, match="started already"):
        workflow.start()
    await task


async def test_a_swallowed_cancellation_of_its_task_does_not_keep_the_last_who_is_cancelled() -> None:
    async def stubborn(_: Workflow[None]) -> None:
        try:
            await asyncio.sleep(1e6)
        except asyncio.CancelledError:
            await asyncio.sleep(1e6)

    workflow = Workflow[None]("stubborn", stubborn)
    task = awaited(workflow)
    await asyncio.sleep(1)
    assert workflow._task is not None
    workflow._task.cancel()
    await asyncio.sleep(1)
    task.cancel()
    async with asyncio.timeout(60):
        await asyncio.wait([task])

    assert task.cancelled()


async def test_what_the_ending_failed_of_is_the_cancellations_context() -> None:
    async def failing(_: Workflow[None]) -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            raise ZeroDivisionError

    async def timed_out() -> None:
        async with asyncio.timeout(1):
            await Workflow[None]("failing", failing)

    with pytest.raises(TimeoutError) as caught:
        await timed_out()
    assert caught.value.__cause__ is not None
    assert isinstance(caught.value.__cause__.__context__, ZeroDivisionError)


def test_one_that_a_loop_left_unfinished_says_so_on_the_next() -> None:
    async def endless(_: Workflow[None]) -> None:
        await asyncio.sleep(1e6)

    workflow = Workflow[None]("endless", endless)
    loop = asyncio.new_event_loop()
    task = loop.create_task(_wait(workflow))
    loop.run_until_complete(asyncio.sleep(0.01))
    running = workflow._task

    async def elsewhere() -> None:
        with pytest.raises(ConfigurationError, match="another event loop"):
            await workflow

    run(elsewhere())
    assert running is not None
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    loop.close()


async def _wait(workflow: Workflow[Any]) -> Any:
    return await workflow
