"""The account's credits, as the server's responses report them."""

import math
from datetime import datetime

from eversince_async.clock import steady_now
from eversince_async.governor.snapshot import CreditsSnapshot


class Account:
    """The latest balance, and the credits spent as far as responses show.

    Credits that are bought raise the balance and hide nothing of what was spent before.

    Args:
        reserve: Credits that should be left.
    """

    def __init__(self, reserve: float) -> None:
        self._reserve = reserve
        self._latest: tuple[float, datetime] | None = None
        self._latest_at = -math.inf  # in clock seconds
        self._spent = 0.0
        self._times = 0

    def note(self, balance: float, now: float, requested_at: float) -> None:
        """Record the balance of a response to a request sent at `requested_at`.

        Times are clock seconds.
        """
        before = balance if self._latest is None else self._latest[0]
        if balance > before and requested_at < self._latest_at:
            return  # both requests were in flight together, and this response shows the earlier state
        self._spent += max(0.0, before - balance)
        self._latest, self._latest_at = (balance, steady_now()), now
        self._times += 1

    def snapshot(self) -> CreditsSnapshot | None:
        """Return the credits as a value; None before any response reported them."""
        if self._latest is None:
            return None
        balance, noted_at = self._latest
        return CreditsSnapshot(
            balance=balance, reserve=self._reserve, noted_at=noted_at, spent=self._spent, times=self._times
        )

    def move(self, shift: float) -> None:
        """Switch to another clock, which is `shift` seconds ahead."""
        self._latest_at += shift
