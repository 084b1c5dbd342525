"""The time, by the running event loop if it has its own.

Waiting is the event loop's business (`anyio.sleep`, `loop.time()`). This module gives two other times:

- `wall_seconds` and `now`: the time of the wall clock, for comparison with times of the outside world and for
  display to people. Anyone may set that clock, forward or back, at any moment.
- `moment` and `elapsed`: seconds since a boot, by a clock that is never set and that counts while a computer
  sleeps. A record that was written with its `Moment` has an age that does not depend on the wall clock, also
  for other processes of the machine and after `kill -9`. On Linux that clock is `CLOCK_BOOTTIME`, under the
  kernel's boot id. Other systems offer no such id: each process is a boot of its own, and the age of another
  process's record is taken from the wall clock, but is never negative: a time in the future counts as now. So
  on those systems the lease of a dead process lasts until the clock is right again, if it was set back
  meanwhile.

A loop that lives in its own time, such as `eversince_async.testing.VirtualTimeLoop`, has `wall_time()` (Unix
seconds), `boot_id` and `boot_time()` (seconds), and this module returns those, so that loop time and all
other times never disagree. A time that runs at a constant speed, as with `eversince emulator --speed 60`, is
named in the boot id, so that a process that reads the id on the same machine knows what that clock shows now.
"""

import asyncio
import functools
import math
import secrets
import sys
import time
import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs


@attrs.frozen
class Moment:
    """An instant by a clock that is never set.

    Attributes:
        boot: The boot since which the clock counts; moments of different boots cannot be compared by their
            seconds.
        seconds: Seconds since that boot.
    """

    boot: str
    seconds: float


# -- The wall clock ---------------------------------------------------------------------------------------


def wall_seconds() -> float:
    """Return the seconds since 1970.

    They come from the running loop's own wall clock if it has one, else from the system's.
    """
    wall_time = getattr(_loop(), "wall_time", None)
    return time.time() if wall_time is None else float(wall_time())


def now() -> datetime:
    """Return the same instant as an aware datetime in UTC."""
    return datetime.fromtimestamp(wall_seconds(), UTC)


def steady_now() -> datetime:
    """Return a time for records of the order of events.

    It begins with the wall clock's time and is only counted from then on, so that setting the clock while a
    loop runs makes nothing in its records end before it began.
    """
    loop, here = _loop(), moment()
    if loop is None:
        return now()
    boot, ahead = _STEADY.get(loop, (None, 0.0))
    if boot != here.boot:
        ahead = wall_seconds() - here.seconds
        _STEADY[loop] = here.boot, ahead
    return datetime.fromtimestamp(here.seconds + ahead, UTC)


_STEADY: Final[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[str, float]]] = (
    weakref.WeakKeyDictionary()
)
"""The wall clock's lead over the boot clock, by loop.

In seconds, beside the boot, as of the time when each loop first asked."""


# -- Since a boot -----------------------------------------------------------------------------------------


def moment() -> Moment:
    """Return this instant as a `Moment`.

    It comes from the clock of the running loop if the loop has its own, else from the system's.
    """
    loop = _loop()
    boot = getattr(loop, "boot_id", None)
    return Moment(_system(), _uptime()) if boot is None else Moment(str(boot), float(loop.boot_time()))


def elapsed(since: Moment, here: Moment | None = None) -> float | None:
    """Return the seconds since a moment, never below zero.

    None if the moment's clock is not one of this machine's.

    Args:
        since: The moment.
        here: This instant; read from the clock by default.
    """
    here = moment() if here is None else here
    shows = here.seconds if since.boot == here.boot else _read_clock(since.boot)
    return None if shows is None else max(0.0, shows - since.seconds)


def age(since: Moment | None, at: datetime) -> float:
    """Return the seconds since something was recorded.

    They are those of `elapsed` if it can tell them, else those of the wall clock.

    Args:
        since: The moment of the record; None if it was not kept.
        at: The same by the wall clock; a time in the future counts as this instant.
    """
    passed = None if since is None else elapsed(since)
    return max(0.0, (now() - at).total_seconds()) if passed is None else passed


def certain_age(since: Moment | None, at: datetime) -> float:
    """Return `age`, but after a reboot only the seconds that are certain.

    Those are the seconds since the present boot.
    """
    return _uptime() if since is not None and is_past(since.boot) else age(since, at)


class Remaining:
    """A countdown of a duration that began earlier, perhaps in another process.

    Args:
        seconds: The duration, in seconds.
        since: The moment at which it began; None if it was not kept.
        at: The same by the wall clock, as for `age`.
    """

    def __init__(self, seconds: float, since: Moment | None, at: datetime) -> None:
        self._seconds = seconds - age(since, at)
        self._since = moment()

    def seconds(self) -> float:
        """Return the seconds that are left; 0 or less means none."""
        self._seconds -= elapsed(self._since) or 0.0
        self._since = moment()  # another clock if an emulator's time was adopted
        return self._seconds


def is_past(boot: str) -> bool:
    """Return True if this machine has booted again since that boot.

    No process of that boot is then alive. A journal is on a local disk, so another kernel's boot is an
    earlier one.
    """
    match boot.split("/"):
        case [_, machine, *_] if machine and _machine():
            return machine.partition("-")[0] != _machine().partition("-")[0]  # without the namespace
        case _:
            return False


def boot_id_at_pace(speed: float, origin: float) -> str:
    """Return the boot id of a time with a constant speed.

    Args:
        speed: Seconds of that time in one second of ours.
        origin: The start of that time, by `time.monotonic()`.
    """
    return "/".join(("paced", _machine(), repr(speed), repr(origin)))


def origin_of(boot: str) -> float | None:
    """Return the start of a time of this machine, by `time.monotonic()`.

    None if the boot id names no time at a constant speed, or another machine's.
    """
    match boot.split("/"):
        case ["paced", machine, _, origin] if machine == _machine():
            return _number(origin)
        case _:
            return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def private() -> str:
    """Return a boot id for a clock that nothing else can read."""
    return f"private//{secrets.token_hex(6)}"


def _read_clock(boot: str) -> float | None:
    """Return what another clock of this machine shows now.

    None if it cannot be read.
    """
    if is_past(boot):
        return None
    match boot.split("/"):
        case ["system", _]:
            return _uptime() if boot == _system() else None
        case ["paced", _, speed, origin]:
            factor, began = _number(speed), _number(origin)
            return None if factor is None or began is None else (time.monotonic() - began) * factor
        case _:
            return None


def _loop() -> Any:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


_PROCESS: Final = private()
"""The boot id of this process, for systems without one."""


@functools.cache
def _system() -> str:
    return f"system/{_machine()}" if _machine() else _PROCESS


@functools.cache
def _machine() -> str:
    """Return the kernel's boot id and the namespace of its clocks.

    A container may have such a namespace. Empty on systems other than Linux.
    """
    if sys.platform != "linux":
        return ""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
    except OSError:
        return ""
    try:
        return f"{boot[:12]}-{Path('/proc/self/ns/time').stat().st_ino:x}"
    except OSError:  # before Linux 5.6 there were no namespaces of clocks
        return boot[:12]


def _uptime() -> float:
    """Return the seconds since the boot, including those that the machine slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()
