"""Problems of a file of rows, printed by line as compilers do."""

from collections.abc import Mapping
from typing import Final

from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._output import is_terminal, warn, warn_line

SHOWN: Final = 100
"""The most problems of a file that are printed on a terminal; a pipe gets all of them."""


class Complaints:
    """The problems of a file: printed as compilers do, and counted.

    Args:
        file: The file's name.
        keeps: True to keep all problems, for a program that gets them in the end.

    Attributes:
        count: The number of problems.
        told: The problems; empty unless they are kept.
    """

    def __init__(self, file: str, *, keeps: bool) -> None:
        self._file = file
        self._keeps = keeps
        self.count = 0
        self.told: list[Mapping[str, object]] = []

    def __call__(self, line: int, problem: str) -> None:
        """Report a problem of a line."""
        self.count += 1
        if self._keeps:
            self.told.append({"line": line, "problem": problem})
        if self.count <= SHOWN or not is_terminal():
            warn_line(f"{self._file}:{line}: {problem}")

    def conclude(self, advice: str = "") -> ExitCode:
        """Print the number of problems and the advice; return the exit code."""
        if self.count > SHOWN and is_terminal():
            warn(f"… and {self.count - SHOWN} more; `2> problems.txt` has them all")
        warn(
            f"eversince batch: {count_of(self.count, 'problem')}; nothing was made.{advice and ' ' + advice}"
        )
        return ExitCode.USAGE


def count_of(number: int, what: str) -> str:
    """Return a number with its noun, e.g. `1 video` or `2 videos`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
