"""Results go to stdout, everything else to stderr: so a pipe gets what it was meant for."""

import os
import sys
from contextvars import ContextVar
from typing import Final

_TYPED: Final = ContextVar("typed", default="the same command")


def say(text: str) -> None:
    """Print a result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def warn(text: str) -> None:
    """Tell the person, and not the program behind the pipe."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def is_terminal() -> bool:
    """Whether a person watches both, on something that can move its cursor."""
    return sys.stdout.isatty() and sys.stderr.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"}


def nobody_reads() -> None:
    """Whoever read our results is gone: let go of what is left of them, or the last flush fails, too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def remember_typed(command: str) -> None:
    """Note what was typed, to repeat it where it is what goes on."""
    _TYPED.set(command)


def typed() -> str:
    """The command as it was typed."""
    return _TYPED.get()
