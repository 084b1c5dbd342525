"""What others spend of the account's request budget, as far as the headers of our answers tell."""

from collections import deque


class ExternalUsage:
    """The most requests by others seen in one window, remembered for one window.

    Every answer says how many requests the account has left; what we did not send ourselves, others did:
    the studio, another process, another host. Others are expected to go on as they did, so the highest
    figure of the last window stands, with a little room on top for what they send before we hear of it. A
    window after they fall silent it is forgotten.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        # (requests, forgotten at): a maximum over a sliding window, so figures fall from left to right.
        self._seen: deque[tuple[int, float]] = deque()

    def record(self, requests: int, now: float) -> None:
        """An answer shows that others sent `requests` in the current window; zero or less: none."""
        while self._seen and self._seen[-1][0] <= requests:
            self._seen.pop()
        if requests > 0:
            self._seen.append((requests, now + self._window))

    def requests(self, now: float) -> int:
        """How many places of the budget to leave to others; 0 while nobody else is seen."""
        while self._seen and self._seen[0][1] <= now:
            self._seen.popleft()
        if not self._seen:
            return 0
        most = self._seen[0][0]
        return most + 1 + most // 10

    def changes_at(self) -> float | None:
        """Clock seconds when the present figure is forgotten; None when there is none."""
        return self._seen[0][1] if self._seen else None

    def shift(self, seconds: float) -> None:
        """Move every instant, for a clock that starts elsewhere."""
        self._seen = deque((requests, until + seconds) for requests, until in self._seen)
