"""Several lines of steps at a time, all of them to their ends."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from eversince_async.pipelines.leaving import Leaving
from eversince_async.tasks import end

T = TypeVar("T")


async def gathered(*lines: Awaitable[T]) -> tuple[T, ...]:
    """Wait for all; then give all results, or raise the first error in the order in which they are given.

    One that fails does not end the others: what they have begun is paid for. Cancelled, it cancels all, and
    waits until they have ended.
    """
    tasks = [asyncio.ensure_future(_awaited(line)) for line in lines]
    try:
        if tasks:
            await asyncio.wait(tasks)
    finally:
        await end(*tasks)
    ends: list[BaseException | None] = [None if task.cancelled() else task.exception() for task in tasks]
    for left in ends:
        if isinstance(left, Leaving):
            raise left
    return tuple([task.result() for task in tasks])


async def _awaited(line: Awaitable[T]) -> T:
    return await line
