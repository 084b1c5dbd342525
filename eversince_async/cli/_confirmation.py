"""The question before credits are spent, asked only at a terminal."""

import asyncio
import os
import sys
import threading
from contextlib import suppress

from eversince_async.batch.fields import yes_or_no
from eversince_async.batch.plan import Plan
from eversince_async.cli._output import prompt, warn, warn_line


def may_ask(*, yes: bool) -> bool:
    """Return True if a person is at the terminal to answer.

    That is so if both stdin and stderr are terminals.

    Args:
        yes: True if the answer was given beforehand; then there is no question.
    """
    try:
        return not yes and sys.stdin.isatty() and sys.stderr.isatty()
    except ValueError:  # one of them is closed
        return False


async def confirm(plan: Plan, question: str, *, no_input: bool) -> bool:
    """Ask once whether a plan's new items may be paid for.

    Returns True if the plan has no new items. Without a clear yes, returns False.

    Args:
        plan: The plan of the batch.
        question: The question to print.
        no_input: True if no question may be asked; then the answer is no.
    """
    if not plan.new:
        return True
    if no_input:
        warn("eversince: this costs credits, and --no-input forbids asking: add --yes. Nothing was sent.")
        return False
    for name, words in plan.lines():
        warn_line(f"{name + ':':<14}{words}")
    prompt(f"{question} [y/N] ")
    try:
        answer = await _prompt_line()
    except asyncio.CancelledError:
        warn("\nInterrupted. Nothing was sent.")
        raise
    if answer is None:
        warn("")
    if answer is not None and yes_or_no(answer):
        return True
    warn("Nothing was sent.")
    return False


async def _prompt_line() -> str | None:
    """Return the next typed line; None at the end of input.

    A daemon thread reads the line. Ctrl-C ends the question at once, although the thread itself ends only
    when a line is typed.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str | None] = loop.create_future()

    def deliver(line: str | None) -> None:
        if not answer.done():
            answer.set_result(line)

    def read() -> None:
        line = _read_line()
        with suppress(RuntimeError):  # the loop is closed, so there is no waiter any more
            loop.call_soon_threadsafe(deliver, line)

    threading.Thread(target=read, name="eversince question", daemon=True).start()
    return await answer


def _read_line() -> str | None:
    """Read a line from stdin's descriptor.

    The thread must hold no lock of stdin when the process ends in the middle of the read.
    """
    line = b""
    try:
        while not line.endswith(b"\n") and (more := os.read(sys.stdin.fileno(), 1024)):
            line += more
    except (OSError, ValueError):
        return None
    return line.decode(errors="replace") if line else None
