"""Leaving at the wish of the system: SIGTERM and SIGHUP are answered as Ctrl-C is."""

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
"""What asks a command to come to its end, as far as this system knows it."""


class _Heard:
    """What has been heard.

    Attributes:
        code: The exit code of it.
        leave: Ends the command that runs, so that it can still say how to go on; None: none does.
    """

    code: ExitCode = ExitCode.INTERRUPTED
    leave: Callable[[], object] | None = None


_heard: Final = _Heard()


@contextmanager
def listening() -> Generator[None, None, None]:
    """Take these signals for a Ctrl-C within the block, but those that are ignored, as `nohup` has it."""
    _heard.code, before = ExitCode.INTERRUPTED, {}
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
    """Have the first signal within the block call something, instead of ending it wherever it stands."""
    _heard.leave = leave
    try:
        yield
    finally:
        _heard.leave = None


def exit_code() -> ExitCode:
    """That of whoever was made to leave."""
    return _heard.code


def _hear(number: int, frame: FrameType | None) -> None:
    _heard.code = _EXITS[signal.Signals(number)]
    leave, _heard.leave = _heard.leave, None
    theirs = signal.getsignal(signal.SIGINT)
    if leave is not None:
        leave()
    elif callable(theirs):  # e.g. asyncio's, which ends what its loop runs
        theirs(signal.SIGINT, frame)
    else:
        raise KeyboardInterrupt
