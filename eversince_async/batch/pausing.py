"""Why a batch stops before its end: credits, the day's quotas, a refused key, or because it was told to."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from eversince_async.errors import EversinceError, InsufficientCredits
from eversince_async.models.account import CreditPackage
from eversince_async.orchestrator.desk import Desk


class Pause:
    """Whether, and why, nothing more is begun.

    Args:
        desk: What to work with.
        max_credits: How many may be spent before nothing more is begun; None: any number.
        stop: Begins nothing any more.

    Attributes:
        reason: In words; None as long as there is none.
        cause: The error, if it was one.
        packages: What to buy, when credits ran out.
    """

    def __init__(self, desk: Desk, max_credits: float | None, stop: Callable[[], object]) -> None:
        self.reason: str | None = None
        self.cause: Exception | None = None
        self.packages: Sequence[CreditPackage] = ()
        self._desk = desk
        self._max_credits = max_credits
        self._stop = stop
        self._credits_at_first: float | None = None
        self._is_short_of_credits = False

    def begins(self, reason: str, cause: Exception | None = None) -> None:
        """Begin nothing any more, and remember the first reason why."""
        if self.reason is None:
            self.reason, self.cause = reason, cause
        self._stop()

    async def learn_balance(self) -> None:
        """Ask for the balance before anything is begun, if it matters."""
        governor = self._desk.governor
        if self._max_credits is not None or governor.limits.credits_reserve:
            with suppress(EversinceError):  # then the first create's answer tells it, or the same error
                governor.noted_credits((await self._desk.interactive.account.credits()).credits_balance)
                self.watch_credits()

    def watch_credits(self) -> None:
        """Stop before more is spent than was allowed, as far as the balance is known: creates tell it."""
        known = self._desk.governor.credits
        if known is None:
            return
        if self._credits_at_first is None:
            self._credits_at_first = known.balance
        spent = self._credits_at_first - known.balance
        if self._max_credits is not None and spent >= self._max_credits:
            self.begins(f"{spent:g} credits are spent, at most {self._max_credits:g} were to be")
        elif known.balance < known.reserve:
            self._is_short_of_credits = True
            self.begins(f"{known.balance:g} credits are left, {known.reserve:g} were to be")

    async def learn_what_to_buy(self) -> None:
        """Ask where credits can be bought, if it is for want of them that we stop."""
        if isinstance(self.cause, InsufficientCredits):
            self.packages = self.cause.packages
        elif self._is_short_of_credits:
            with suppress(EversinceError):  # the batch is over all the same
                self.packages = (await self._desk.interactive.account.credit_packages()).packages
