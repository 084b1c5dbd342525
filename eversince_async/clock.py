"""What time it is, asked of the running event loop first.

Waiting is the event loop's business (`anyio.sleep`, `loop.time()`). This module tells two things besides:

- `wall_seconds` and `now`: the time in the world, for what is compared with the world's or shown to people.
  Anybody may set that clock, forward or back, at any moment.
- `moment` and `elapsed`: seconds since a boot, by a clock that nobody sets and that counts while a computer
  sleeps. What was written down with its `Moment` has an age that does not depend on the wall clock, also for
  other processes of the machine and after `kill -9`. On Linux that is `CLOCK_BOOTTIME`, under the kernel's
  boot id. Elsewhere there is no such id to be had: each process is a boot of its own, and what another one
  wrote is as old as the wall clock says; but never younger than nothing, for the future does not count. So
  there a lease of a process that died lives on until the clock is right again, if it was set back meanwhile.

A loop that lives in its own time, such as `eversince_async.testing.VirtualTimeLoop`, has `wall_time()` (Unix
seconds), `boot_id` and `boot_time()` (seconds), and these are the answers, so that loop time and all others
never disagree. A time that runs at a constant speed, as beside `eversince emulator --speed 60`, is named in
the boot id, so that whoever reads that on the same machine knows what its clock shows now.
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
    """An instant by a clock that nobody sets.

    Attributes:
        boot: Since when that clock counts; moments of different boots cannot be compared by their seconds.
        seconds: Seconds since then.
    """

    boot: str
    seconds: float


# -- The wall ---------------------------------------------------------------------------------------------


def wall_seconds() -> float:
    """Seconds since 1970, by the running loop's own wall clock if it has one, else the system's."""
    wall_time = getattr(_loop(), "wall_time", None)
    return time.time() if wall_time is None else float(wall_time())


def now() -> datetime:
    """The same instant as an aware datetime in UTC."""
    return datetime.fromtimestamp(wall_seconds(), UTC)


def steady_now() -> datetime:
    """The time, for records of how one thing followed another: as the wall showed first, then only counted.

    Whoever sets the clock while a loop runs makes nothing in its records end before it began.
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
"""By how much the wall was ahead of the seconds since a boot when each loop first asked."""


# -- Since a boot -----------------------------------------------------------------------------------------


def moment() -> Moment:
    """This instant, by the clock of the running loop if it has its own, else by the system's."""
    loop = _loop()
    boot = getattr(loop, "boot_id", None)
    return Moment(_system(), _uptime()) if boot is None else Moment(str(boot), float(loop.boot_time()))


def elapsed(since: Moment, here: Moment | None = None) -> float | None:
    """Seconds since a moment, never below zero; None if its clock is not one of this machine's.

    Args:
        since: The moment.
        here: This instant; asked for by default.
    """
    here = moment() if here is None else here
    shows = here.seconds if since.boot == here.boot else _read_clock(since.boot)
    return None if shows is None else max(0.0, shows - since.seconds)


def age(since: Moment | None, at: datetime) -> float:
    """Seconds since something was written down: as `elapsed` if that can be told, else by the wall clock.

    Args:
        since: When it was written down; None: that was not kept.
        at: The same by the wall clock; what lies in the future is of this instant.
    """
    passed = None if since is None else elapsed(since)
    return max(0.0, (now() - at).total_seconds()) if passed is None else passed


def certain_age(since: Moment | None, at: datetime) -> float:
    """As `age`, but after another boot of the machine only what is certain: the seconds since this one."""
    return _uptime() if since is not None and is_past(since.boot) else age(since, at)


class Remaining:
    """Counts down what is left of a duration that began earlier, perhaps in another process.

    Args:
        seconds: The duration.
        since: When it began; None: that was not kept.
        at: The same by the wall clock, as for `age`.
    """

    def __init__(self, seconds: float, since: Moment | None, at: datetime) -> None:
        self._seconds = seconds - age(since, at)
        self._since = moment()

    def seconds(self) -> float:
        """Seconds that are left; 0 or less: none."""
        self._seconds -= elapsed(self._since) or 0.0
        self._since = moment()  # by another clock, where an emulator's time has been taken over
        return self._seconds


def is_past(boot: str) -> bool:
    """Whether this machine has booted anew since, so that no process of that boot is alive.

    A journal lies on a local disk: another kernel's boot is an earlier one.
    """
    match boot.split("/"):
        case [_, machine, *_] if machine and _machine():
            return machine.partition("-")[0] != _machine().partition("-")[0]  # a namespace is no boot
        case _:
            return False


def boot_id_at_pace(speed: float, origin: float) -> str:
    """The boot id of a time that began at `origin`, by `time.monotonic()`, and runs so much faster."""
    return "/".join(("paced", _machine(), repr(speed), repr(origin)))


def origin_of(boot: str) -> float | None:
    """When a time of this machine began, by `time.monotonic()`; None: it is none, or another machine's."""
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
    """A boot id for a clock that nobody else can read."""
    return f"private//{secrets.token_hex(6)}"


def _read_clock(boot: str) -> float | None:
    """What another clock of this machine shows now."""
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
"""The boot of this process, where the system has none."""


@functools.cache
def _system() -> str:
    return f"system/{_machine()}" if _machine() else _PROCESS


@functools.cache
def _machine() -> str:
    """The kernel's boot, and the namespace of its clocks, as a container may have one; Linux only."""
    if sys.platform != "linux":
        return ""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
    except OSError:
        return ""
    try:
        return f"{boot[:12]}-{Path('/proc/self/ns/time').stat().st_ino:x}"
    except OSError:  # before Linux 5.6 there was one for all
        return boot[:12]


def _uptime() -> float:
    """Seconds since the boot, those that the machine slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()
