"""The `eversince` command.

People run `eversince --help` first and most often, so it must start fast: cyclopts, rich, aiohttp and the
module of a command are imported only once the command is known.
"""

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from eversince_async.cli._commands import help_text
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._output import ResultsLost, open_streams, warn, write_line
from eversince_async.cli._signals import exit_code, listening


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    `eversince --help` lists the commands and the exit codes.

    Args:
        arguments: The words after `eversince`; None takes those of this process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    open_streams()
    try:
        with listening():
            return _main(given)
    except KeyboardInterrupt:  # the command has already printed how to go on
        return exit_code()
    except ResultsLost as lost:
        if lost.is_left:  # e.g. `eversince list | head`: the reader has left, and nothing is wrong
            return ExitCode.DONE
        warn(f"eversince: {lost}")
        return ExitCode.FAILED


def _main(given: list[str]) -> int:
    if any(find_spec(needed) is None for needed in ("cyclopts", "rich")):
        warn("eversince: the command line needs its extra: pip install 'eversince-async[cli]'")
        return ExitCode.FAILED
    if not given or given[0] in {"--help", "-h", "help"}:
        write_line(help_text())
        return ExitCode.DONE
    if given[0] in {"--version", "-V"}:
        from eversince_async._version import own_version

        write_line(f"eversince-async {own_version()}")
        return ExitCode.DONE

    from eversince_async.cli._dispatch import dispatch

    return dispatch(given[0], given[1:])


__all__ = ["main"]
