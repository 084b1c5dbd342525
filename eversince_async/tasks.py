"""Tasks that run to their ends even if their waiters are cancelled."""

import asyncio
from collections.abc import Awaitable, Collection
from typing import Any, Final, TypeVar

import anyio

T = TypeVar("T")

ENDING: Final = 15.0
"""Seconds within which a cancelled task should have ended.

After that it may have ignored the cancellation."""


async def finish(work: Awaitable[T]) -> T:
    """Finish some work despite cancellation, and return its result.

    This is for short work that must not stay half done, such as releasing a lease. A cancellation is raised
    when the work is done; an error of the work is then the cancellation's context.
    """
    task = asyncio.ensure_future(work)
    interruption: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):  # anyio cancels again in each round of the loop
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as cancelled:
                interruption = cancelled
    try:
        result = task.result()
    finally:
        if interruption is not None:
            raise interruption
    return result


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks of this loop, and wait until they have ended.

    If the caller is cancelled meanwhile, the tasks are cancelled once more, which shortens their remaining
    work; the cancellation is raised when they have ended. Their own errors are not raised.
    """
    _cancel(tasks)
    interruption: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while running := [task for task in tasks if not task.done()]:
            try:
                await asyncio.wait(running)
            except asyncio.CancelledError as cancelled:
                interruption = cancelled
                _cancel(running)
    if interruption is not None:
        raise interruption


async def end_once(task: asyncio.Task[Any]) -> None:
    """End a task that others may cancel at the same time.

    For example when all tasks are cancelled. A second cancellation would shorten the task's work on the
    first. Whether the task is about to end cannot be seen: a timeout of its own cancels it, too, and takes
    that back. Otherwise this is `end`.
    """
    interruption: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        deadline = asyncio.get_running_loop().time() + ENDING
        while task.cancelling() and asyncio.get_running_loop().time() < deadline and not task.done():
            try:
                await asyncio.wait([task], timeout=0.1)
            except asyncio.CancelledError as cancelled:
                interruption = cancelled
                break
    await end(task)
    if interruption is not None:
        raise interruption


def _cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()


def is_cancelled() -> bool:
    """Return True if the current task has been cancelled.

    A `CancelledError` while it has not is no cancellation of ours: something that we waited for was
    cancelled.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
