"""The question before credits are spent: asked of a person at a terminal, and of nobody else."""

import asyncio
import os
import sys
import threading
from contextlib import suppress

from eversince_async.batch.fields import yes_or_no
from eversince_async.batch.plan import Plan
from eversince_async.cli._output import prompt, warn, warn_line


def may_ask(*, yes: bool) -> bool:
    """Whether somebody is there to answer: what is typed, and what we say, is at a terminal.

    Args:
        yes: Whether the answer was given beforehand.
    """
    try:
        return not yes and sys.stdin.isatty() and sys.stderr.isatty()
    except ValueError:  # one of them is closed
        return False


async def confirm(plan: Plan, question: str, *, no_input: bool) -> bool:
    """Whether what is new may be paid for; asks, once, and without a clear yes it may not.

    Args:
        plan: What is going to be done.
        question: What to ask.
        no_input: Whether nothing may be asked; then the answer is no.
    """
    if not plan.new:
        return True
    if no_input:
        warn("eversince: this is to be paid for, and --no-input forbids to ask: say --yes. Nothing was sent.")
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
    """What is typed next; None at its end.

    A thread waits for it that nobody waits for: Ctrl-C ends the question, although the thread cannot be
    ended before something is typed.
    """
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[str | None] = loop.create_future()

    def tell(line: str | None) -> None:
        if not typed.done():
            typed.set_result(line)

    def read() -> None:
        line = _read_line()
        with suppress(RuntimeError):  # nobody waits any more, and the loop has gone
            loop.call_soon_threadsafe(tell, line)

    threading.Thread(target=read, name="eversince question", daemon=True).start()
    return await typed


def _read_line() -> str | None:
    """Read from the descriptor: a thread in the midst of it must hold no lock when the process ends."""
    line = b""
    try:
        while not line.endswith(b"\n") and (more := os.read(sys.stdin.fileno(), 1024)):
            line += more
    except (OSError, ValueError):
        return None
    return line.decode(errors="replace") if line else None
