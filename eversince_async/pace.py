"""The pace of an emulator whose time is not the wall clock's.

An emulator announces its pace in its responses. An event loop that talks to it follows, from the first such
response until the client is closed: `loop.time()` and everything that waits on it (`asyncio.sleep`,
`asyncio.timeout`, our own polls, pauses and quotas, but also everything else that runs in that loop) run at
the emulator's speed, and `eversince_async.clock` shows the emulator's time. Timers that were set before
continue from where they are.

If clients in one loop talk to several servers, the loop runs at the pace of the slowest: to the others it is
only slow, but a faster clock would mean too many requests and too little patience. Servers on other machines
live in real time, so a loop with an open client of the real API never follows an emulator. A loop that has a
time of its own (`VirtualTimeLoop`) keeps that, and a loop that is not asyncio's own (uvloop) cannot follow;
it is as slow as the wall clock.
"""

import asyncio
import ipaddress
import logging
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Self
from urllib.parse import urlsplit

import attrs

from eversince_async import clock

SPEED: Final = "X-Emulator-Speed"
EPOCH: Final = "X-Emulator-Epoch"

LATEST: Final = 32e9
"""Unix seconds after which no announced clock is believed.

They are those of a day in the year 2984."""

FASTEST: Final = 100_000.0
"""The highest accepted speed, in seconds per real second.

A loop at a higher speed would do nothing but wake up."""

logger: Final = logging.getLogger("eversince_async")


@attrs.frozen
class Pace:
    """A time that runs at a constant speed.

    Attributes:
        speed: Seconds of this time in one of ours.
        epoch: The wall clock of this time when it began, in Unix seconds.
        boot_id: The boot id of this time, as `eversince_async.clock` names it.
        origin: The start of this time, by this machine's `time.monotonic()`.
    """

    speed: float
    epoch: float
    boot_id: str
    origin: float

    def seconds(self) -> float:
        """Return the seconds of this time since it began."""
        return (time.monotonic() - self.origin) * self.speed

    def is_other(self, pace: "Pace") -> bool:
        """Return True if another pace differs from this one."""
        return (self.speed, self.epoch) != (pace.speed, pace.epoch)

    def to_headers(self) -> dict[str, str]:
        """Return the headers that announce this pace."""
        return {SPEED: f"{self.speed:g}", EPOCH: f"{self.epoch!r} {self.boot_id}"}

    @classmethod
    def from_headers(cls, headers: Mapping[str, str], served_at: float) -> Self | None:
        """Read a pace from headers; None if they announce none.

        None also if what they announce makes no sense.

        Args:
            headers: The headers of a response that was just received.
            served_at: The time at which the response was sent, by the emulator's clock. It shows when the
                emulator's time began if that was on another machine, as in a container.
        """
        epoch_text, _, boot_id = headers.get(EPOCH, "").partition(" ")
        try:
            speed, epoch = float(headers.get(SPEED, "")), float(epoch_text)
        except ValueError:
            return None
        if not (0 < speed <= FASTEST and 0 < epoch < LATEST):
            return None
        origin = clock.origin_of(boot_id)
        if origin is None:
            origin = time.monotonic() - (served_at - epoch) / speed
            boot_id = clock.boot_id_at_pace(speed, origin)
        return cls(speed, epoch, boot_id, origin)


def is_on_this_machine(url: str) -> bool:
    """Return True if a URL's host is this machine.

    The host is judged by its name or literal address; no name is resolved.
    """
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def of(loop: asyncio.AbstractEventLoop) -> Pace | None:
    """Return a loop's pace; None if it keeps real time or jumps."""
    return getattr(loop, "pace", None)


def speed() -> float:
    """Return the seconds of the running loop in one real second.

    The machine's own work is no faster for that.
    """
    pace = of(asyncio.get_running_loop())
    return 1.0 if pace is None else pace.speed


def adopt_pace(client: object, headers: Mapping[str, str], served_at: float) -> None:
    """Follow an emulator on this machine that announces its pace.

    Args:
        client: The client that talks to the emulator.
        headers: The headers of a response that was just received.
        served_at: The time at which the response was sent, by the emulator's clock.
    """
    pace = Pace.from_headers(headers, served_at) if SPEED in headers else None
    if pace is None:
        leave(client)  # if a pace was known, another server responds there now
        return
    paces = _paces_here()
    known = paces.get(client)
    if known is None or known.is_other(pace):
        paces[client] = pace
        _settle()


def begin_with(client: object, pace: Pace) -> None:
    """Follow an emulator before its first response to this client.

    The pace is known from another client. Outside of a running loop nothing happens: then the first response
    announces it.
    """
    with suppress(RuntimeError):
        _paces_here()[client] = pace
        _settle()


