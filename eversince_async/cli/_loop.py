"""The event loop of a command, in real or compressed time."""

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
    """Run a command on an event loop.

    With EVERSINCE_SPEED set, the command shares the compressed time of an emulator from the beginning.

    Raises:
        ConfigurationError: EVERSINCE_SPEED is not a positive number, or the address is not on this machine.
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
            loop.call_soon_threadsafe(command.cancel)  # the loop may be asleep, so wake it

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
    """Warn once, in words, when the loop cannot accept connections.

    asyncio itself tries again after a second.
    """
    loop, has_warned = asyncio.get_running_loop(), False

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal has_warned
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in CROWDED:
            loop.default_exception_handler(context)
        elif not has_warned:
            has_warned = True
            warn(f"eversince: connections have to wait: {in_words(error)}")

    loop.set_exception_handler(handle)
    try:
        yield
    finally:
        loop.set_exception_handler(None)


def speed() -> float | None:
    """Return EVERSINCE_SPEED; None if unset.

    The value is the number of seconds that pass in one real second.

    Raises:
        ConfigurationError: EVERSINCE_SPEED is not a positive number, or the address is not on this machine.
    """
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
    """Parse a speed.

    Raises:
        ConfigurationError: The speed is not a number above zero.
    """
    try:
        factor = float(given)
    except ValueError:
        factor = 0.0
    if not 0 < factor < 100_000:
        raise ConfigurationError(f"{name} must be a number above zero, such as 60, not {given!r}")
    return factor
