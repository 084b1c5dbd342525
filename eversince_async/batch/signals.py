"""Ctrl-C twice: the first time what has begun is brought to its end, the second time we leave at once."""

import asyncio
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import attrs

AT_ONCE: Final = 0.1
"""Seconds within which two signals are one: a shell or `timeout` may signal process and group."""

CTRL_C: Final = (signal.SIGINT,)


@contextmanager
def on_first_sigint(
    call: Callable[[], object], signals: Iterable[signal.Signals] = CTRL_C
) -> Generator[None, None, None]:
    """Call something at the first Ctrl-C; the second does what it would have done without us.

    The first one is for all that are in such a block in the same loop: each is called. The second is for
    nobody here, also when another block was entered since the first.

    Elsewhere than in the main thread this changes nothing, nor where a signal is ignored, or heard by the
    event loop on behalf of the application.

    Args:
        call: What to call.
        signals: What is taken for a Ctrl-C; whichever comes, the next of any of them is the second.
    """
    listener = _listener()
    entry = _Entry(call, frozenset(signals))
    if listener is None or not listener.enter(entry):
        yield
        return
    try:
        yield
    finally:
        listener.leave(entry)


@attrs.frozen(eq=False)
class _Entry:
    """A block: what to call at which signals."""

    call: Callable[[], object]
    signals: frozenset[signal.Signals]


class _Listener:
    """Listens for Ctrl-C, and what is taken for it, on behalf of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._entries: dict[_Entry, None] = {}
        self._previous: dict[signal.Signals, Any] = {}
        self._heard_at: float | None = None

    def enter(self, entry: _Entry) -> bool:
        """Listen on behalf of a block, too; False if there is nothing to listen to."""
        for number in entry.signals - self._previous.keys():
            previous = signal.getsignal(number)
            is_heard_by_loop = number in getattr(self.loop, "_signal_handlers", ())
            if previous is not None and previous is not signal.SIG_IGN and not is_heard_by_loop:
                self._previous[number] = previous
                signal.signal(number, self.on_signal)
        if not entry.signals & self._previous.keys():
            if not self._entries:
                self.give_back()
            return False
        self._entries[entry] = None
        return True

    def leave(self, entry: _Entry) -> None:
        """A block is over; with the last one we are."""
        del self._entries[entry]
        if not self._entries:
            self.give_back()

    def on_signal(self, number: int, _: FrameType | None) -> None:
        """Take the first signal, and leave all later ones to whoever was there before us."""
        if not self.loop.is_running():  # it died in one of the blocks
            self.give_back()
            signal.raise_signal(number)
        elif self._heard_at is None:
            self._heard_at = self.loop.time()
            self.loop.call_soon_threadsafe(self._call_all, signal.Signals(number))
        elif self.loop.time() - self._heard_at > AT_ONCE:  # also while something holds up the loop
            self.give_back()
            signal.raise_signal(number)

    def give_back(self) -> None:
        """Have signals handled as before, unless somebody else has come since."""
        global _listening
        if threading.current_thread() is threading.main_thread():  # a block may be collected elsewhere
            for number, previous in self._previous.items():
                if signal.getsignal(number) == self.on_signal:
                    signal.signal(number, previous)
        if _listening is self:
            _listening = None

    def _call_all(self, number: signal.Signals) -> None:
        for entry in list(self._entries):
            if number in entry.signals:
                entry.call()


_listening: _Listener | None = None
"""The one whose handlers are in place; at most one loop runs in the main thread at a time."""


def _listener() -> _Listener | None:
    """The listener of the running loop; None where there is nothing to listen to."""
    global _listening
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        return None
    if _listening is not None and _listening.loop is not loop:
        _listening.give_back()  # its loop died in one of the blocks
    if _listening is None:
        _listening = _Listener(loop)
    return _listening