def pace_of(client: object) -> Pace | None:
    """Return the pace of the server that a client talks to.

    None if the server has announced none.
    """
    return _paces_here().get(client)


def stay_real(client: object) -> None:
    """Keep the running loop in real time while this client is open.

    The client's server lives in real time.
    """
    paces = _paces_here()
    if client not in paces:
        paces[client] = None
        _settle()


def leave(client: object) -> None:
    """Stop following the server of a client that is closed.

    After the last client the loop lives in real time, as before the first.
    """
    paces = _paces_here()
    if client in paces:
        del paces[client]
        _settle()


def begin_at(speed: float) -> None:
    """Set the running loop's speed before any emulator announces its pace.

    The loop does not return to real time after its last client.

    Args:
        speed: The speed that the emulator was given.
    """
    loop, origin = asyncio.get_running_loop(), time.monotonic()
    _follow(loop, Pace(speed, time.time(), clock.boot_id_at_pace(speed, origin), origin))
    _fast_for_good.add(loop)


_paces: Final[
    weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.WeakKeyDictionary[object, Pace | None]]
] = weakref.WeakKeyDictionary()
"""The open clients of each loop and the paces of their servers.

None stands for real time.
"""


def _paces_here() -> weakref.WeakKeyDictionary[object, Pace | None]:
    loop = asyncio.get_running_loop()
    paces = _paces.get(loop)
    if paces is None:
        paces = _paces[loop] = weakref.WeakKeyDictionary()
    return paces


_fast_for_good: Final = weakref.WeakSet[asyncio.AbstractEventLoop]()
"""Loops that do not return to real time without clients."""


def _settle() -> None:
    """Set the running loop to the slowest pace of its servers."""
    loop = asyncio.get_running_loop()
    paces, current = list(_paces[loop].values()), of(loop)
    announced = [pace for pace in paces if pace is not None]
    if not paces and loop in _fast_for_good:
        return
    if len(announced) < len(paces) or not announced:
        _follow(loop, None)
    else:
        slowest = min(announced, key=lambda pace: (pace.speed, current is None or pace.is_other(current)))
        _follow(loop, slowest)


def _follow(loop: Any, pace: Pace | None) -> None:
    """Set a loop to a pace, or to real time.

    A loop that has a time of its own keeps that.
    """
    follower: _Follower | None = getattr(loop, "_pace_follower", None)
    if pace is None:
        if follower is not None:
            follower.leave()
    elif follower is not None:
        follower.follow(pace)
    elif _can_follow(loop):
        follower = loop._pace_follower = _Follower(loop)  # noqa: SLF001 - our own
        follower.follow(pace)
    elif not hasattr(loop, "wall_time"):
        logger.warning("the emulator's time passes %g times as fast; %r cannot follow", pace.speed, loop)


def _can_follow(loop: Any) -> bool:
    is_of_asyncio = isinstance(loop, asyncio.BaseEventLoop) and not hasattr(loop, "wall_time")
    return is_of_asyncio and hasattr(getattr(loop, "_selector", None), "select")


class _Follower:
    """The changed pace of a loop of asyncio's.

    It changes the loop's clock, and how long the loop waits at its selector.

    Args:
        loop: The loop.
    """

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._real_time: Callable[[], float] = loop.time
        self._select = loop._selector.select  # noqa: SLF001 - where every loop of asyncio waits
        self._speed = 1.0
        self._real_since: float = loop.time()
        self._since: float = self._real_since
        loop.time = self._time
        loop._selector.select = self._wait  # noqa: SLF001 - likewise

    def follow(self, pace: Pace) -> None:
        """Continue at this pace.

        The loop's own time continues from where it is.
        """
        self._go_on_at(pace.speed)
        loop = self._loop
        loop.pace = pace
        loop.boot_id = pace.boot_id
        loop.boot_time = pace.seconds
        loop.wall_time = lambda: pace.epoch + pace.seconds()

    def leave(self) -> None:
        """Continue in real time."""
        self._go_on_at(1.0)
        for name in ("pace", "boot_id", "boot_time", "wall_time"):
            self._loop.__dict__.pop(name, None)

    def _go_on_at(self, speed: float) -> None:
        self._since, self._real_since = self._time(), self._real_time()
        self._loop.slow_callback_duration *= speed / self._speed  # the machine is no faster for that
        self._speed = speed

    def _time(self) -> float:
        passed = self._real_time() - self._real_since
        return self._since + passed * self._speed

    def _wait(self, timeout: float | None = None) -> Any:
        return self._select(timeout if timeout is None or timeout <= 0 else timeout / self._speed)
