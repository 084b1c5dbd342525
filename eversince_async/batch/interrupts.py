"""Ctrl-C twice: the first time what has begun is brought to its end, the second time we leave at once."""

import asyncio
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def first_interrupt(call: Callable[[], object]) -> Generator[None, None, None]:
    """Call something at the first Ctrl-C; the second does what it would have done without us.

    Elsewhere than in the main thread, or where the loop does not hear of signals, this changes nothing.
    """
    loop = asyncio.get_running_loop()
    previous = signal.getsignal(signal.SIGINT)
    is_ours = False

    def give_back() -> None:
        nonlocal is_ours
        if is_ours:
            is_ours = False
            loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, previous)

    def interrupted() -> None:
        if is_ours:  # a shell or `timeout` may signal process and group: that is one Ctrl-C, not two
            give_back()
            call()

    if threading.current_thread() is threading.main_thread() and previous is not None:
        try:
            loop.add_signal_handler(signal.SIGINT, interrupted)
            is_ours = True
        except (NotImplementedError, RuntimeError, ValueError):  # Windows, or a loop of another kind
            pass
    try:
        yield
    finally:
        give_back()
