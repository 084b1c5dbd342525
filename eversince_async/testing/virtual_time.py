"""An event loop with virtual time: hours of waiting take milliseconds.

Everything that waits on asyncio asks the running loop for the time and for a wake-up: this package, anyio,
aiohttp, `asyncio.timeout`. A loop that jumps to its next timer as soon as nothing is left to do therefore
speeds up all of them alike, over real sockets, and none of them needs a clock as a parameter.

Everything that may happen before the next timer must happen before the jump. When the loop has nothing to
run, three things can still be on their way:

- Bytes on a socket. The kernel reports if they have arrived, and a peer that is not on this loop gets a
  moment of real time to respond (`_traffic`).
- A thread. While a thread works for this loop (`loop.run_in_executor`, `asyncio.to_thread`, name lookups,
  `anyio.to_thread`), time stands still. A timer still goes off once it is due by the real clock, so that a
  timeout around a thread that hangs, or a thread that itself waits for a timer of this loop, behaves as it
  does on a normal loop.
- Another process. A child process started through the loop counts as a working thread until it ends.

The loop cannot see anything else (a thread of your own that computes, a server in another process that takes
longer than a second): use `with loop.paused():` while you wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import selectors
import sys
import threading
import time
import weakref
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

from eversince_async import clock
from eversince_async.pace import Pace
from eversince_async.testing._stalls import Hold, Holds, MeasuredQueue
from eversince_async.testing._traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")

RESOLUTION: Final = 1e-9  # seconds


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop whose time passes at its own pace.

    Its time starts at 0. Sockets, threads, signals and child processes are the real ones.

        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(main())  # asyncio.sleep(3600) takes no time at all

    Args:
        speed: Virtual seconds per real second, any number above zero: at 60, a minute takes a second. None
            jumps from timer to timer without waiting.
        start: Wall time at which the loop starts. Defaults to the real one.

    Raises:
        ValueError: The speed is not a finite number above zero, or `start` has no time zone.
    """

    def __new__(cls, *, speed: float | None = None, start: datetime | None = None) -> Self:
        """Refuse invalid arguments before a loop exists that would need closing."""
        if speed is not None and not 0 < speed < math.inf:
            raise ValueError(f"speed must be a finite number above zero, not {speed!r}")
        if start is not None and start.tzinfo is None:
            raise ValueError("start must be an aware datetime")
        return super().__new__(cls)

    def __init__(self, *, speed: float | None = None, start: datetime | None = None) -> None:
        self._pace: _TimeSource = _JumpingTime(self) if speed is None else _ScaledTime(speed)
        self._started_at = time.time() if start is None else start.timestamp()
        self._slept = 0.0
        self._holds = 0
        self._at_work: set[Future[Any]] = set()
        self._children: weakref.WeakSet[asyncio.SubprocessTransport] = weakref.WeakSet()
        selector = _PacedSelector(self._pace)
        self.traffic = selector.traffic
        super().__init__(selector)
        self.traffic.transports = self._transports  # type: ignore[attr-defined]  # asyncio has no public access to them
        self._held = selector.holds
        self._ready = MeasuredQueue(self._held)  # nor does asyncio report the start of a callback
        # Timers closer than this go off together. By default asyncio takes the system clock's own
        # resolution: 16 ms on Windows.
        self._clock_resolution = RESOLUTION
        self._threads = ThreadPoolExecutor(thread_name_prefix="asyncio")
        self.set_default_executor(self._threads)

    def time(self) -> float:
        """Return the virtual seconds since this loop was created."""
        return self._pace.time()

    def wall_time(self) -> float:
        """Return the loop's wall time: its start plus the virtual time since.

        The time is in Unix seconds.
        """
        return self._started_at + self.time()

    @property
    def pace(self) -> Pace | None:
        """The pace of the loop's time; None if time jumps."""
        if not isinstance(self._pace, _ScaledTime):
            return None
        return self._pace.to_pace(self._started_at)

    @property
    def boot_id(self) -> str:
        """The identity of the origin from which `boot_time` counts.

        No other loop has the same one; see `eversince_async.clock`.
        """
        return self._pace.boot_id

    def boot_time(self) -> float:
        """Return the virtual seconds since creation, including those of sleep."""
        return self.time() + self._slept

    def suspend(self, seconds: float) -> None:
        """Simulate a sleeping machine, such as a laptop with its lid shut.

        Wall clocks go on; timers do not notice.
        """
        self._started_at += seconds
        self._slept += seconds

    @property
    def longest_hold(self) -> Hold | None:
        """The longest real time for which one callback blocked all others.

        Virtual time does not pass meanwhile, so nothing else shows it: on a real clock, a server cannot
        respond to any request for so long. The stretch is measured in wall time without the time in which the
        machine ran other threads instead of this one (on Linux; on other systems a busy machine adds to it).
        """
        return self._held.longest

    def run_forever(self) -> None:
        """Run until `stop()` is called."""
        with self._held.measure():
            super().run_forever()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Prevent time jumps while the context is open.

        Use it while something that the loop cannot see is about to respond. Time does not stop for good: a
        timer goes off once it is due by the real clock. At a finite `speed`, where time never jumps, this
        changes nothing.
        """
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def has_pending_work(self) -> bool:
        """Return True if threads or child processes work for this loop.

        An open `paused()` counts, too.
        """
        return (
            self._holds > 0
            or bool(self._at_work)
            or any(child.get_returncode() is None for child in self._children)
            or self._has_busy_anyio_thread()
        )

    def next_timer(self) -> float:
        """Return the loop time of the next timer, which must exist."""
        # asyncio has no public access to its timers. The first of the heap is never a cancelled one while
        # the selector waits: the loop drops cancelled timers before.
        return self._scheduled[0].when()  # type: ignore[attr-defined, no-any-return]

    # Through the following methods work leaves asyncio's loop. typeshed declares them less generally
    # than asyncio accepts them, hence the ignored types.

    def set_default_executor(self, executor: ThreadPoolExecutor) -> None:  # type: ignore[override]
        """Use these threads if the caller names no executor."""
        self._threads = executor
        super().set_default_executor(executor)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Call a function in an executor without a jump until it returns.

        That includes a function whose result is no longer wanted: cancelling the future does not stop it.
        """
        work = (executor or self._threads).submit(func, *args)
        outcome = asyncio.wrap_future(work, loop=self)
        self._at_work.add(work)
        # Two steps, so that the work is not discarded before its result has arrived here.
        outcome.add_done_callback(lambda _: work.add_done_callback(self._at_work.discard))
        return outcome

    async def shutdown_default_executor(self, *timeout: float | None) -> None:
        """Wait in real time for the default executor's threads to end."""
        with self.paused():
            await super().shutdown_default_executor(*timeout)

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> Any:
        """Start a program; time does not jump while it runs."""
        return await self._start(super().subprocess_exec(*args, **kwargs))

    async def subprocess_shell(self, *args: Any, **kwargs: Any) -> Any:
        """Start a shell command; time does not jump while it runs."""
        return await self._start(super().subprocess_shell(*args, **kwargs))

    async def _start(self, starting: Coroutine[Any, Any, tuple[asyncio.SubprocessTransport, Any]]) -> Any:
        with self.paused():
            transport, protocol = await starting
        self._children.add(transport)
        return transport, protocol

    def _has_busy_anyio_thread(self) -> bool:
        # anyio starts its worker threads itself, each with a queue of its own. A thread first reports its
        # result to the loop, which wakes it, and then to the queue. (The list of idle threads says less: in
        # older versions a thread whose call was cancelled before it started is never put back there.)
        for thread in threading.enumerate():
            if getattr(thread, "loop", None) is self:
                queue = getattr(thread, "queue", None)
                if getattr(queue, "unfinished_tasks", 0) and not getattr(thread, "stopping", False):
                    return True
        return False


