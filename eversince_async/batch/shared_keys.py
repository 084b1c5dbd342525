"""One sheet on several machines that share no journal: by a name, all of them ask for the same projects.

The server makes no second project for an idempotency key that stands for one. So the key of a row's project
is derived from the name, the row's key and what it asks for, which are the same everywhere. Renders and
shares have no such key: before a render, the project is looked at, and shares are made by one machine only.
"""

from hashlib import sha256
from typing import Final, Self

import attrs

from eversince_async._wire.converter import unstructure
from eversince_async.batch.items import Item
from eversince_async.journal import Journal, Json
from eversince_async.journal.redaction import canonical_json

NOTE: Final = "idempotent_as"
"""The name of a journal's note."""


@attrs.frozen(kw_only=True)
class Naming:
    """What rows are known by on other machines.

    Attributes:
        name: The name that all machines were given; None: nobody else works on the rows.
        makes_shares: Whether this machine makes the public pages.
    """

    name: str | None = None
    makes_shares: bool = True

    @classmethod
    async def of(
        cls, name: str | None, journal: Journal | None, *, is_told_to_share: bool, is_kept: bool = True
    ) -> Self:
        """From what this run is told, and what the journal remembers that an earlier one was told.

        Args:
            name: The name; None: the journal's, if it has one.
            journal: The journal.
            is_told_to_share: Whether this run was told to make public pages.
            is_kept: Whether the journal is to remember it.
        """
        kept = _read(None if journal is None else await journal.noted(NOTE))
        name = name or kept.name
        if name is None:
            return cls()
        known_as = cls(name=name, makes_shares=is_told_to_share or (kept.name == name and kept.makes_shares))
        if journal is not None and is_kept and known_as != kept:
            await journal.note(NOTE, {"name": name, "makes_shares": known_as.makes_shares})
        return known_as

    def with_shared_key(self, item: Item) -> Item:
        """An item as it is to be made here."""
        if self.name is None or item.brief is None or item.error is not None:
            return item
        return attrs.evolve(item, derived_key=derive_key(self.name, item), makes_share=self.makes_shares)


def derive_key(name: str, item: Item) -> str:
    """The idempotency key of an item's project, the same on each machine that has the same row.

    What the row asks for is part of it: a row that says something else is another film.
    """
    assert item.brief is not None, "it can be read"
    asked = canonical_json([name, item.key, unstructure(item.brief)])
    return f"row-{sha256(asked.encode()).hexdigest()}"


def _read(kept: Json) -> Naming:
    match kept:
        case {"name": str() as name, "makes_shares": bool() as makes_shares} if name:
            return Naming(name=name, makes_shares=makes_shares)
        case _:
            return Naming()
