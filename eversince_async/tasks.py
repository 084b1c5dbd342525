"""Tasks that come to their ends, also when whoever waits for them is cancelled meanwhile."""

import asyncio
from collections.abc import Awaitable, Collection
from typing import Any, Final, TypeVar

import anyio

T = TypeVar("T")

ENDING: Final = 15.0
"""Seconds within which a task that was cancelled should have ended; else it may have ignored that."""


async def finish(work: Awaitable[T]) -> T:
    """Do something to its end, however often the caller is cancelled; return its result.

    For what is short and must not stay half done, such as giving a lease back. A cancellation is raised
    when it is done; what it failed of is then the cancellation's context.
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

    When the caller is cancelled meanwhile, they are cancelled once more, which shortens what they still do;
    the cancellation is raised when they have ended. What they end with is not raised.
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
    """As `end`, of a task that may be cancelled by others at the same time, as when all tasks are.

    A second cancellation would shorten what it still does on the first. Whether it is on its way to its end
    cannot be seen: a timeout of its own cancels it, too, and takes that back.
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
    """Whether somebody has cancelled the current task.

    A `CancelledError` that comes while nobody has is no cancellation of ours: something that we waited for
    was cancelled.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
