"""The event loop a command runs on: the usual one, or one in compressed time beside an emulator."""

import asyncio
import os
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from eversince_async.errors import ConfigurationError

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a command. With EVERSINCE_SPEED it lives in the same compressed time as `emulator --speed`.

    Raises:
        ConfigurationError: EVERSINCE_SPEED is no positive number, or there is no emulator to share it with.
    """
    try:
        factor = speed()
    except ConfigurationError:
        main.close()
        raise
    return run_at(factor, main)


def run_at(factor: float | None, main: Coroutine[Any, Any, T]) -> T:
    """Run something in compressed time, or in real time where no factor is given."""
    if factor is None:
        return asyncio.run(main)
    from eversince_async.testing import VirtualTimeLoop

    with asyncio.Runner(loop_factory=partial(VirtualTimeLoop, speed=factor)) as runner:
        return runner.run(main)


def speed() -> float | None:
    """EVERSINCE_SPEED: seconds that pass in one real second; None where it is not set."""
    given = os.environ.get("EVERSINCE_SPEED")
    if not given:
        return None
    if not _is_local(os.environ.get("EVERSINCE_BASE_URL", "")):
        # Against the real API a fast clock would mean too many requests and too little patience.
        raise ConfigurationError(
            "EVERSINCE_SPEED is for an emulator on this machine only: "
            "unset it, or set EVERSINCE_BASE_URL to the address that `eversince emulator` prints"
        )
    return checked_speed(given, "EVERSINCE_SPEED")


def checked_speed(given: str | float, name: str) -> float:
    """A speed as a number.

    Raises:
        ConfigurationError: It is not a number above zero.
    """
    try:
        factor = float(given)
    except ValueError:
        factor = 0.0
    if not 0 < factor < 100_000:
        raise ConfigurationError(f"{name} must be a number above zero, such as 60, not {given!r}")
    return factor


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")
