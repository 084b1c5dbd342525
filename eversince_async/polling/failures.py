"""Looks that came to nothing: how long without a break, and until when they are not repeated.

A look at one project may fail where others do not, and so may the list. So whoever waits is given up for what
befell the own project, or all looks alike, and never for what befell another's.
"""

import math
from typing import Final

from eversince_async.errors import (
    ApiError,
    EversinceError,
    Forbidden,
    ServerError,
    TooManyRequests,
    Unauthorized,
)
from eversince_async.polling.schedule import DEFAULT_POLL_INTERVAL, MIN_POLL_INTERVAL

LIST: Final = ""
"""What stands for the list among the ids of projects, none of which is empty."""


def is_verdict(failure: EversinceError) -> bool:
    """Whether the API itself has refused a look for good; anything else may pass, whatever its status."""
    if not isinstance(failure, ApiError) or isinstance(failure, ServerError | TooManyRequests):
        return False
    return failure.is_documented


def concerns_account(failure: EversinceError) -> bool:
    """Whether it would befall every look."""
    return isinstance(failure, Unauthorized | Forbidden) and is_verdict(failure)


class Setbacks:
    """Counts failed looks, at a project (by its id) or at the `LIST`. Times are loop time.

    Args:
        patience: Seconds a streak of failed looks may last.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: dict[str, float] = {}  # of each streak that is unbroken
        self._nothing_since = math.inf  # since when no look at all has succeeded
        self._held: dict[str, float] = {}
        self._all_held = -math.inf

    def befell(self, subject: str) -> bool:
        """Whether the last look at it failed."""
        return subject in self._since

    def failed(self, subject: str, failure: EversinceError, now: float) -> bool:
        """A look has failed; whether that has gone on for too long: with it, or with all looks."""
        self._nothing_since = min(self._nothing_since, now)
        is_too_long = now - self._since.setdefault(subject, now) >= self._patience or self.is_spent(now)
        if isinstance(failure, ApiError) and failure.status in {429, 503} and failure.retry_after:
            # Who asks for more time than we are patient means no pause, or did not mean it.
            self.hold_all(now + min(failure.retry_after, self._patience))
        self.hold(subject, now + (DEFAULT_POLL_INTERVAL if is_too_long else MIN_POLL_INTERVAL))
        return is_too_long

    def is_spent(self, now: float) -> bool:
        """Whether no look at all has succeeded for too long."""
        return now - self._nothing_since >= self._patience

    def succeeded(self, subject: str) -> None:
        """A look came to something."""
        self._nothing_since = math.inf
        self.forget(subject)

    def end_streak(self, subject: str) -> None:
        """Begin to count anew, if it fails again; what holds back looks at it still does."""
        self._since.pop(subject, None)

    def forget(self, subject: str) -> None:
        """What befell it matters no more."""
        self._since.pop(subject, None)
        self._held.pop(subject, None)

    def begin_anew(self) -> None:
        """Nobody has waited for a while: what holds back a look still does, but no streak goes on."""
        self._since.clear()
        self._nothing_since = math.inf

    def hold(self, subject: str, until: float) -> None:
        """Do not look at it before."""
        self._held[subject] = max(until, self._held.get(subject, until))

    def hold_all(self, until: float) -> None:
        """Do not look at anything before."""
        self._all_held = max(until, self._all_held)

    def not_before(self, subject: str) -> float:
        """When it may be looked at again."""
        return max(self._all_held, self._held.get(subject, -math.inf))
