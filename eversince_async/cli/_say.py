"""Results go to stdout, everything else to stderr: so a pipe gets what it was meant for."""

import sys


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
    import os

    return sys.stdout.isatty() and sys.stderr.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"}
