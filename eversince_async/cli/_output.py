"""Output of commands: results go to stdout, everything else to stderr.

So a pipe gets the results only. No printed text is trusted: characters that could steer a terminal are
escaped, as are characters that the stream's encoding lacks. A closed stderr does not stop a command; a stdout
that loses results is an error.
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
    """Results that could not be written to stdout.

    Attributes:
        is_left: True if the reader closed the pipe, as `head` does, which is not an error.
    """

    def __init__(self, reason: OSError | ValueError) -> None:
        self.is_left = isinstance(reason, BrokenPipeError)
        why = getattr(reason, "strerror", None) or str(reason)
        super().__init__(
            "The results have no reader any more."
            if self.is_left
            else f"The results cannot be written: {why}."
        )


def open_streams() -> None:
    """Prepare the standard streams, even closed ones or odd encodings."""
    for number in (0, 1, 2):  # otherwise the next file that is opened would take the stream's number
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - open as long as the process runs
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - likewise
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPING)


def write_line(text: str) -> None:
    """Print a result.

    Raises:
        ResultsLost: The result cannot be written.
    """
    try:
        sys.stdout.write(harmless(text) + "\n")
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        _let_go(sys.stdout)
        raise ResultsLost(error) from None


def warn(text: str) -> None:
    """Print a message to stderr, where a person reads it.

    Does nothing if stderr is closed.
    """
    _stderr.write(harmless(text) + "\n")
    _stderr.flush()


def warn_line(text: str) -> None:
    """Print a message to stderr as one line, with line feeds escaped."""
    warn(unbroken(text))


def prompt(text: str) -> None:
    """Print a question to stderr; the person answers on the same line."""
    _stderr.write(harmless(text))
    _stderr.flush()


def is_terminal() -> bool:
    """Return True if stdout and stderr are terminals with a movable cursor."""
    try:
        both = sys.stdout.isatty() and sys.stderr.isatty()
    except ValueError:
        return False
    return both and os.environ.get("TERM") not in {"dumb", "unknown"}


class _Stderr(io.TextIOBase):
    """A stderr that ignores all text once the real stream is closed.

    Args:
        stream: The stderr to write to, for a console that replaces `sys.stderr` while it draws. None always
            takes the current `sys.stderr`.
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
    """Print all log records to stderr, without secrets and without harmful characters."""
    import logging  # imported here, because `eversince --help` must start fast

    class Harmless(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return harmless(redact(super().format(record)))

    handler = logging.StreamHandler(_stderr)
    handler.setFormatter(Harmless("%(relativeCreated)8d %(name)s: %(message)s"))
    logging.basicConfig(level=logging.DEBUG, handlers=[handler])


def console() -> "Console":
    """Return a console that draws on stderr."""
    from rich.console import Console

    # Checked now: while older versions of rich draw, they replace stdout by a stream that is no terminal.
    return Console(file=cast("IO[str]", _Stderr(sys.stderr)), force_terminal=is_terminal())


def to_text(text: str, style: str = "", *, has_lines: bool = False) -> "Text":
    """Return a harmless text for a console to draw.

    Every drawn text must go through this function.

    Args:
        text: The text, from any source.
        style: The style to draw it in.
        has_lines: True to keep the line feeds of the text.
    """
    from rich.text import Text

    return Text(harmless(text) if has_lines else on_one_line(text), style=style, overflow="fold")


def _let_go(stream: TextIO) -> None:
    """Redirect a stream to the null device.

    Otherwise its last flush would fail as well, when the process ends.
    """
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return


def set_command_line(command: str) -> None:
    """Note the typed command, for messages that say how to go on."""
    _TYPED.set(command)


def command_line() -> str:
    """Return the command as it was typed."""
    return _TYPED.get()
