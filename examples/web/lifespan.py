"""Notice of the server's shutdown, while there is still time to act."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def call_on_stop(tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` in the event loop when a stop signal arrives.

    The signals are SIGTERM and Ctrl-C; the server's own handlers run, too. An ASGI server notifies its
    application only when all requests are over. A stream of events never ends by itself, so the server would
    wait until its timeout, and then break it off.
    """
    if threading.current_thread() is not threading.main_thread():  # as in a test client: no signals there
        yield
        return
    loop = asyncio.get_running_loop()
    servers: dict[int, Any] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(tell)
        servers[number](number, frame)

    for signum in (signal.SIGTERM, signal.SIGINT):
        handler = signal.getsignal(signum)
        if callable(handler):  # otherwise there is no server that would stop
            servers[signum] = handler
            signal.signal(signum, stop)
    try:
        yield
    finally:
        for number, handler in servers.items():
            if signal.getsignal(number) is stop:
                signal.signal(number, handler)
