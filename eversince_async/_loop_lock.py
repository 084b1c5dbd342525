"""A lock that outlives its event loop."""

import asyncio


class LoopLock:
    """A source of locks, one for each running loop.

    An `asyncio.Lock` belongs to the loop that used it first.
    """

    def __init__(self) -> None:
        self._lock: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    def get(self) -> asyncio.Lock:
        """Return the lock of the running loop.

        It is the same as long as that loop runs.
        """
        loop = asyncio.get_running_loop()
        if self._lock is None or self._lock[0] is not loop:
            self._lock = loop, asyncio.Lock()
        return self._lock[1]