def run(main: Coroutine[Any, Any, T], *, speed: float | None = None, start: datetime | None = None) -> T:
    """Run a coroutine in virtual time, as `asyncio.run` does in real time.

    Args:
        main: The coroutine to run.
        speed: Virtual seconds per real second; None jumps from timer to timer.
        start: Wall time at which to begin. Defaults to the real one.

    Raises:
        ValueError: The arguments are invalid for `VirtualTimeLoop`. Errors of `main` are raised unchanged.
    """
    with asyncio.Runner(loop_factory=functools.partial(VirtualTimeLoop, speed=speed, start=start)) as runner:
        return runner.run(main)


# A loop waits in its selector, so that is where time passes.

_Events = list[tuple[selectors.SelectorKey, int]]


class _TimeSource(Protocol):
    """The rule by which time passes between two timers.

    Attributes:
        boot_id: Identity of the origin from which the time counts.
    """

    boot_id: str

    def time(self) -> float:
        """Return the loop's time."""
        ...

    def wait(self, poll: Callable[[float | None], _Events], timeout: float) -> _Events:
        """Wait for sockets for at most `timeout` virtual seconds."""
        ...


class _PacedSelector(selectors.DefaultSelector):
    """The platform's selector, which leaves every limited wait to a time source."""

    def __init__(self, pace: _TimeSource) -> None:
        super().__init__()
        self.traffic = Traffic(self.get_map())
        self.holds = Holds()
        self._pace = pace

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Start to wait for a socket."""
        key = super().register(fileobj, events, data)
        self.traffic.remember(key.fd)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Stop waiting for a socket."""
        key = super().unregister(fileobj)
        self.traffic.forget(key.fd)
        return key

    def select(self, timeout: float | None = None) -> _Events:
        """Return the ready sockets; without timers, block until there are some."""
        self.holds.switch(None)
        poll = super().select
        return poll(timeout) if timeout is None or timeout <= 0 else self._pace.wait(poll, timeout)


