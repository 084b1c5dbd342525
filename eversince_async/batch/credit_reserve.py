"""How many items may be begun so that the credits carry all of them to their ends.

What a film costs is told by nothing but the balance: so the first is made alone, and its cost is what the
balance has fallen by meanwhile, the account's other users included. Where nobody has set a limit, that is
done only when the balance is low: who has plenty is not held up.
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
"""Credits without which a render is refused, whatever it costs ("Credits" in the overview)."""

PLENTY: Final = 100.0
"""Credits for each item that can be at work at once, from which none is held back although nobody knows what
one costs: twice the minimum for a project, and where answers begin to warn."""

FIRST_ANSWER: Final = 5.0
"""Seconds for which the others wait for the answer to the first create, which tells the balance."""

DIFFERENCE: Final = 1.5
"""How much more than the average films may cost that are under way together."""


class Purse:
    """Lets items begin whose costs, with those of what has begun, are covered.

    Args:
        runtime: Knows the balance, and what films have cost.
        pause: Knows what was spent; told when nothing more can be begun.
        max_credits: As for `eversince.batch`.
        abreast: How many items can be at work at once.
    """

    def __init__(
        self, runtime: Runtime, pause: StopCondition, max_credits: float | None, abreast: int
    ) -> None:
        self._runtime = runtime
        self._pause = pause
        self._kinds = list[str | None]()  # of the items that are at work
        self._cost: float | None = None
        self._spent_before: float | None = None  # when what is made alone began; None: nothing is alone
        self._changed = asyncio.Event()
        self._is_limited = max_credits is not None or runtime.governor.limits.credits_reserve > 0
        self._plenty = PLENTY * abreast
        self._begun = _Begun()

    @asynccontextmanager
    async def turn(self, key: str, kind: str | None, *, is_paid: bool) -> AsyncGenerator[None, None]:
        """Hold back an item until it can be paid for to its end, or nothing more can.

        Args:
            key: Its key.
            kind: What its cost is like that of; None: of nothing, as a pipeline's.
            is_paid: Whether it has a project already: then it goes on.
        """
        while not is_paid and self._pause.reason is None and self._must_wait(kind):
            self._changed.clear()
            with anyio.move_on_after(FIRST_ANSWER if self._begun.is_awaited else inf) as waited:
                await self._changed.wait()
            if waited.cancelled_caught:
                self._begun.is_answered = True  # it is lost, say, or waits for a slot
        is_alone = self._in_flight == 0 and not is_paid
        self._kinds.append(kind)
        self._spent_before = self._pause.credits_spent if is_alone else None
        if not is_paid and kind is not None:
            self._begun.unanswered.add(key)
        try:
            yield
        finally:
            self._kinds.remove(kind)
            self._begun.unanswered.discard(key)
            self._changed.set()

    @property
    def _in_flight(self) -> int:
        return len(self._kinds)

    def update(self, key: str, project_id: str | None) -> None:
        """Note what has happened to an item: its create may have been answered, and the balance told."""
        if project_id is not None and key in self._begun.unanswered:
            self._begun.unanswered.discard(key)
            self._begun.is_answered = True
            self._changed.set()
        self.look_again()

    def look_again(self) -> None:
        """Have those that are held back look again, if the balance was told: perhaps credits were bought."""
        known = self._runtime.governor.credits
        if known is not None and self._begun.is_news(known.times):
            self._changed.set()

    def ends(self, kind: str | None, outcome: Outcome, *, is_paid: bool) -> None:
        """Note that an item has come to its end, before it is asked what that has cost.

        Args:
            kind: As for `turn`.
            outcome: What it came to.
            is_paid: Whether an earlier run had begun its project.
        """
        known, begun = self._runtime.governor.credits, self._begun
        if known is not None:
            begun.is_news(known.times)  # before it ended
        begun.ended_since += 1
        begun.made_since += outcome.status == "succeeded" and not is_paid
        costs = () if kind is None else self._runtime.costs.of(kind)
        if known is not None and costs and known.balance < self._required_credits(max(costs)):
            self._pause.is_careful = True  # or the next would be judged by what was left before this one

    def complete(self, outcome: Outcome) -> None:
        """Note what a finished item has cost, if it was made alone and the balance is known."""
        before, spent = self._spent_before, self._pause.credits_spent
        if outcome.status == "succeeded" and before is not None and spent is not None and spent > before:
            self._cost = max(self._cost or 0.0, spent - before)

    def _must_wait(self, kind: str | None) -> bool:
        """Whether others have to end before one more may begin; begins the pause if that would not help."""
        if not self._is_limited:
            return kind is not None and self._is_short_for(kind)
        known, spent = self._runtime.governor.credits, self._pause.credits_spent
        if self._cost is None or known is None or spent is None:
            return self._in_flight > 0
        needed = (self._in_flight + 1) * self._cost + RENDER_MINIMUM
        return self._is_uncovered(known.balance, needed, self._cost)

    def _required_credits(self, cost: float, least: float = 0.0) -> float:
        """What one more needs, with what others need that are at work, or were when the balance was told.

        Args:
            cost: What it costs, and others of whose kind nothing is known.
            least: What each of the others may cost at least.
        """
        known = (() if kind is None else self._runtime.costs.of(kind) for kind in self._kinds)
        others = sum(max(least, max(costs, default=cost)) for costs in known)
        return others + (self._begun.ended_since + 1) * max(cost, least) + RENDER_MINIMUM

    def _is_uncovered(self, balance: float, needed: float, cost: float) -> bool:
        """Whether one more would leave too little for the others; begins the pause if there are none."""
        is_covered = balance >= needed
        if not is_covered and not self._in_flight:
            self._pause.falls_short(f"{balance:g} credits are left, and an item has cost up to {cost:g}")
        return self._in_flight > 0 and not is_covered

    def _is_short_for(self, kind: str) -> bool:
        """The same where nobody has set a limit: nothing is asked for, or held up, before the balance is low.

        Only what a film of this kind has cost that was made alone pauses the batch; as long as that is not
        known, an average of those that were made, with what others have cost that are not, or have failed,
        says how many may be at work.
        """
        known, spent, begun = self._runtime.governor.credits, self._pause.credits_spent, self._begun
        if known is None or spent is None:  # the first create's answer tells; until then one goes ahead
            return begun.is_awaited
        begun.is_news(known.times)
        costs = self._runtime.costs.of(kind)
        if not costs and known.balance >= self._plenty:
            return False
        average = DIFFERENCE * spent / begun.made if begun.made else 0.0 if costs else inf
        if costs:  # which may be those of a cheap one: what the run has cost on average counts as well
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
class _Begun:
    """What has begun in this run.

    Attributes:
        unanswered: Keys of items whose creates are not answered.
        is_answered: Whether one was, or took too long.
        ended_since: How many have come to their ends since the balance was told last.
        made: How many were begun and made in this run, before that.
        made_since: How many since.
        times: How often it was told by then.
    """

    unanswered: set[str] = attrs.field(factory=set[str])
    is_answered: bool = False
    ended_since: int = 0
    made: int = 0
    made_since: int = 0
    times: int = 0

    @property
    def is_awaited(self) -> bool:
        """Whether the first create has not been answered."""
        return bool(self.unanswered) and not self.is_answered

    def is_news(self, times: int) -> bool:
        """Note how often the balance was told; whether that was news."""
        if times == self.times:
            return False
        self.times, self.ended_since = times, 0
        self.made, self.made_since = self.made + self.made_since, 0
        return True
