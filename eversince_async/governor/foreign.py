"""The requests of other users of the account.

They are known as far as the headers of our responses show them.
"""

from collections import deque


class ExternalUsage:
    """The most requests by others seen in one window.

    The figure is remembered for one window.

    Every response says how many requests the account has left; the rest that we did not send ourselves,
    others sent: the studio, another process, another host. Others are expected to continue as they did, so
    the highest figure of the last window stands, with a little room on top for requests that they send before
    a response shows them. A window after they fall silent the figure is forgotten.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        # (requests, forgotten at): a maximum over a sliding window, so figures fall from left to right.
        self._figures: deque[tuple[int, float]] = deque()

    def record(self, requests: int, now: float) -> None:
        """Record that a response shows `requests` by others in the current window.

        Zero or less means none.
        """
        while self._figures and self._figures[-1][0] <= requests:
            self._figures.pop()
        if requests > 0:
            self._figures.append((requests, now + self._window))

    def requests(self, now: float) -> int:
        """Return how many places of the budget to leave to others.

        0 while no requests of others are seen.
        """
        while self._figures and self._figures[0][1] <= now:
            self._figures.popleft()
        if not self._figures:
            return 0
        most = self._figures[0][0]
        return most + 1 + most // 10

    def changes_at(self) -> float | None:
        """Return the time at which the present figure is forgotten.

        In clock seconds; None if there is no figure.
        """
        return self._figures[0][1] if self._figures else None

    def shift(self, seconds: float) -> None:
        """Move every instant, for a clock that starts elsewhere."""
        self._figures = deque((requests, until + seconds) for requests, until in self._figures)
