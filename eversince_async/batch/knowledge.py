"""What a batch learns of the account, kept in its journal for later runs."""

from contextlib import suppress
from typing import Final

from eversince_async.errors import JournalError
from eversince_async.journal import Journal, Json
from eversince_async.orchestrator.desk import Desk

COSTS: Final = "costs"
"""The name of a journal's note of what films have cost."""


class Knowledge:
    """Keep what is known of the account in a journal, whenever it has changed.

    Args:
        desk: Knows it while the client lives.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
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
        await self._desk.entitlements.learn_from(journal, account)
        if asks_again:
            self._desk.entitlements.forget_refusals()
        self._desk.costs.learn(await journal.noted(COSTS))
        self._kept = self._desk.costs.to_json()

    async def keep(self, journal: Journal) -> None:
        """Write down what is known, if that has changed."""
        await self._desk.entitlements.keep_in(journal, self._account)
        known = self._desk.costs.to_json()
        if known != self._kept:
            with suppress(JournalError):  # whoever needs to write next will learn of it
                await journal.note(COSTS, known)
                self._kept = known
