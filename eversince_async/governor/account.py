"""The account's credits, as answers tell them."""

import math
from datetime import datetime

from eversince_async.clock import steady_now
from eversince_async.governor.snapshot import CreditsSnapshot


class Account:
    """The balance as told last, and what was spent as far as it was seen to fall.

    Credits that are bought raise the balance and hide nothing of what was spent before.

    Args:
        reserve: Credits that should be left.
    """

    def __init__(self, reserve: float) -> None:
        self._reserve = reserve
        self._told: tuple[float, datetime] | None = None
        self._told_at = -math.inf  # in clock seconds
        self._spent = 0.0
        self._times = 0

    def note(self, balance: float, now: float, requested_at: float) -> None:
        """An answer to a request that left at `requested_at` shows the balance; times are clock seconds."""
        before = balance if self._told is None else self._told[0]
        if balance > before and requested_at < self._told_at:
            return  # it was on its way together with the one before, and tells of an earlier moment
        self._spent += max(0.0, before - balance)
        self._told, self._told_at = (balance, steady_now()), now
        self._times += 1

    def snapshot(self) -> CreditsSnapshot | None:
        """How things stand; None before any answer told."""
        if self._told is None:
            return None
        balance, noted_at = self._told
        return CreditsSnapshot(
            balance=balance, reserve=self._reserve, noted_at=noted_at, spent=self._spent, times=self._times
        )

    def move(self, shift: float) -> None:
        """Go on by another clock, which is `shift` ahead."""
        self._told_at += shift
