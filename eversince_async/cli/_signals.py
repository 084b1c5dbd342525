"""The handling of SIGTERM and SIGHUP, which end a command like Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from eversince_async.cli._exit_codes import ExitCode

_EXITS: Final = {
    getattr(signal, name): code
    for name, code in (
        ("SIGTERM", ExitCode.TERMINATED),
        ("SIGHUP", ExitCode.HUNG_UP),
        ("SIGBREAK", ExitCode.INTERRUPTED),
    )
    if hasattr(signal, name)
}

LEAVING: Final = (signal.SIGINT, *_EXITS)
"""The signals that ask a command to end, if this system has them."""


class _Heard:
    """The last signal.

    Attributes:
        code: The exit code of the signal.
        leave: Ends the running command so that it can still say how to go on; None if none runs.
    """

    code: ExitCode = ExitCode.INTERRUPTED
    leave: Callable[[], object] | None = None


_last: Final = _Heard()


@contextmanager
def listening() -> Generator[None, None, None]:
    """Treat SIGTERM and SIGHUP as Ctrl-C within the block.

    Signals that are ignored stay ignored, as `nohup` wants it, and so do those with another handler.
    """
    _last.code, before = ExitCode.INTERRUPTED, {}
    if threading.current_thread() is threading.main_thread():
        for number in _EXITS:
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, _hear)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def leave_by(leave: Callable[[], object]) -> Iterator[None]:
    """Let the first signal within the block call a function.

    Without it, the signal would interrupt the block at any place.
    """
    _last.leave = leave
    try:
        yield
    finally:
        _last.leave = None


def exit_code() -> ExitCode:
    """Return the exit code of the last signal; by default Ctrl-C's."""
    return _last.code


def _hear(number: int, frame: FrameType | None) -> None:
    _last.code = _EXITS[signal.Signals(number)]
    leave, _last.leave = _last.leave, None
    handler = signal.getsignal(signal.SIGINT)
    if leave is not None:
        leave()
    elif callable(handler):  # e.g. asyncio's handler, which cancels the main task of its loop
        handler(signal.SIGINT, frame)
    else:
        raise KeyboardInterrupt
