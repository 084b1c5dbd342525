"""What a batch learns of the account, kept in its journal for later runs."""

from contextlib import suppress
from typing import Final

from eversince_async.account.costs import Costs
from eversince_async.account.entitlements import Entitlements
from eversince_async.errors import JournalError
from eversince_async.journal import Journal, Json

COSTS: Final = "costs"
"""The name of a journal's note of what films have cost."""


class Knowledge:
    """Keep what is known of the account in a journal, whenever it has changed.

    Args:
        entitlements: Which renders the account was refused, as the client knows.
        costs: What videos have cost, as the client knows.
    """

    def __init__(self, entitlements: Entitlements, costs: Costs) -> None:
        self._entitlements = entitlements
        self._costs = costs
        self._account = ""
        self._kept: Json = None

    async def recall(self, journal: Journal, account: str, *, asks_again: bool) -> None:
        """Learn what earlier runs have kept.

        Args:
            journal: What they have kept it in.
            account: The journal's name for the account.
            asks_again: Whether what the account was refused is asked for again.
        """
        self._account = account
        await self._entitlements.learn_from(journal, account)
        if asks_again:
            self._entitlements.forget_refusals()
        self._costs.learn(await journal.noted(COSTS))
        self._kept = self._costs.to_json()

    async def keep(self, journal: Journal) -> None:
        """Write down what is known, if that has changed."""
        await self._entitlements.keep_in(journal, self._account)
        known = self._costs.to_json()
        if known != self._kept:
            with suppress(JournalError):  # whoever needs to write next will learn of it
                await journal.note(COSTS, known)
                self._kept = known
