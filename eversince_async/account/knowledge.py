"""A batch's knowledge of the account, kept for later runs.

The batch's journal keeps it.
"""

from contextlib import suppress
from typing import Final

from eversince_async.account.costs import Costs
from eversince_async.account.entitlements import Entitlements
from eversince_async.errors import JournalError
from eversince_async.journal import Journal, Json

COSTS: Final = "costs"
"""The name of the journal's note of the costs of videos."""


class Knowledge:
    """The client's knowledge of the account, kept in a journal.

    It is stored whenever it has changed.

    Args:
        entitlements: The client's entitlements.
        costs: The costs of videos that the client knows.
    """

    def __init__(self, entitlements: Entitlements, costs: Costs) -> None:
        self._entitlements = entitlements
        self._costs = costs
        self._account = ""
        self._note: Json = None

    async def recall(self, journal: Journal, account: str, *, asks_again: bool) -> None:
        """Learn what earlier runs have stored.

        Args:
            journal: The journal of these runs.
            account: The journal's name for the account.
            asks_again: True to forget the account's refusals, so that each quality is requested again.
        """
        self._account = account
        await self._entitlements.learn_from(journal, account)
        if asks_again:
            self._entitlements.forget_refusals()
        self._costs.learn(await journal.noted(COSTS))
        self._note = self._costs.to_json()

    async def keep(self, journal: Journal) -> None:
        """Store the knowledge if it has changed."""
        await self._entitlements.keep_in(journal, self._account)
        costs = self._costs.to_json()
        if costs != self._note:
            with suppress(JournalError):  # the next write that is needed raises it
                await journal.note(COSTS, costs)
                self._note = costs
