"""The event loop of a governor, and one timer for each wait."""

import asyncio
import math
import os
import time
import weakref
from _thread import get_ident
from collections.abc import Callable
from datetime import UTC, datetime

from eversince_async.clock import moment, wall_seconds
from eversince_async.errors import ConfigurationError

_clocks: "weakref.WeakSet[LoopClock]" = weakref.WeakSet()


def _forget_threads() -> None:
    for clock in _clocks:
        clock.thread = None


if hasattr(os, "register_at_fork"):  # a child has its parent's thread ids, but not their loops
    os.register_at_fork(after_in_child=_forget_threads)


class LoopClock:
    """The clock of the governor's loop.

    It moves to another loop once the first has stopped.

    Attributes:
        time: Returns clock seconds; minus infinity while there has been no loop yet.
        thread: The thread of our loop; None while that is not known. Any other thread runs another loop.
    """

    def __init__(self) -> None:
        self.time: Callable[[], float] = self._first_time
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._movers: list[Callable[[float], None]] = []
        self.thread: int | None = None
        _clocks.add(self)

    def on_loop_change(self, mover: Callable[[float], None]) -> None:
        """Call `mover(seconds)` when the clock of another loop takes over.

        `seconds` is by how much that clock is ahead.
        """
        self._movers.append(mover)

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the running loop, and make it ours if it is not.

        Raises:
            ConfigurationError: Our loop is another one and still running.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._switch_loop(loop)
        self.thread = get_ident()
        return loop

    def is_here(self) -> bool:
        """Return True if the running loop is, or can become, ours.

        The outcome of a request is reported in the loop that sent the request. If another loop has taken over
        meanwhile, the request was counted then, and nothing is left to report; above all the response must
        not get lost.
        """
        try:
            self.loop()
        except ConfigurationError:
            return False
        return True

    def to_datetime(self, when: float) -> datetime:
        """Return an instant of this clock as a datetime in UTC."""
        ahead = 0.0 if self._loop is None else when - self.time()
        return datetime.fromtimestamp(wall_seconds() + ahead, UTC)

    def _first_time(self) -> float:
        try:
            return self.loop().time()
        except RuntimeError:
            return -math.inf

    def _switch_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        before = self._loop
        if before is not None and before.is_running():  # true in a child, too, of its parent's loop
            if self._process != os.getpid():
                raise ConfigurationError(
                    "this governor was in use before the process forked, and what it holds is the parent's; "
                    "make one client in each process, after the fork"
                )
            raise ConfigurationError(
                "this governor is in use by another running event loop; make one for each loop"
            )
        self._loop, self.time, self._process = loop, lambda: loop.time(), os.getpid()
        shift = 0.0 if before is None else loop.time() - before.time()
        for mover in self._movers:
            mover(shift)


class DayClock:
    """The clock of daily limits, in Unix seconds.

    It begins with the wall clock's time and is never set from then on. It continues while a computer sleeps,
    and when another loop takes over.
    """

    def __init__(self) -> None:
        self._boot: str | None = None
        self._ahead = 0.0
        self._latest = 0.0
        self._latest_at = 0.0  # by the process's own clock

    def now(self) -> float:
        """Return the seconds since 1970."""
        here = moment()
        if here.boot != self._boot:
            is_first_reading = self._boot is None
            since = time.monotonic() - self._latest_at
            self._ahead = (wall_seconds() if is_first_reading else self._latest + since) - here.seconds
            self._boot = here.boot
        self._latest, self._latest_at = here.seconds + self._ahead, time.monotonic()
        return self._latest

    def of(self, at: datetime) -> float:
        """Return the instant that the wall clock shows as `at`.

        An instant in the future counts as now.
        """
        return self.now() - max(0.0, wall_seconds() - at.timestamp())

    def to_datetime(self, when: float) -> datetime:
        """Return an instant of this clock as a datetime in UTC."""
        return datetime.fromtimestamp(wall_seconds() + when - self.now(), UTC)


class Timer:
    """One timer; the time that was set last counts.

    Args:
        clock: The clock on whose loop the timer runs.
        ring: Called once when the time has come.
    """

    def __init__(self, clock: LoopClock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None
        clock.on_loop_change(self._drop)

    def set(self, when: float | None) -> None:
        """Ring at `when`, in clock seconds; None cancels the timer."""
        if self._timer is not None:
            if self._timer.when() == when:
                return
            self._timer.cancel()
            self._timer = None
        if when is not None:
            self._timer = self._clock.loop().call_at(when, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._ring()

    def _drop(self, _shift: float) -> None:
        self._timer = None  # the handle belongs to a loop that has stopped
