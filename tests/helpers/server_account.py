"""A server's own count of an account's requests, to check the governor."""

import heapq
from bisect import bisect_left, bisect_right, insort
from typing import Final

WINDOW: Final = 60.0


class SlidingAccount:
    """Refuse a request if the sliding window before it is full.

    The window ends with the request and holds `limit` requests.
    """

    def __init__(self, limit: int = 30, window: float = WINDOW) -> None:
        self.limit = limit
        self.window = window
        self.counted: list[float] = []

    def takes(self, now: float) -> bool:
        if self.used(now) >= self.limit:
            return False
        insort(self.counted, now)
        return True

    def used(self, now: float) -> int:
        """Return the requests in the window up to `now`.

        A request exactly one window old is outside.
        """
        return bisect_right(self.counted, now) - bisect_right(self.counted, now - self.window)

    def remaining(self, now: float) -> int:
        return self.limit - self.used(now)

    def resets_in(self, now: float) -> float:
        first = bisect_right(self.counted, now - self.window)
        return self.counted[first] + self.window - now if first < len(self.counted) else 0.0


class FixedAccount(SlidingAccount):
    """The same account with windows that begin at fixed times."""

    def __init__(self, limit: int = 30, window: float = WINDOW, begins: float = 23.0) -> None:
        super().__init__(limit, window)
        self.begins = begins

    def used(self, now: float) -> int:
        start = now - (now - self.begins) % self.window
        return bisect_right(self.counted, now) - bisect_left(self.counted, start)

    def resets_in(self, now: float) -> float:
        return self.window - (now - self.begins) % self.window


def most_in_any_window(times: list[float], window: float = WINDOW) -> int:
    """Return the highest number of `times` in any half-open window."""
    most, recent = 0, list[float]()
    for time in sorted(times):
        heapq.heappush(recent, time)
        while recent[0] <= time - window:
            heapq.heappop(recent)
        most = max(most, len(recent))
    return most
