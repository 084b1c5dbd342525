"""`CreditReserve`: start only as many items as the credits can complete.

Only the balance shows what a video costs. So the first item is made alone, and its cost is the fall of the
balance meanwhile, which includes what other users of the account spend. If the user has set no limit, this
happens only when the balance is low, so that an account with plenty of credits is not slowed down.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from math import inf
from typing import Final

import anyio
import attrs

from eversince_async.batch.limits import StopCondition
from eversince_async.batch.outcome import Outcome
from eversince_async.orchestrator.runtime import Runtime

RENDER_MINIMUM: Final = 10.0
"""Credits without which the server refuses any render ("Credits" in the overview)."""

PLENTY: Final = 100.0
"""Credits for each concurrent item from which none is held back.

This applies while the cost of an item is unknown. The figure is twice the minimum for a project, and the
balance at which responses begin to warn.
"""

FIRST_ANSWER: Final = 5.0
"""Seconds for which others wait for the response to the first create.

That response states the balance.
"""

DIFFERENCE: Final = 1.5
"""The factor by which concurrent videos may cost more than the average."""


class CreditReserve:
    """The gate that lets an item start only if credits cover it.

    The credits must also cover the items that have already started.

    Args:
        runtime: The client's runtime, which knows the balance and the costs of earlier videos.
        pause: Knows the credits spent; triggered when nothing more can start.
        max_credits: As for `eversince.batch`.
        abreast: The number of items that can be active at once.
    """

    def __init__(
        self, runtime: Runtime, pause: StopCondition, max_credits: float | None, abreast: int
    ) -> None:
        self._runtime = runtime
        self._pause = pause
        self._kinds = list[str | None]()  # of the active items
        self._cost: float | None = None
        self._spent_before: float | None = None  # before the item that is made alone; None if none is
        self._changed = asyncio.Event()
        self._is_limited = max_credits is not None or runtime.governor.limits.credits_reserve > 0
        self._plenty = PLENTY * abreast
        self._starts = _Starts()

    @asynccontextmanager
    async def turn(self, key: str, kind: str | None, *, is_paid: bool) -> AsyncGenerator[None, None]:
        """Hold back an item until credits cover it or the batch stops.

        Args:
            key: The item's key.
            kind: The kind of video, which tells comparable costs; None for a pipeline, whose cost is
                comparable to no other.
            is_paid: True if the item already has a project; such an item is not held back.
        """
        while not is_paid and self._pause.reason is None and self._must_wait(kind):
            self._changed.clear()
            with anyio.move_on_after(FIRST_ANSWER if self._starts.is_awaited else inf) as waited:
                await self._changed.wait()
            if waited.cancelled_caught:
                self._starts.is_answered = True  # the response may be lost, or the create waits for a slot
        is_alone = self._in_flight == 0 and not is_paid
        self._kinds.append(kind)
        self._spent_before = self._pause.credits_spent if is_alone else None
        if not is_paid and kind is not None:
            self._starts.unanswered.add(key)
        try:
            yield
        finally:
            self._kinds.remove(kind)
            self._starts.unanswered.discard(key)
            self._changed.set()

    @property
    def _in_flight(self) -> int:
        return len(self._kinds)

    def update(self, key: str, project_id: str | None) -> None:
        """Wake held-back items if a response may allow them to start.

        The response to the item's create may have arrived, or any response may have stated the balance.
        """
        if project_id is not None and key in self._starts.unanswered:
            self._starts.unanswered.discard(key)
            self._starts.is_answered = True
            self._changed.set()
        self.look_again()

    def look_again(self) -> None:
        """Wake held-back items if a new balance is known.

        The user may have bought credits.
        """
        known = self._runtime.governor.credits
        if known is not None and self._starts.is_news(known.times):
            self._changed.set()

    def ends(self, kind: str | None, outcome: Outcome, *, is_paid: bool) -> None:
        """Record the end of an item, before the balance is requested.

        Args:
            kind: As for `turn`.
            outcome: The item's outcome.
            is_paid: True if an earlier run had created the item's project.
        """
        known, starts = self._runtime.governor.credits, self._starts
        if known is not None:
            starts.is_news(known.times)  # that balance is from before the item's end
        starts.ended_since += 1
        starts.made_since += outcome.status == "succeeded" and not is_paid
        costs = () if kind is None else self._runtime.costs.of(kind)
        if known is not None and costs and known.balance < self._required_credits(max(costs)):
            self._pause.is_careful = True  # or the balance before this item would decide about the next

    def complete(self, outcome: Outcome) -> None:
        """Record the cost of a finished item that was made alone.

        Without a known balance, nothing is recorded.
        """
        before, spent = self._spent_before, self._pause.credits_spent
        if outcome.status == "succeeded" and before is not None and spent is not None and spent > before:
            self._cost = max(self._cost or 0.0, spent - before)

    def _must_wait(self, kind: str | None) -> bool:
        """Return True if other items must end before this one starts.

        Triggers the pause if waiting would not help.
        """
        if not self._is_limited:
            return kind is not None and self._is_short_for(kind)
        known, spent = self._runtime.governor.credits, self._pause.credits_spent
        if self._cost is None or known is None or spent is None:
            return self._in_flight > 0
        needed = (self._in_flight + 1) * self._cost + RENDER_MINIMUM
        return self._is_uncovered(known.balance, needed, self._cost)

    def _required_credits(self, cost: float, least: float = 0.0) -> float:
        """Return the credits that one more item and the others need.

        The others are those that are active, or were active when the balance was last stated.

        Args:
            cost: The cost of the new item, and of each other item whose kind has no known cost.
            least: The least that any of the items is taken to cost.
        """
        known = (() if kind is None else self._runtime.costs.of(kind) for kind in self._kinds)
        others = sum(max(least, max(costs, default=cost)) for costs in known)
        return others + (self._starts.ended_since + 1) * max(cost, least) + RENDER_MINIMUM

    def _is_uncovered(self, balance: float, needed: float, cost: float) -> bool:
        """Return True if one more item would leave too little for others.

        Triggers the pause if no other item is active.
        """
        is_covered = balance >= needed
        if not is_covered and not self._in_flight:
            self._pause.falls_short(f"{balance:g} credits are left, and an item has cost up to {cost:g}")
        return self._in_flight > 0 and not is_covered

    def _is_short_for(self, kind: str) -> bool:
        """Return True if a low balance makes such an item wait.

        This applies if the user has set no limit; then no balance is requested and no item held back before
        the balance is low. Only the known cost of a video of this kind that was made alone pauses the batch.
        While no such cost is known, the average cost of the videos made in this run decides how many items
        may be active; it includes the costs of unfinished and failed ones.
        """
        known, spent, starts = self._runtime.governor.credits, self._pause.credits_spent, self._starts
        if known is None or spent is None:  # until the first create's response, one item goes ahead
            return starts.is_awaited
        starts.is_news(known.times)
        costs = self._runtime.costs.of(kind)
        if not costs and known.balance >= self._plenty:
            return False
        average = DIFFERENCE * spent / starts.made if starts.made else 0.0 if costs else inf
        if costs:  # known costs may be of a cheap video, so this run's average counts as well
            is_short = self._is_uncovered(known.balance, self._required_credits(max(costs)), max(costs))
            is_short = is_short or (
                self._in_flight > 0 and known.balance < self._required_credits(max(costs), average)
            )
        else:
            is_short = self._in_flight > 0 and known.balance < self._required_credits(average)
        if is_short:
            self._pause.is_careful = True
        return is_short


@attrs.define
class _Starts:
    """The items that have started in this run.

    Attributes:
        unanswered: Keys of items whose creates have no response yet.
        is_answered: True if a create has had its response, or took too long.
        ended_since: The number of items that have ended since the balance was last stated.
        made: The number of items that this run had started and finished before that.
        made_since: The number of items that it has finished since.
        times: The number of statements of the balance by then.
    """

    unanswered: set[str] = attrs.field(factory=set[str])
    is_answered: bool = False
    ended_since: int = 0
    made: int = 0
    made_since: int = 0
    times: int = 0

    @property
    def is_awaited(self) -> bool:
        """True while the first create has no response."""
        return bool(self.unanswered) and not self.is_answered

    def is_news(self, times: int) -> bool:
        """Record the count of stated balances; return True if it changed."""
        if times == self.times:
            return False
        self.times, self.ended_since = times, 0
        self.made, self.made_since = self.made + self.made_since, 0
        return True
