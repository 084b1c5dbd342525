"""Measurement of how long callbacks hold an event loop, in real time.

The measured time is the wall time less the time for which the thread was ready to run while the machine ran
other threads: that delay is the machine's, not the callback's. CPU time alone would be as fair, but would
miss a callback that blocks, for example in `time.sleep` or on a disk, and nothing else runs meanwhile either.
Only Linux reports how long a thread has waited for a core (`/proc/…/schedstat`); on other systems a busy
machine makes holds longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import attrs

NOTED_SECONDS: Final = 0.001
"""Real seconds up to which a stretch is ignored."""


@attrs.frozen
class Hold:
    """A stretch of real time in which one callback held the loop.

    Attributes:
        seconds: Length of the stretch, without the time in which the machine ran other threads.
        callback: The callback: a task and its coroutine, or a function.
    """

    seconds: float
    callback: str


class Holds:
    """Measures the longest hold.

    Attributes:
        longest: The longest hold so far; None if none took a millisecond.
    """

    def __init__(self) -> None:
        self.longest: Hold | None = None
        self._handle: asyncio.Handle | None = None
        self._since = 0.0
        self._queued = 0.0  # seconds for which this thread waited for a core, up to about `_since`
        self._schedstat: int | None = None

    @contextlib.contextmanager
    def measure(self) -> Iterator[None]:
        """Measure holds on the current thread while the context is open."""
        with contextlib.suppress(OSError):
            self._schedstat = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        self._since, self._queued = time.perf_counter(), self._seconds_queued()
        try:
            yield
        finally:
            self.switch(None)
            if self._schedstat is not None:
                os.close(self._schedstat)
                self._schedstat = None

    def switch(self, handle: asyncio.Handle | None) -> None:
        """Record that a callback ends, and that another or a wait begins."""
        now = time.perf_counter()
        wall, previous = now - self._since, self._handle
        if wall > NOTED_SECONDS:
            queued = self._seconds_queued()
            if previous is not None:
                self._note(wall - (queued - self._queued), previous)
            self._queued = queued
            now = time.perf_counter()
        self._handle, self._since = handle, now

    def _note(self, seconds: float, handle: asyncio.Handle) -> None:
        if seconds > NOTED_SECONDS and (self.longest is None or seconds > self.longest.seconds):
            self.longest = Hold(seconds, _describe(handle))

    def _seconds_queued(self) -> float:
        if self._schedstat is None:
            return 0.0
        return int(os.pread(self._schedstat, 64, 0).split()[1]) / 1e9


class MeasuredQueue(deque[asyncio.Handle]):
    """The callbacks of a loop; taking one records its start.

    Args:
        holds: The measurement in which the start is recorded.
    """

    def __init__(self, holds: Holds) -> None:
        super().__init__()
        self._switch = holds.switch

    def popleft(self) -> asyncio.Handle:
        """Take the next callback, which the loop runs at once."""
        handle = super().popleft()
        self._switch(handle)
        return handle


def _describe(handle: Any) -> str:
    """Describe the function that a handle calls.

    Arguments and results are left out because they may be secret.
    """
    callback = handle._callback  # noqa: SLF001 - asyncio's repr shows it only with its arguments
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        return f"{task.get_name()}: {getattr(task.get_coro(), '__qualname__', 'a coroutine')}"
    return getattr(callback, "__qualname__", type(callback).__qualname__)
