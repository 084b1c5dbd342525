"""A line of waiters, first come, first served.

Looking up a waiter's position costs little, even in a long line.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Generic, TypeVar

from eversince_async.governor.waiters import Waiter

W = TypeVar("W", bound=Waiter)


class Line(Generic[W]):
    """Waiters in the order of their turns.

    Each may leave at any time.
    """

    def __init__(self) -> None:
        self._waiters: dict[int, W] = {}  # by their numbers
        self._numbers: list[int] = []  # in order

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[W]:
        for number in self._numbers:
            yield self._waiters[number]

    def __contains__(self, waiter: W) -> bool:
        return self._waiters.get(waiter.number) is waiter

    def add(self, waiter: W, *, first: bool = False) -> None:
        """Add a waiter at the end, or before all others."""
        if first:
            waiter.number = self._numbers[0] - 1 if self._numbers else 0
            self._numbers.insert(0, waiter.number)
        else:
            waiter.number = self._numbers[-1] + 1 if self._numbers else 0
            self._numbers.append(waiter.number)
        self._waiters[waiter.number] = waiter

    def discard(self, waiter: W) -> bool:
        """Remove a waiter; return True if it stood in the line."""
        if waiter not in self:
            return False
        del self._waiters[waiter.number]
        del self._numbers[bisect_left(self._numbers, waiter.number)]
        return True

    def pop(self) -> W:
        """Remove and return the first waiter."""
        return self._waiters.pop(self._numbers.pop(0))

    def ahead_of(self, waiter: W) -> int:
        """Return the number of waiters before this one; 0 if absent."""
        return bisect_left(self._numbers, waiter.number) if waiter in self else 0

    def clear(self) -> None:
        """Remove all waiters."""
        self._waiters.clear()
        self._numbers.clear()
