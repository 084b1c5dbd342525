"""An event loop that lives in its own time, so that hours of waiting pass in milliseconds.

Everything that waits on asyncio asks the running loop what time it is and when to wake up: our own
code, anyio, aiohttp, `asyncio.timeout`. So one loop that jumps to its next timer as soon as nothing is
left to do speeds all of them up alike, over real sockets, and none of them takes a clock as a parameter.

What may happen before the next timer must happen before the jump. Three things can still be on
their way when the loop has nothing to run:

- Bytes on a socket. The kernel tells whether they have arrived, and a peer that is not on this loop gets
  a moment of real time to answer (`_traffic`).
- A thread. While one works for this loop (`loop.run_in_executor`, `asyncio.to_thread`, name lookups,
  `anyio.to_thread`), time stands still. A timer goes off all the same once it is due by the real
  clock, so that a timeout around a thread that hangs, or a thread that itself waits for a timer of
  this loop, behaves as it does elsewhere.
- Another process. Child processes started through the loop count as a thread at work, until they end.

Nobody can see the rest (a thread of your own that computes, a server in another process that takes longer
than a second): say `with loop.paused():` while you wait for it.
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
        speed: Virtual seconds per real second, any number above zero: at 60, a minute takes a second.
            None jumps from timer to timer without waiting.
        start: Wall time at which the loop's life begins. Defaults to the real one.

    Raises:
        ValueError: The speed is not a finite number above zero, or `start` has no time zone.
    """

    def __new__(cls, *, speed: float | None = None, start: datetime | None = None) -> Self:
        """Refuse what makes no sense while there is no loop yet that would have to be closed."""
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
        self.traffic.transports = self._transports  # type: ignore[attr-defined]  # asyncio shows them nowhere
        self._held = selector.holds
        self._ready = MeasuredQueue(self._held)  # nor does it tell when a callback begins
        # Timers closer than this go off together. The system clock's own resolution would be asyncio's
        # choice: 16 ms on Windows.
        self._clock_resolution = RESOLUTION
        self._threads = ThreadPoolExecutor(thread_name_prefix="asyncio")
        self.set_default_executor(self._threads)

    def time(self) -> float:
        """Virtual seconds since this loop was made."""
        return self._pace.time()

    def wall_time(self) -> float:
        """Unix seconds in the loop's own world: its start plus the virtual time since."""
        return self._started_at + self.time()

    @property
    def pace(self) -> Pace | None:
        """How fast its time passes; None where it jumps."""
        if not isinstance(self._pace, _ScaledTime):
            return None
        return self._pace.to_pace(self._started_at)

    @property
    def boot_id(self) -> str:
        """What `boot_time` counts from, by a name that no other loop has; see `eversince_async.clock`."""
        return self._pace.boot_id

    def boot_time(self) -> float:
        """Virtual seconds since this loop was made, those included for which the machine slept."""
        return self.time() + self._slept

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep, as a laptop whose lid is shut: clocks go on, and no timer notices."""
        self._started_at += seconds
        self._slept += seconds

    @property
    def longest_hold(self) -> Hold | None:
        """The longest stretch of real time for which one callback kept all others waiting so far.

        Virtual time does not pass meanwhile, so nothing else shows it: on a real clock, a server that
        answers requests is deaf for so long. It counts wall time without the time in which the machine
        ran other threads instead of this one (on Linux; elsewhere a crowded machine adds to it).
        """
        return self._held.longest

    def run_forever(self) -> None:
        """Run until `stop()` is called."""
        with self._held.measure():
            super().run_forever()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Do not jump in here: something that the loop cannot see is about to answer.

        Time does not stop for good: a timer goes off once it is due by the real clock. At a finite
        `speed`, where nothing ever jumps, this changes nothing.
        """
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def has_pending_work(self) -> bool:
        """Whether a thread or a child process works for this loop, or someone holds its time."""
        return (
            self._holds > 0
            or bool(self._at_work)
            or any(child.get_returncode() is None for child in self._children)
            or self._has_busy_anyio_thread()
        )

    def next_timer(self) -> float:
        """When the next timer is due, in the loop's time; there must be one."""
        # asyncio shows its timers nowhere. The heap's first is never a cancelled one while the
        # selector is asked: the loop drops those before.
        return self._scheduled[0].when()  # type: ignore[attr-defined, no-any-return]

    # What follows are doors of asyncio's loop through which work leaves it. typeshed does not
    # declare them as generally as asyncio accepts them; hence what is ignored.

    def set_default_executor(self, executor: ThreadPoolExecutor) -> None:  # type: ignore[override]
        """Use these threads wherever none are named."""
        self._threads = executor
        super().set_default_executor(executor)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Call a function in a thread or process; time does not jump until it has returned.

        That holds for a function that nobody waits for any more, too: cancelling does not stop it.
        """
        work = (executor or self._threads).submit(func, *args)
        outcome = asyncio.wrap_future(work, loop=self)
        self._at_work.add(work)
        # Two steps, so that work is forgotten no sooner than its result has arrived here.
        outcome.add_done_callback(lambda _: work.add_done_callback(self._at_work.discard))
        return outcome

    async def shutdown_default_executor(self, *timeout: float | None) -> None:
        """Wait for the default executor's threads to end, by the real clock."""
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
        # anyio starts its worker threads itself, each with a queue of its own. What a thread has done is told
        # to the loop, which wakes it, before the queue is told. (The list of idle threads says less: in
        # older versions one whose call was cancelled before it began is never put back there.)
        for thread in threading.enumerate():
            if getattr(thread, "loop", None) is self:
                queue = getattr(thread, "queue", None)
                if getattr(queue, "unfinished_tasks", 0) and not getattr(thread, "stopping", False):
                    return True
        return False


