"""Dispatch of a command, from its arguments to its exit code."""

import inspect
import logging
import os
import shlex
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Final

import cyclopts

from eversince_async.cli._commands import BY_NAME, Command
from eversince_async.cli._errors import describe_error, exit_code_for
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._loop import run
from eversince_async.cli._output import ResultsLost, log_to_stderr, set_command_line, warn, warn_line
from eversince_async.session.transport import ALLOW_HTTP

_ALLOW_HTTP: Final = "--allow-http"


def dispatch(name: str, arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    command = BY_NAME.get(name)
    if command is None:
        return _unknown(name)
    arguments, allows_http = _without_allow_http(arguments)
    function = getattr(import_module(f"eversince_async.cli.{command.home}"), command.function)
    try:
        call, bound, _ = parser(command, function).parse_args(
            arguments, print_error=False, exit_on_error=False
        )
    except cyclopts.CycloptsError as error:
        warn(f"eversince {name}: {_one_line(str(error))} Try: eversince {name} --help")
        return ExitCode.USAGE
    if call is not function:  # cyclopts wants to print the help instead
        call(*bound.args, **bound.kwargs)
        return ExitCode.DONE
    debug = bool(bound.arguments.get("debug", False))
    set_command_line(shlex.join(["eversince", name, *arguments, *([_ALLOW_HTTP] if allows_http else [])]))
    with _http_allowed() if allows_http else nullcontext():
        return _run(lambda: call(*bound.args, **bound.kwargs), debug=debug)


def _without_allow_http(arguments: list[str]) -> tuple[list[str], bool]:
    """Remove `--allow-http`, which every command takes, from the arguments.

    Returns:
        The other arguments, and True if the option was among them.
    """
    until = arguments.index("--") if "--" in arguments else len(arguments)
    options = [each for each in arguments[:until] if each != _ALLOW_HTTP]
    return [*options, *arguments[until:]], len(options) < until


@contextmanager
def _http_allowed() -> Generator[None, None, None]:
    """Set the environment variable that allows plain http, for one command."""
    before = os.environ.get(ALLOW_HTTP)
    os.environ[ALLOW_HTTP] = "1"
    try:
        yield
    finally:
        os.environ.pop(ALLOW_HTTP)
        if before is not None:
            os.environ[ALLOW_HTTP] = before


def parser(command: Command, function: Callable[..., Any]) -> cyclopts.App:
    """Return the parser for the arguments of one command."""
    app = cyclopts.App(
        name=f"eversince {command.name}",
        help_flags=["--help", "-h"],
        version_flags=[],
        default_parameter=cyclopts.Parameter(negative_iterable=()),
    )
    app.default(function)
    return app


def _run(call: Callable[[], Any], *, debug: bool) -> int:
    if debug:
        log_to_stderr()
    try:
        outcome = call()
        return int(run(outcome) if inspect.iscoroutine(outcome) else outcome)
    except (KeyboardInterrupt, ResultsLost):
        raise
    except Exception as error:  # a person sees one line, unless they asked for more
        if debug:
            logging.getLogger("eversince_async").exception("the command failed")
        warn_line(f"eversince: {describe_error(error)}")
        return exit_code_for(error)


def _unknown(name: str) -> int:
    alike = get_close_matches(name, BY_NAME, n=1)
    meant = f" Did you mean {alike[0]}?" if alike else ""
    warn(f"eversince: there is no command {name!r}.{meant} Try: eversince --help")
    return ExitCode.USAGE


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if line.endswith((".", "?", "!")) else line + "."
