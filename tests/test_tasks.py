"""Tasks come to their ends, whoever is cancelled meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from eversince_async.tasks import end, finish, is_cancelled


async def test_what_is_finished_gives_its_result() -> None:
    async def work() -> int:
        await asyncio.sleep(1)
        return 7

    assert 7 == await finish(work())


async def test_what_is_finished_raises_its_error() -> None:
    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await finish(work())


@pytest.mark.parametrize("times", [1, 2, 5])
async def test_it_is_finished_however_often_the_caller_is_cancelled(times: int) -> None:
    done = []

    async def work() -> None:
        await asyncio.sleep(10)
        done.append(True)

    caller = asyncio.ensure_future(finish(work()))
    for _ in range(times):
        await asyncio.sleep(1)
        caller.cancel()
    await asyncio.wait([caller])

    assert [True] == done
    assert caller.cancelled()


async def test_a_cancellation_comes_before_an_error_of_what_was_finished() -> None:
    async def work() -> None:
        await asyncio.sleep(10)
        raise ZeroDivisionError

    caller = asyncio.ensure_future(finish(work()))
    await asyncio.sleep(1)
    caller.cancel()
    await asyncio.wait([caller])

    assert caller.cancelled()


async def test_tasks_are_ended() -> None:
    tasks = [asyncio.create_task(asyncio.sleep(100)) for _ in range(3)]
    await asyncio.sleep(0)
    await end(*tasks)

    assert all(task.cancelled() for task in tasks)


async def test_none_is_fine() -> None:
    await end()


async def test_the_error_that_a_task_ends_with_is_not_raised() -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            raise ZeroDivisionError

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await end(task)

    assert isinstance(task.exception(), ZeroDivisionError)


async def test_whoever_is_cancelled_meanwhile_cancels_them_again_and_waits_for_them() -> None:
    """A task that still does something is hurried, and not left behind."""
    loop = asyncio.get_running_loop()

    async def work() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(1000)  # until it is cancelled once more

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    caller = asyncio.ensure_future(end(task))
    await asyncio.sleep(5)
    caller.cancel()
    await asyncio.wait([caller])

    assert caller.cancelled()
    assert task.cancelled()
    assert loop.time() < 10


async def test_a_cancellation_of_ones_own_is_told_from_another() -> None:
    seen = []

    async def work(sleeping: asyncio.Task[None]) -> None:
        try:
            await sleeping
        except asyncio.CancelledError:
            seen.append(is_cancelled())

    for cancel_who in ("the sleep", "the work"):
        sleeping = asyncio.create_task(asyncio.sleep(100))
        working = asyncio.create_task(work(sleeping))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        (sleeping if cancel_who == "the sleep" else working).cancel()
        await asyncio.wait([working])

    assert [False, True] == seen
