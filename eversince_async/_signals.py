"""Ctrl-C twice: the first completes started work, the second ends it."""

import asyncio
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import attrs

AT_ONCE: Final = 0.1
"""Seconds within which two signals count as one.

A shell or `timeout` may signal both a process and its group.
"""

CTRL_C: Final = (signal.SIGINT,)


@contextmanager
def on_first_sigint(
    call: Callable[[], object], signals: Iterable[signal.Signals] = CTRL_C
) -> Generator[None, None, None]:
    """Call a function at the first Ctrl-C, but not at the second.

    The second Ctrl-C does what it would do without this block.

    The first Ctrl-C concerns all such blocks in the same loop: the functions of all of them are called. The
    second concerns none of them, even if another block was entered since the first.

    Outside the main thread this changes nothing, nor if a signal is ignored, or if the event loop handles it
    for the application.

    Args:
        call: The function to call.
        signals: The signals that count as Ctrl-C. After any of them, the next of any of them is the second.
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
    """A block's function, and the signals at which to call it."""

    call: Callable[[], object]
    signals: frozenset[signal.Signals]


class _Listener:
    """The signal handler on behalf of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._entries: dict[_Entry, None] = {}
        self._previous: dict[signal.Signals, Any] = {}
        self._heard_at: float | None = None

    def enter(self, entry: _Entry) -> bool:
        """Listen for a block; return False if no signal can be heard."""
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
        """End a block; after the last one, restore the old handlers."""
        del self._entries[entry]
        if not self._entries:
            self.give_back()

    def on_signal(self, number: int, _: FrameType | None) -> None:
        """Handle the first signal, and leave later ones to the old handlers."""
        if not self.loop.is_running():  # the loop died in one of the blocks
            self.give_back()
            signal.raise_signal(number)
        elif self._heard_at is None:
            self._heard_at = self.loop.time()
            self.loop.call_soon_threadsafe(self._call_all, signal.Signals(number))
        elif self.loop.time() - self._heard_at > AT_ONCE:  # even while a callback blocks the loop
            self.give_back()
            signal.raise_signal(number)

    def give_back(self) -> None:
        """Restore the old handlers, unless other code has replaced ours since."""
        global _listening
        if threading.current_thread() is threading.main_thread():  # other threads may collect a block
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
"""The listener whose handlers are in place.

At most one loop runs in the main thread at a time.
"""


def _listener() -> _Listener | None:
    """Return the running loop's listener; None outside the main thread."""
    global _listening
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        return None
    if _listening is not None and _listening.loop is not loop:
        _listening.give_back()  # the listener's loop died in one of the blocks
    if _listening is None:
        _listening = _Listener(loop)
    return _listening
