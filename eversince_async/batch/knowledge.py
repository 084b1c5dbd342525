"""What a batch learns of the account, kept in its journal for later runs."""

from contextlib import suppress
from typing import Final

from eversince_async.errors import JournalError
from eversince_async.journal import Journal, Json
from eversince_async.orchestrator.desk import Desk

ENTITLEMENTS: Final = "entitlements"
"""The name of a journal's note of what renders the account was refused."""

COSTS: Final = "costs"
"""The name of a journal's note of what films have cost."""


class Knowledge:
    """Keep what is known of the account in a journal, whenever it has changed.

    Args:
        desk: Knows it while the client lives.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._kept: dict[str, Json] = {}

    async def recall(self, journal: Journal, *, asks_again: bool) -> None:
        """Learn what earlier runs have kept.

        Args:
            journal: What they have kept it in.
            asks_again: Whether what the account was refused is asked for again.
        """
        if asks_again:
            self._desk.entitlements.forget_refusals()
        else:
            self._desk.entitlements.learn(await journal.noted(ENTITLEMENTS))
        self._desk.costs.learn(await journal.noted(COSTS))
        self._kept = self._known()

    async def keep(self, journal: Journal) -> None:
        """Write down what is known, if that has changed."""
        for name, known in self._known().items():
            if known != self._kept.get(name):
                with suppress(JournalError):  # whoever needs to write next will learn of it
                    await journal.note(name, known)
                    self._kept[name] = known

    def _known(self) -> dict[str, Json]:
        return {ENTITLEMENTS: self._desk.entitlements.to_json(), COSTS: self._desk.costs.to_json()}