class _ScaledTime:
    """Real time, multiplied by a speed."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._origin = time.monotonic()
        self.boot_id = clock.boot_id_at_pace(speed, self._origin)

    def to_pace(self, epoch: float) -> Pace:
        return Pace(self._speed, epoch, self.boot_id, self._origin)

    def time(self) -> float:
        return (time.monotonic() - self._origin) * self._speed

    def wait(self, poll: Callable[[float | None], _Events], timeout: float) -> _Events:
        return poll(timeout / self._speed)


class _JumpingTime:
    """Time that stands still during work, then jumps to the next timer."""

    # Real seconds of a last poll of the sockets if the kernel does not report bytes under way (see
    # `_traffic`): such systems deliver bytes in a thread of their own, which needs a moment.
    GRACE: Final = 0.0 if sys.platform == "linux" else 0.0005
    # Real seconds to wait for others before checking again if they still work. Their results wake the
    # loop anyway; a thread with an unwanted result ends silently, and so does the acknowledgement of
    # bytes.
    SHORTEST: Final = 0.001
    PATIENCE: Final = 0.02

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = weakref.proxy(loop)  # the loop owns this object
        self.boot_id = clock.private()
        self._now = 0.0
        self._waited = 0.0  # real seconds spent waiting for others since the last jump

    def time(self) -> float:
        return self._now

    def wait(self, poll: Callable[[float | None], _Events], timeout: float) -> _Events:
        events = poll(0) or self._wait_for_others(poll, timeout)
        return events or poll(self.GRACE) or self._jump()

    def _wait_for_others(self, poll: Callable[[float | None], _Events], timeout: float) -> _Events:
        """Wait while threads, processes or peers work for the loop.

        The wait ends at the latest when the next timer is due by real time.
        """
        loop, patience, began = self._loop, self.SHORTEST, time.monotonic()
        while timeout > self._waited:
            has_workers = loop.has_pending_work()
            if not (has_workers or loop.traffic.is_moving()):
                if patience > self.SHORTEST:
                    loop.traffic.nothing_came()
                break
            poll_start = time.monotonic()
            events = poll(min(patience, timeout - self._waited))
            now = time.monotonic()
            self._waited += now - poll_start
            if events:
                if not has_workers:
                    loop.traffic.came_after(now - began)
                return events
            patience = min(2 * patience, self.PATIENCE)
        return []

    def _jump(self) -> _Events:
        # Adding the timeout could miss the timer by a rounding error, and a loop waits for a day at most.
        due = self._loop.next_timer()
        # A timer goes off before now + RESOLUTION. After half a year that sum is no longer greater than
        # now: floats are too coarse there, and the next float is the nearest possible time.
        self._now = due if due + RESOLUTION > due else math.nextafter(due, math.inf)
        self._waited = 0.0
        return []
