"""`Naming`: idempotency keys that several machines without a shared journal derive.

The server makes no second project for an idempotency key that has one. So the key of a row's project is
derived from the name, the row's key and what the row asks for, which are the same on all machines. Renders
and shares have no such key: the project is polled before a render, and one machine only makes shares.
"""

from hashlib import sha256
from typing import Final, Self

import attrs

from eversince_async._wire.converter import unstructure
from eversince_async.batch.items import Item
from eversince_async.journal import Journal, Json
from eversince_async.journal.redaction import canonical_json

NOTE: Final = "idempotent_as"
"""The name of the note in a journal."""


@attrs.frozen(kw_only=True)
class Naming:
    """The identity of rows across machines.

    Attributes:
        name: The name that all machines were given; None if no other machine works on the rows.
        makes_shares: True if this machine makes the public pages.
    """

    name: str | None = None
    makes_shares: bool = True

    @classmethod
    async def of(
        cls, name: str | None, journal: Journal | None, *, is_told_to_share: bool, is_kept: bool = True
    ) -> Self:
        """Return the naming by this run's arguments and the journal's note.

        The note holds the naming of an earlier run.

        Args:
            name: The name; None for the journal's, if it has one.
            journal: The journal.
            is_told_to_share: True if this run was told to make public pages.
            is_kept: True to record the naming in the journal.
        """
        earlier = _read(None if journal is None else await journal.noted(NOTE))
        name = name or earlier.name
        if name is None:
            return cls()
        makes_shares = is_told_to_share or (earlier.name == name and earlier.makes_shares)
        naming = cls(name=name, makes_shares=makes_shares)
        if journal is not None and is_kept and naming != earlier:
            await journal.note(NOTE, {"name": name, "makes_shares": makes_shares})
        return naming

    def with_shared_key(self, item: Item) -> Item:
        """Return the item with the idempotency key that other machines share."""
        if self.name is None or item.brief is None or item.error is not None:
            return item
        return attrs.evolve(item, derived_key=derive_key(self.name, item), makes_share=self.makes_shares)


def derive_key(name: str, item: Item) -> str:
    """Return the idempotency key of an item's project.

    The key is the same on each machine that has the same row. It depends on what the row asks for, because a
    row with another content is another video.
    """
    assert item.brief is not None, "it can be read"
    identity = canonical_json([name, item.key, unstructure(item.brief)])
    return f"row-{sha256(identity.encode()).hexdigest()}"


def _read(note: Json) -> Naming:
    match note:
        case {"name": str() as name, "makes_shares": bool() as makes_shares} if name:
            return Naming(name=name, makes_shares=makes_shares)
        case _:
            return Naming()
