"""The event loop a command runs on: the usual one, or one in compressed time beside an emulator."""

import asyncio
import os
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

from eversince_async import pace
from eversince_async._places import CROWDED, in_words
from eversince_async.cli._output import warn
from eversince_async.cli._signals import leave_by
from eversince_async.errors import ConfigurationError

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a command. Beside an emulator it lives in that one's time, with EVERSINCE_SPEED from the beginning.

    Raises:
        ConfigurationError: EVERSINCE_SPEED is no positive number, or there is no emulator to share it with.
    """
    try:
        factor = speed()
    except ConfigurationError:
        main.close()
        raise
    left = False

    async def leavable() -> T:
        loop, command = asyncio.get_running_loop(), asyncio.current_task()
        assert command is not None

        def leave() -> None:
            nonlocal left
            left = True
            loop.call_soon_threadsafe(command.cancel)  # it may be asleep

        if factor is not None:
            pace.begin_at(factor)
        with leave_by(leave), warn_of_crowding():
            return await main

    try:
        return asyncio.run(leavable())
    except asyncio.CancelledError:
        if not left:
            raise
        raise KeyboardInterrupt from None


@contextmanager
def warn_of_crowding() -> Generator[None, None, None]:
    """Say once in words that connections cannot be accepted; asyncio goes on by itself in a second."""
    loop, told = asyncio.get_running_loop(), False

    def heard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal told
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in CROWDED:
            loop.default_exception_handler(context)
        elif not told:
            told = True
            warn(f"eversince: connections have to wait: {in_words(error)}")

    loop.set_exception_handler(heard)
    try:
        yield
    finally:
        loop.set_exception_handler(None)


def speed() -> float | None:
    """EVERSINCE_SPEED: seconds that pass in one real second; None where it is not set."""
    given = os.environ.get("EVERSINCE_SPEED")
    if not given:
        return None
    if not pace.is_on_this_machine(os.environ.get("EVERSINCE_BASE_URL", "")):
        # Against the real API a fast clock would mean too many requests and too little patience.
        raise ConfigurationError(
            "EVERSINCE_SPEED is for an emulator on this machine only: "
            "unset it, or set EVERSINCE_BASE_URL to the address that `eversince emulator` prints"
        )
    return parse_speed(given, "EVERSINCE_SPEED")


def parse_speed(given: str | float, name: str) -> float:
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
