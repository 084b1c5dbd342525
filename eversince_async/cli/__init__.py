"""The `eversince` command.

`eversince --help` is what people ask first and most often, so it costs next to nothing: only when a
command is known are cyclopts, rich, aiohttp and that one command's module imported.
"""

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from eversince_async.cli._commands import help_text
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._output import ResultsLost, open_streams, warn, write_line
from eversince_async.cli._signals import exit_code, listening


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; `eversince --help` lists both.

    Args:
        arguments: What was typed behind `eversince`; by default what really was.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    open_streams()
    try:
        with listening():
            return _main(given)
    except KeyboardInterrupt:  # whoever had something to say about it has said it
        return exit_code()
    except ResultsLost as lost:
        if lost.is_left:  # e.g. `eversince list | head`: nobody reads on, and nothing is wrong
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
