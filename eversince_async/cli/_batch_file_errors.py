"""What is wrong with a file of rows, told by line as compilers do."""

from collections.abc import Mapping
from typing import Final

from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._output import is_terminal, warn, warn_line

SHOWN: Final = 100
"""Problems of a file that a terminal is shown; a pipe gets all of them."""


class Complaints:
    """Prints what is wrong with a file, as compilers do, and counts it.

    Args:
        file: The file.
        keeps: Whether all of it is told to a program in the end.

    Attributes:
        count: How much is wrong.
        told: What, if it is kept.
    """

    def __init__(self, file: str, *, keeps: bool) -> None:
        self._file = file
        self._keeps = keeps
        self.count = 0
        self.told: list[Mapping[str, object]] = []

    def __call__(self, line: int, problem: str) -> None:
        """Tell what is wrong on a line."""
        self.count += 1
        if self._keeps:
            self.told.append({"line": line, "problem": problem})
        if self.count <= SHOWN or not is_terminal():
            warn_line(f"{self._file}:{line}: {problem}")

    def conclude(self, advice: str = "") -> ExitCode:
        """Tell how much it is, and what to do; returns the exit code."""
        if self.count > SHOWN and is_terminal():
            warn(f"… and {self.count - SHOWN} more; `2> problems.txt` has them all")
        warn(
            f"eversince batch: {count_of(self.count, 'problem')}; nothing was made.{advice and ' ' + advice}"
        )
        return ExitCode.USAGE


def count_of(number: int, what: str) -> str:
    """`1 video`, `2 videos`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