def run(main: Coroutine[Any, Any, T], *, speed: float | None = None, start: datetime | None = None) -> T:
    """Run a coroutine in virtual time, as `asyncio.run` does in real time.

    Args:
        main: What to run.
        speed: Virtual seconds per real second; None jumps from timer to timer.
        start: Wall time at which to begin. Defaults to the real one.

    Raises:
        ValueError: As `VirtualTimeLoop` does; and whatever `main` raises.
    """
    with asyncio.Runner(loop_factory=functools.partial(VirtualTimeLoop, speed=speed, start=start)) as runner:
        return runner.run(main)


# The selector is where a loop waits, so that is where time passes.

_Events = list[tuple[selectors.SelectorKey, int]]


class _TimeSource(Protocol):
    """How time passes between two timers.

    Attributes:
        boot_id: Names what it counts from.
    """

    boot_id: str

    def time(self) -> float:
        """What the loop's clock shows."""
        ...

    def wait(self, poll: Callable[[float | None], _Events], timeout: float) -> _Events:
        """Wait for sockets at most until `timeout` virtual seconds have passed."""
        ...


class _PacedSelector(selectors.DefaultSelector):
    """The platform's selector, which leaves every limited wait to a pace."""

    def __init__(self, pace: _TimeSource) -> None:
        super().__init__()
        self.traffic = Traffic(self.get_map())
        self.holds = Holds()
        self._pace = pace

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Wait for a socket, too."""
        key = super().register(fileobj, events, data)
        self.traffic.remember(key.fd)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Wait for a socket no longer."""
        key = super().unregister(fileobj)
        self.traffic.forget(key.fd)
        return key

    def select(self, timeout: float | None = None) -> _Events:
        """Return what is ready; without timers, block until something is."""
        self.holds.switch(None)
        poll = super().select
        return poll(timeout) if timeout is None or timeout <= 0 else self._pace.wait(poll, timeout)


class _ScaledTime:
    """Real time, so and so many times faster."""

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
    """Time that stands still while there is anything to do, then jumps to the next timer."""

    # Real seconds of a last look at the sockets where the kernel does not tell what is under way (see
    # `_traffic`): such systems deliver in a thread of their own, which needs a moment.
    GRACE: Final = 0.0 if sys.platform == "linux" else 0.0005
    # How long to wait for others before asking again whether they still work, in real seconds. What they
    # have for us wakes the loop anyway; a thread whose result nobody wants ends silently, and so does the
    # acknowledgement of bytes.
    SHORTEST: Final = 0.001
    PATIENCE: Final = 0.02

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = weakref.proxy(loop)  # the loop owns us
        self.boot_id = clock.private()
        self._now = 0.0
        self._waited = 0.0  # real seconds spent waiting for others since the last jump

    def time(self) -> float:
        return self._now

    def wait(self, poll: Callable[[float | None], _Events], timeout: float) -> _Events:
        events = poll(0) or self._wait_for_others(poll, timeout)
        return events or poll(self.GRACE) or self._jump()

    def _wait_for_others(self, poll: Callable[[float | None], _Events], timeout: float) -> _Events:
        """Wait while others work for the loop, but for no timer longer than it takes in real time."""
        loop, patience, began = self._loop, self.SHORTEST, time.monotonic()
        while timeout > self._waited:
            has_workers = loop.has_pending_work()
            if not (has_workers or loop.traffic.is_moving()):
                if patience > self.SHORTEST:
                    loop.traffic.nothing_came()
                break
            asked = time.monotonic()
            events = poll(min(patience, timeout - self._waited))
            now = time.monotonic()
            self._waited += now - asked
            if events:
                if not has_workers:
                    loop.traffic.came_after(now - began)
                return events
            patience = min(2 * patience, self.PATIENCE)
        return []

    def _jump(self) -> _Events:
        # Adding the timeout could miss the timer by a rounding error, and a day is all a loop ever waits.
        due = self._loop.next_timer()
        # A timer goes off before now + RESOLUTION. After half a year that sum is no longer greater than
        # now: floats are too coarse there, and the next one is as near as it gets.
        self._now = due if due + RESOLUTION > due else math.nextafter(due, math.inf)
        self._waited = 0.0
        return []
