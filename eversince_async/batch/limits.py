"""`StopCondition`: the reason why a batch starts nothing more.

Credits may run out, a daily quota may be used up, the server may refuse the key, or a caller may drain the
batch.
"""

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
"""Seconds between two requests for the balance while credits are watched.

Credits that are bought between two requests hide as many credits that are spent between them.
"""


class StopCondition:
    """The state that says if and why a batch starts nothing more.

    Args:
        runtime: The client's runtime.
        max_credits: The number of credits to spend before nothing more starts; None for any number.
        stop: Stops the batch from starting anything more.

    Attributes:
        reason: The reason, in words; None if there is none.
        cause: The error that is the reason; None if the reason is no error.
        packages: The credit packages to buy, if credits ran out.
        is_careful: True if the balance is watched although the user has set no limit, because it is low.
    """

    def __init__(self, runtime: Runtime, max_credits: float | None, stop: Callable[[], object]) -> None:
        self.reason: str | None = None
        self.cause: Exception | None = None
        self.packages: Sequence[CreditPackage] = ()
        self.is_careful = False
        self._runtime = runtime
        self._max_credits = max_credits
        self._stop = stop
        self._request_lock = asyncio.Lock()
        self._requested_at: float | None = None
        self._statements_before = 0
        self._spent_before: float | None = None
        self._is_short_of_credits = False

    def trigger(self, reason: str, cause: Exception | None = None) -> None:
        """Start nothing more, and keep the reason.

        A reason with an error takes precedence over one without.
        """
        if self.reason is None or (self.cause is None and cause is not None):
            self.reason, self.cause = reason, cause
        self._stop()

    def falls_short(self, reason: str) -> None:
        """Start nothing more for lack of credits, which the user can buy."""
        self._is_short_of_credits = True
        self.trigger(reason)

    @property
    def credits_spent(self) -> float | None:
        """The fall of the balance in this run, in credits, or None.

        None while no response has stated the balance in this run.
        """
        known = self._runtime.governor.credits
        return None if known is None or self._spent_before is None else known.spent - self._spent_before

    async def fetch_balance(self) -> None:
        """Fetch the balance before anything starts, if credits are limited."""
        self._statements_before = self._statements()  # that balance may be of any age
        await self.learn_balance_again()

    async def learn_balance_again(self, *, at_once: bool = False) -> None:
        """Fetch the balance again, if credits are limited or low.

        The responses to creates do not show the final cost of earlier projects.

        Args:
            at_once: True to fetch the balance even if it was fetched a moment ago.
        """
        governor = self._runtime.governor
        is_limited = self._max_credits is not None or governor.limits.credits_reserve > 0
        if not is_limited and not self.is_careful:
            return
        wanted_at = loop_time()
        async with self._request_lock:
            since = self._requested_at
            if since is not None and (
                since >= wanted_at or (not at_once and loop_time() < since + MIN_POLL_INTERVAL)
            ):
                return
            with suppress(EversinceError):  # the next create shows the balance, or the same error
                self._requested_at, account = loop_time(), self._runtime.interactive.account
                response = await retry_transient(self._runtime, account.credits)
                governor.record_credits(response.credits_balance, requested_at=self._requested_at)
                self.check_credits()

    async def learn_what_it_cost(self) -> None:
        """Fetch the balance after an item has ended, if credits need watching.

        Stops the batch if there is a limit and no response has stated the balance.
        """
        await self.learn_balance_again(at_once=True)
        if self._max_credits is not None and self._statements() == self._statements_before:
            limit = f"the limit of {self._max_credits:g} credits"
            self.trigger(f"no response states the balance, so {limit} cannot be kept")

    def check_credits(self) -> None:
        """Stop the batch once its spending or the balance reaches a limit.

        The responses to creates state the balance. The credits spent are the fall of the balance since it was
        first stated in this run, regardless of purchases meanwhile.
        """
        known = self._runtime.governor.credits
        if known is None or known.times == self._statements_before:
            return
        if self._spent_before is None:
            self._spent_before = known.spent
        spent = known.spent - self._spent_before
        if self._max_credits is not None and spent >= self._max_credits:
            self.trigger(f"{spent:g} credits are spent, and the limit is {self._max_credits:g}")
        elif known.balance < known.reserve:
            self.falls_short(f"{known.balance:g} credits are left, and the reserve is {known.reserve:g}")

    def _statements(self) -> int:
        known = self._runtime.governor.credits
        return 0 if known is None else known.times

    async def fetch_packages(self) -> None:
        """Fetch the credit packages, if the batch stopped for lack of credits."""
        if isinstance(self.cause, InsufficientCredits):
            self.packages = self.cause.packages
        elif self._is_short_of_credits:
            with suppress(EversinceError):  # the batch ends in any case
                self.packages = (await self._runtime.interactive.account.credit_packages()).packages
