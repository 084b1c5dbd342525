"""Why a batch stops before its end: credits, the day's quotas, a refused key, or because it was told to."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from eversince_async.durable.api import loop_time
from eversince_async.durable.confirm import retry_transient
from eversince_async.errors import EversinceError, InsufficientCredits
from eversince_async.models.account import CreditPackage
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.polling.schedule import MIN_POLL_INTERVAL

LOOK: Final = 30.0
"""Seconds between two looks at the balance, if it matters: what is bought between two of them hides what is
spent between the same."""


class StopCondition:
    """Whether, and why, nothing more is begun.

    Args:
        runtime: What to work with.
        max_credits: How many may be spent before nothing more is begun; None: any number.
        stop: Begins nothing any more.

    Attributes:
        reason: In words; None as long as there is none.
        cause: The error, if it was one.
        packages: What to buy, when credits ran out.
        is_careful: Whether the balance is asked for although nobody has set a limit, as it is low.
    """

    def __init__(self, runtime: Runtime, max_credits: float | None, stop: Callable[[], object]) -> None:
        self.reason: str | None = None
        self.cause: Exception | None = None
        self.packages: Sequence[CreditPackage] = ()
        self.is_careful = False
        self._runtime = runtime
        self._max_credits = max_credits
        self._stop = stop
        self._asking = asyncio.Lock()
        self._asked_at: float | None = None
        self._told_before = 0
        self._spent_before: float | None = None
        self._is_short_of_credits = False

    def trigger(self, reason: str, cause: Exception | None = None) -> None:
        """Begin nothing any more, and remember why: a refusal goes before what was only wanted."""
        if self.reason is None or (self.cause is None and cause is not None):
            self.reason, self.cause = reason, cause
        self._stop()

    def falls_short(self, reason: str) -> None:
        """Begin nothing any more for want of credits, which can be bought."""
        self._is_short_of_credits = True
        self.trigger(reason)

    @property
    def credits_spent(self) -> float | None:
        """By how many credits the balance fell in this run; None while that was not told."""
        known = self._runtime.governor.credits
        return None if known is None or self._spent_before is None else known.spent - self._spent_before

    async def fetch_balance(self) -> None:
        """Ask for the balance before anything is begun, if it matters."""
        self._told_before = self._times_told()  # which may be of any age
        await self.learn_balance_again()

    async def learn_balance_again(self, *, at_once: bool = False) -> None:
        """Ask again, if it matters: creates do not tell what those before them cost in the end.

        Args:
            at_once: Whether to ask although it was told a moment ago.
        """
        governor = self._runtime.governor
        is_limited = self._max_credits is not None or governor.limits.credits_reserve > 0
        if not is_limited and not self.is_careful:
            return
        wanted_at = loop_time()
        async with self._asking:
            since = self._asked_at
            if since is not None and (
                since >= wanted_at or (not at_once and loop_time() < since + MIN_POLL_INTERVAL)
            ):
                return
            with suppress(EversinceError):  # then the next create's answer tells it, or the same error
                self._asked_at, account = loop_time(), self._runtime.interactive.account
                told = await retry_transient(self._runtime, account.credits)
                governor.record_credits(told.credits_balance, requested_at=self._asked_at)
                self.check_credits()

    async def learn_what_it_cost(self) -> None:
        """Ask what is left now that an item has come to its end, if it matters; stop if nothing tells."""
        await self.learn_balance_again(at_once=True)
        if self._max_credits is not None and self._times_told() == self._told_before:
            self.trigger(f"no answer tells the balance, so nobody knows when {self._max_credits:g} are spent")

    def check_credits(self) -> None:
        """Stop before more is spent than was allowed, as far as the balance is known: creates tell it.

        What was spent is what the balance has fallen by since it was told first in this run, however much
        was bought meanwhile.
        """
        known = self._runtime.governor.credits
        if known is None or known.times == self._told_before:
            return
        if self._spent_before is None:
            self._spent_before = known.spent
        spent = known.spent - self._spent_before
        if self._max_credits is not None and spent >= self._max_credits:
            self.trigger(f"{spent:g} credits are spent, at most {self._max_credits:g} were to be")
        elif known.balance < known.reserve:
            self.falls_short(f"{known.balance:g} credits are left, {known.reserve:g} were to be")

    def _times_told(self) -> int:
        known = self._runtime.governor.credits
        return 0 if known is None else known.times

    async def fetch_packages(self) -> None:
        """Ask where credits can be bought, if it is for want of them that we stop."""
        if isinstance(self.cause, InsufficientCredits):
            self.packages = self.cause.packages
        elif self._is_short_of_credits:
            with suppress(EversinceError):  # the batch is over all the same
                self.packages = (await self._runtime.interactive.account.credit_packages()).packages
