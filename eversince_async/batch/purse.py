"""How many items may be begun so that the credits carry all of them to their ends.

What a film costs is told by nothing but the balance: so the first is made alone, and its cost is what the
balance has fallen by meanwhile, the account's other users included.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from eversince_async.batch.outcome import Outcome
from eversince_async.batch.pausing import Pause
from eversince_async.orchestrator.desk import Desk

RENDER_MINIMUM: Final = 10.0
"""Credits without which a render is refused, whatever it costs ("Credits" in the overview)."""


class Purse:
    """Lets items begin whose costs, with those of what has begun, are covered.

    Without `max_credits` and a reserve it lets all begin.

    Args:
        desk: Knows the balance.
        pause: Knows what was spent; told when nothing more can be begun.
        max_credits: As for `eversince.batch`.
    """

    def __init__(self, desk: Desk, pause: Pause, max_credits: float | None) -> None:
        self._desk = desk
        self._pause = pause
        self._max_credits = max_credits
        self._in_flight = 0
        self._cost: float | None = None
        self._spent_before: float | None = None  # when what is made alone began; None: nothing is alone
        self._changed = asyncio.Event()

    @property
    def _is_limited(self) -> bool:
        return self._max_credits is not None or self._desk.governor.limits.credits_reserve > 0

    @asynccontextmanager
    async def turn(self, *, is_paid: bool) -> AsyncGenerator[None, None]:
        """Hold back an item until it can be paid for to its end, or nothing more can.

        Args:
            is_paid: Whether it has a project already: then it goes on.
        """
        while self._is_limited and not is_paid and self._pause.reason is None and self._must_wait():
            self._changed.clear()
            await self._changed.wait()
        is_alone = self._in_flight == 0 and not is_paid
        self._in_flight += 1
        self._spent_before = self._pause.spent if is_alone else None
        try:
            yield
        finally:
            self._in_flight -= 1
            self._changed.set()

    def ended(self, outcome: Outcome) -> None:
        """Note what a finished item has cost, if it was made alone and the balance is known."""
        before, spent = self._spent_before, self._pause.spent
        if outcome.status == "succeeded" and before is not None and spent is not None and spent > before:
            self._cost = max(self._cost or 0.0, spent - before)

    def _must_wait(self) -> bool:
        """Whether others have to end before one more may begin; begins the pause if that would not help."""
        known, spent = self._desk.governor.credits, self._pause.spent
        if self._cost is None or known is None or spent is None:
            return self._in_flight > 0
        due = self._in_flight * self._cost
        is_covered = known.balance >= due + self._cost + RENDER_MINIMUM
        if not is_covered and not due:
            self._pause.falls_short(
                f"{known.balance:g} credits are left, and an item has cost up to {self._cost:g}"
            )
        return bool(due) and not is_covered
