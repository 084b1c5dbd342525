"""The time of an emulator that does not live at the pace of the clock on the wall, and who shares it.

An emulator tells its pace in its answers. An event loop that talks to it follows, from its first such answer
on until the client is closed: `loop.time()` and everything that waits on it (`asyncio.sleep`,
`asyncio.timeout`, our own polls, pauses and quotas, but also whatever else runs in that loop) go at the
emulator's speed, and `eversince_async.clock` shows the emulator's time. Timers that were set before go on
from where they are.

Where clients in one loop talk to several servers, the loop goes at the pace of the slowest: to the others it
is only slow, but a faster clock would mean too many requests and too little patience. What is not on this
machine lives in real time, so a loop with an open client of the real API never follows anybody. A loop that
has a time of its own (`VirtualTimeLoop`) keeps that, and one that is not asyncio's own (uvloop) cannot
follow; it is as slow as the clock on the wall.
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
"""Unix seconds of a day in the year 2984, after which no clock is believed."""

FASTEST: Final = 100_000.0
"""Seconds in one; a loop that was told to be faster would do nothing but wake up."""

logger: Final = logging.getLogger("eversince_async")


@attrs.frozen
class Pace:
    """A time that runs at a constant speed.

    Attributes:
        speed: Its seconds in one of ours.
        epoch: What its wall clock showed when it began, in Unix seconds.
        boot_id: Its boot, as `eversince_async.clock` names it.
        origin: When it began, by this machine's `time.monotonic()`.
    """

    speed: float
    epoch: float
    boot_id: str
    origin: float

    def seconds(self) -> float:
        """Its seconds since it began."""
        return (time.monotonic() - self.origin) * self.speed

    def is_other(self, pace: "Pace") -> bool:
        """Whether another one is not this."""
        return (self.speed, self.epoch) != (pace.speed, pace.epoch)

    def to_headers(self) -> dict[str, str]:
        """The headers that tell it."""
        return {SPEED: f"{self.speed:g}", EPOCH: f"{self.epoch!r} {self.boot_id}"}

    @classmethod
    def from_headers(cls, headers: Mapping[str, str], served_at: float) -> Self | None:
        """What headers tell; None: nothing, or nothing that makes sense.

        Args:
            headers: Of an answer that was just received.
            served_at: When it was sent, by the emulator's clock: tells when its time began, where that was on
                another machine, as in a container.
        """
        told, _, boot_id = headers.get(EPOCH, "").partition(" ")
        try:
            speed, epoch = float(headers.get(SPEED, "")), float(told)
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
    """Whether a URL's host is this machine by its name or literal address; no name is resolved."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def of(loop: asyncio.AbstractEventLoop) -> Pace | None:
    """The pace of a loop; None: it lives in real time, or jumps."""
    return getattr(loop, "pace", None)


def speed() -> float:
    """Seconds of the running loop that pass in a real one; what the machine does is no faster for that."""
    pace = of(asyncio.get_running_loop())
    return 1.0 if pace is None else pace.speed


def adopt_pace(client: object, headers: Mapping[str, str], served_at: float) -> None:
    """Follow an emulator on this machine that tells its pace.

    Args:
        client: Who talks to it.
        headers: Of an answer that was just received.
        served_at: When it was sent, by the emulator's clock.
    """
    heard = Pace.from_headers(headers, served_at) if SPEED in headers else None
    if heard is None:
        leave(client)  # another server answers there by now, if one was known
        return
    paces = _paces_here()
    known = paces.get(client)
    if known is None or known.is_other(heard):
        paces[client] = heard
        _settle()


def begin_with(client: object, pace: Pace) -> None:
    """Follow an emulator from the beginning, before its first answer, as it was heard by another client.

    Outside of a running loop nothing happens: then the first answer tells.
    """
    with suppress(RuntimeError):
        _paces_here()[client] = pace
        _settle()


def pace_of(client: object) -> Pace | None:
    """The pace of the server that a client talks to, as far as it has told one."""
    return _paces_here().get(client)


def stay_real(client: object) -> None:
    """Keep the running loop in real time as long as this client is open: its server has no other."""
    paces = _paces_here()
    if client not in paces:
        paces[client] = None
        _settle()


def leave(client: object) -> None:
    """Go on without a client that is closed; after the last one in real time, as before the first."""
    paces = _paces_here()
    if client in paces:
        del paces[client]
        _settle()


def begin_at(speed: float) -> None:
    """Have the running loop live at a speed already before an emulator tells its pace, and ever after.

    Args:
        speed: What the emulator was told.
    """
    loop, origin = asyncio.get_running_loop(), time.monotonic()
    _follow(loop, Pace(speed, time.time(), clock.boot_id_at_pace(speed, origin), origin))
    _fast_for_good.add(loop)


_paces: Final[
    weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.WeakKeyDictionary[object, Pace | None]]
] = weakref.WeakKeyDictionary()
"""By loop, the open clients and the paces of their servers; None is real time."""


def _paces_here() -> weakref.WeakKeyDictionary[object, Pace | None]:
    loop = asyncio.get_running_loop()
    paces = _paces.get(loop)
    if paces is None:
        paces = _paces[loop] = weakref.WeakKeyDictionary()
    return paces


_fast_for_good: Final = weakref.WeakSet[asyncio.AbstractEventLoop]()
"""Loops that do not come back to real time when nobody is left."""


def _settle() -> None:
    """Have the running loop live at the slowest pace of all its clients' servers."""
    loop = asyncio.get_running_loop()
    paces, current = list(_paces[loop].values()), of(loop)
    told = [pace for pace in paces if pace is not None]
    if not paces and loop in _fast_for_good:
        return
    if len(told) < len(paces) or not told:
        _follow(loop, None)
    else:
        slowest = min(told, key=lambda pace: (pace.speed, current is None or pace.is_other(current)))
        _follow(loop, slowest)


def _follow(loop: Any, pace: Pace | None) -> None:
    """Have a loop live at a pace, or in real time; one that has a time of its own keeps that."""
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
    """Makes a loop of asyncio's run at another pace: its clock, and how long it waits at its selector.

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
        """Go on at this pace; the loop's own time goes on from where it is."""
        self._go_on_at(pace.speed)
        loop = self._loop
        loop.pace = pace
        loop.boot_id = pace.boot_id
        loop.boot_time = pace.seconds
        loop.wall_time = lambda: pace.epoch + pace.seconds()

    def leave(self) -> None:
        """Go on in real time."""
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
