"""API keys of the account, which has at most ten."""

from collections.abc import Iterator
from datetime import datetime

import attrs

from eversince_async import limits
from eversince_async._redaction import HIDDEN
from eversince_async.models._base import SECRET, Model, Request, Response
from eversince_async.models._checks import length


@attrs.frozen(kw_only=True, repr=False, eq=False)
class KeyDraft(Request):
    """A key to create.

    Attributes:
        name: The purpose of the key, at most 100 characters.
    """

    name: str = attrs.field(metadata=length(limits.NAME_CHARACTERS))


@attrs.frozen(kw_only=True, repr=False, eq=False)
class NewKey(Response):
    """A key that was just created.

    Attributes:
        id: The id for revoking the key; `keys.list` has it, too.
        key: The whole key. The server shows it only once, and `repr` never shows it. Store it safely.
        name: The purpose of the key.
        key_prefix: The first characters of the key, to tell keys apart.
        created_at: The time of creation.
        message: A message by the server.
    """

    id: str | None = None
    key: str = attrs.field(metadata=SECRET)
    name: str | None = None
    key_prefix: str | None = None
    created_at: datetime | None = None
    message: str | None = None

    def _iter_fields(self) -> Iterator[tuple[str, str]]:
        """Return the fields, and hide those that this version does not know.

        An unknown field may be the key under another name.
        """
        odd = {"extra", "envelope", "unreadable"}
        return ((name, HIDDEN if name in odd else text) for name, text in super()._iter_fields())


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Key(Model):
    """A key of the account, without the key itself.

    Attributes:
        id: The id for revoking the key.
        name: The purpose of the key.
        key_prefix: The first characters of the key, to tell keys apart.
        last_used_at: The time of the last use; None if the key was never used.
        created_at: The time of creation.
    """

    id: str
    name: str | None = None
    key_prefix: str | None = None
    last_used_at: datetime | None = None
    created_at: datetime | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class RevokedKey(Response):
    """A revoked key, which no longer works.

    Attributes:
        id: The key's id.
        revoked: True if the key is revoked.
    """

    id: str | None = None
    revoked: bool | None = None
