"""Failed polls: the length of unbroken streaks, and the pauses they cause.

A poll of one project may fail while polls of others succeed, and so may the list. So a waiter is given up
only because polls of its own project, or all polls, have failed; never because polls of another project have.
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
"""The key that stands for the list of projects.

It stands among the ids of projects, none of which is empty.
"""


def is_verdict(failure: EversinceError) -> bool:
    """Return True if the API itself has refused a poll for good.

    Any other failure may be temporary, even with the same status.
    """
    if not isinstance(failure, ApiError) or isinstance(failure, ServerError | TooManyRequests):
        return False
    return failure.is_documented


def concerns_account(failure: EversinceError) -> bool:
    """Return True if the failure would meet every poll."""
    return isinstance(failure, Unauthorized | Forbidden) and is_verdict(failure)


class FailureStreaks:
    """Unbroken streaks of failed polls, and the pauses they cause.

    A streak is that of a project, by its id, or that of the `LIST`. Times are loop time.

    Args:
        patience: The longest time that a streak of failed polls may last, in seconds.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: dict[str, float] = {}  # the start of each unbroken streak
        self._nothing_since = math.inf  # the time since which no poll at all has succeeded
        self._held: dict[str, float] = {}
        self._all_held = -math.inf

    def is_failing(self, subject: str) -> bool:
        """Return True if the last poll of a subject failed."""
        return subject in self._since

    def failed(self, subject: str, failure: EversinceError, now: float) -> bool:
        """Record a failed poll; return True if failures have lasted too long.

        The streak of this subject counts, and so does the streak of all polls.
        """
        self._nothing_since = min(self._nothing_since, now)
        is_too_long = now - self._since.setdefault(subject, now) >= self._patience or self.is_spent(now)
        if isinstance(failure, ApiError) and failure.status in {429, 503} and failure.retry_after:
            # A pause that is longer than the patience is no pause, or was not meant.
            self.hold_all(now + min(failure.retry_after, self._patience))
        self.hold(subject, now + (DEFAULT_POLL_INTERVAL if is_too_long else MIN_POLL_INTERVAL))
        return is_too_long

    def is_spent(self, now: float) -> bool:
        """Return True if no poll at all has succeeded for too long."""
        return now - self._nothing_since >= self._patience

    def succeeded(self, subject: str) -> None:
        """Record a successful poll."""
        self._nothing_since = math.inf
        self.forget(subject)

    def end_streak(self, subject: str) -> None:
        """End a streak of failures, but keep the pause of polls."""
        self._since.pop(subject, None)

    def forget(self, subject: str) -> None:
        """Forget the streak and the pause of a subject."""
        self._since.pop(subject, None)
        self._held.pop(subject, None)

    def begin_anew(self) -> None:
        """End all streaks, after a time without waiters.

        Pauses that hold polls back remain.
        """
        self._since.clear()
        self._nothing_since = math.inf

    def hold(self, subject: str, until: float) -> None:
        """Allow no poll of a subject before a time."""
        self._held[subject] = max(until, self._held.get(subject, until))

    def hold_all(self, until: float) -> None:
        """Allow no poll at all before a time."""
        self._all_held = max(until, self._all_held)

    def not_before(self, subject: str) -> float:
        """Return the time from which a subject may be polled again."""
        return max(self._all_held, self._held.get(subject, -math.inf))
