"""Asynchronous iterators that continue after a step that was cancelled.

An async generator is over once it is cancelled, so a timeout around a single step would end the iteration.
These iterators keep their items and their position, and the next step continues from there.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


class Stream(AsyncIterator[T]):
    """Items that one task passes to others as they come.

    Several tasks may share one stream; then each item goes to one of them. Cancelling a step loses no item.
    """

    __slots__ = ("_changed", "_has_ended", "_items")

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._changed = asyncio.Event()
        self._has_ended = False

    def __len__(self) -> int:
        """Return the number of items that wait to be taken."""
        return len(self._items)

    async def __anext__(self) -> T:
        while not self._items:
            if self._has_ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._items.popleft()

    def put(self, item: T) -> None:
        """Add an item."""
        self._items.append(item)
        self._changed.set()

    def end(self) -> None:
        """End the iteration after the items that have come."""
        self._has_ended = True
        self._changed.set()


class Pages(AsyncIterator[T]):
    """Items that are requested page by page.

    A step that is cancelled requests its page again; no item is skipped, and none comes twice.

    Args:
        ask: Returns the items of the next page, which may be none; None when there are no more pages. It must
            update its position only once it has the page, so that it can be cancelled and called again.
    """

    def __init__(self, ask: Callable[[], Awaitable[Iterable[T] | None]]) -> None:
        self._ask = ask
        self._items: deque[T] = deque()
        self._asking = asyncio.Lock()
        self._has_ended = False

    async def __anext__(self) -> T:
        while not self._items:
            async with self._asking:  # tasks that share this iterator request a page together
                if not self._items and not await self._has_more():
                    raise StopAsyncIteration
        return self._items.popleft()

    async def _has_more(self) -> bool:
        page = None if self._has_ended else await self._ask()
        self._has_ended = page is None
        self._items.extend(page or ())
        return page is not None

    async def aclose(self) -> None:
        """End the iteration: no further page is requested."""
        self._items.clear()
        self._has_ended = True
