"""Results go to stdout, everything else to stderr: so a pipe gets what it was meant for.

Nothing that is printed is trusted: what could steer a terminal is shown instead. What an encoding lacks is
escaped. Whoever cannot be told anything any more is no reason to stop; lost results are an error.
"""

import io
import os
import sys
from contextvars import ContextVar
from typing import IO, TYPE_CHECKING, Final, TextIO, cast

from eversince_async._redaction import redact
from eversince_async.cli._terminal_text import ESCAPING, harmless, on_one_line, unbroken

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_TYPED: Final = ContextVar("typed", default="the same command")


class ResultsLost(Exception):
    """Results can be written nowhere any more.

    Attributes:
        is_left: Whether their reader has gone, as `head` does, and nothing is wrong.
    """

    def __init__(self, reason: OSError | ValueError) -> None:
        self.is_left = isinstance(reason, BrokenPipeError)
        why = getattr(reason, "strerror", None) or str(reason)
        super().__init__(
            "Nobody reads the results any more." if self.is_left else f"The results cannot be written: {why}."
        )


def open_streams() -> None:
    """Make ready what we write to, whatever was closed, or is in an encoding of its own."""
    for number in (0, 1, 2):  # or the next file that is opened would be taken for a stream
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - as long as the process
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - likewise
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPING)


def write_line(text: str) -> None:
    """Print a result.

    Raises:
        ResultsLost: It cannot be written.
    """
    try:
        sys.stdout.write(harmless(text) + "\n")
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        _let_go(sys.stdout)
        raise ResultsLost(error) from None


def warn(text: str) -> None:
    """Tell the person, and not the program behind the pipe; if there is nobody, nothing is told."""
    _stderr.write(harmless(text) + "\n")
    _stderr.flush()


def warn_line(text: str) -> None:
    """Tell the person one line, whatever somebody else wrote into it."""
    warn(unbroken(text))


def prompt(text: str) -> None:
    """Ask the person, who answers on the same line."""
    _stderr.write(harmless(text))
    _stderr.flush()


def is_terminal() -> bool:
    """Whether a person watches both, on something that can move its cursor."""
    try:
        both = sys.stdout.isatty() and sys.stderr.isatty()
    except ValueError:
        return False
    return both and os.environ.get("TERM") not in {"dumb", "unknown"}


class _Stderr(io.TextIOBase):
    """Stderr for as long as there is one, and nothing afterwards.

    Args:
        stream: The stderr of a moment: what draws on a terminal puts itself in its place meanwhile. None:
            always that of the moment.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._own = stream

    @property
    def _stream(self) -> TextIO:
        return sys.stderr if self._own is None else self._own

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only, as with any stream
        return self._stream.encoding

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError):
            _let_go(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            _let_go(self._stream)

    def isatty(self) -> bool:
        return is_terminal()

    def fileno(self) -> int:
        return self._stream.fileno()


_stderr: Final = _Stderr()


def log_to_stderr() -> None:
    """Tell the person all that is logged, however odd a server's words in it are, but no secrets."""
    import logging  # here, as the overview costs nothing

    class Harmless(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return harmless(redact(super().format(record)))

    handler = logging.StreamHandler(_stderr)
    handler.setFormatter(Harmless("%(relativeCreated)8d %(name)s: %(message)s"))
    logging.basicConfig(level=logging.DEBUG, handlers=[handler])


def console() -> "Console":
    """What draws on stderr."""
    from rich.console import Console

    # Asked now: while rich draws, older versions put a stream in the place of stdout that is no terminal.
    return Console(file=cast("IO[str]", _Stderr(sys.stderr)), force_terminal=is_terminal())


def to_text(text: str, style: str = "", *, has_lines: bool = False) -> "Text":
    """A text for a console to draw: every one goes through here.

    Args:
        text: Whoever wrote it.
        style: How to draw it.
        has_lines: Whether its line feeds are meant as such.
    """
    from rich.text import Text

    return Text(harmless(text) if has_lines else on_one_line(text), style=style, overflow="fold")


def _let_go(stream: TextIO) -> None:
    """Write what is left in a stream to nowhere, or its last flush fails as well, as we end."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return


def set_command_line(command: str) -> None:
    """Note what was typed, to repeat it where it is what goes on."""
    _TYPED.set(command)


def command_line() -> str:
    """The command as it was typed."""
    return _TYPED.get()
