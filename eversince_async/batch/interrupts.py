"""Ctrl-C twice: the first time what has begun is brought to its end, the second time we leave at once."""

import asyncio
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

AT_ONCE: Final = 0.1
"""Seconds within which two signals are one Ctrl-C: a shell or `timeout` may signal process and group."""


@contextmanager
def first_interrupt(call: Callable[[], object]) -> Generator[None, None, None]:
    """Call something at the first Ctrl-C; the second does what it would have done without us.

    The first one is for all that are in such a block in the same loop: each is called. The second is for
    nobody here, also when another block was entered since the first.

    Elsewhere than in the main thread this changes nothing, nor where Ctrl-C is ignored, or heard by the
    event loop on behalf of the application.
    """
    listener = _listener()
    if listener is None:
        yield
        return
    entry = object()
    listener.calls[entry] = call
    try:
        yield
    finally:
        del listener.calls[entry]
        if not listener.calls:
            listener.give_back()


class _Listener:
    """Listens for Ctrl-C on behalf of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, previous: Any) -> None:
        self.loop = loop
        self.calls: dict[object, Callable[[], object]] = {}
        self._previous = previous
        self._heard_at: float | None = None
        signal.signal(signal.SIGINT, self.heard)

    def heard(self, number: int, _: FrameType | None) -> None:
        """Take the first signal, and leave all later ones to whoever was there before us."""
        if not self.loop.is_running():  # it died in one of the blocks
            self.give_back()
            signal.raise_signal(number)
        elif self._heard_at is None:
            self._heard_at = self.loop.time()
            self.loop.call_soon_threadsafe(self._call_all)
        elif self.loop.time() - self._heard_at > AT_ONCE:  # also while something holds up the loop
            self.give_back()
            signal.raise_signal(number)

    def give_back(self) -> None:
        """Have signals handled as before, unless somebody else has come since."""
        global _listening
        is_main = threading.current_thread() is threading.main_thread()  # a block may be collected elsewhere
        if is_main and signal.getsignal(signal.SIGINT) == self.heard:
            signal.signal(signal.SIGINT, self._previous)
        if _listening is self:
            _listening = None

    def _call_all(self) -> None:
        for call in list(self.calls.values()):
            call()


_listening: _Listener | None = None
"""The one whose handler is in place; at most one loop runs in the main thread at a time."""


def _listener() -> _Listener | None:
    """The listener of the running loop; None where there is nothing to listen to."""
    global _listening
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        return None
    if _listening is not None:
        if _listening.loop is loop:
            return _listening
        _listening.give_back()  # its loop died in one of the blocks
    previous = signal.getsignal(signal.SIGINT)
    is_heard_by_loop = signal.SIGINT in getattr(loop, "_signal_handlers", ())
    if previous is None or previous is signal.SIG_IGN or is_heard_by_loop:
        return None
    _listening = _Listener(loop, previous)
    return _listening
