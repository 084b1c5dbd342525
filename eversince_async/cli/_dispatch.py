"""From what was typed to a call of one command: parse, run, translate how it ended."""

import inspect
import logging
import shlex
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import cyclopts

from eversince_async.cli._exits import Exit
from eversince_async.cli._loop import run
from eversince_async.cli._overview import BY_NAME, Command
from eversince_async.cli._say import remember_typed, warn
from eversince_async.cli._trouble import exit_of, sentence


def dispatch(name: str, arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    command = BY_NAME.get(name)
    if command is None:
        return _unknown(name)
    function = getattr(import_module(f"eversince_async.cli.{command.home}"), command.function)
    try:
        call, bound, _ = parser(command, function).parse_args(
            arguments, print_error=False, exit_on_error=False
        )
    except cyclopts.CycloptsError as error:
        warn(f"eversince {name}: {_one_line(str(error))} Try: eversince {name} --help")
        return Exit.USAGE
    if call is not function:  # its help
        call(*bound.args, **bound.kwargs)
        return Exit.DONE
    debug = bool(bound.arguments.get("debug", False))
    remember_typed(shlex.join(["eversince", name, *arguments]))
    return _run(lambda: call(*bound.args, **bound.kwargs), debug=debug)


def parser(command: Command, function: Callable[..., Any]) -> cyclopts.App:
    """What reads the arguments of one command."""
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
        logging.basicConfig(level=logging.DEBUG, format="%(relativeCreated)8d %(name)s: %(message)s")
    try:
        outcome = call()
        return int(run(outcome) if inspect.iscoroutine(outcome) else outcome)
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as error:  # a person sees one line, unless they asked for more
        if debug:
            logging.getLogger("eversince_async").exception("the command failed")
        warn(f"eversince: {sentence(error)}")
        return exit_of(error)


def _unknown(name: str) -> int:
    alike = get_close_matches(name, BY_NAME, n=1)
    meant = f" Did you mean {alike[0]}?" if alike else ""
    warn(f"eversince: there is no command {name!r}.{meant} Try: eversince --help")
    return Exit.USAGE


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if line.endswith((".", "?", "!")) else line + "."
