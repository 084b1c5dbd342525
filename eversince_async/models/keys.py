"""API keys of the account; at most ten."""

from collections.abc import Iterator
from datetime import datetime

import attrs

from eversince_async import limits
from eversince_async._redaction import HIDDEN
from eversince_async.models._base import SECRET, Model, Request, Response
from eversince_async.models._checks import length


@attrs.frozen(kw_only=True, repr=False, eq=False)
class KeyDraft(Request):
    """A key to make.

    Attributes:
        name: What it is for, at most 100 characters.
    """

    name: str = attrs.field(metadata=length(limits.NAME_CHARACTERS))


@attrs.frozen(kw_only=True, repr=False, eq=False)
class NewKey(Response):
    """A key that was just made.

    Attributes:
        id: For revoking it; `keys.list` has it, too.
        key: The whole key: told this once, and never shown by `repr`. Store it safely.
        name: What it is for.
        key_prefix: Its first characters, to tell keys apart.
        created_at: When.
        message: The server's words.
    """

    id: str | None = None
    key: str = attrs.field(metadata=SECRET)
    name: str | None = None
    key_prefix: str | None = None
    created_at: datetime | None = None
    message: str | None = None

    def _iter_fields(self) -> Iterator[tuple[str, str]]:
        """Nothing that this version does not know is shown: it may be the key under another name."""
        odd = {"extra", "envelope", "unreadable"}
        return ((name, HIDDEN if name in odd else text) for name, text in super()._iter_fields())


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Key(Model):
    """A key of the account, without the key itself.

    Attributes:
        id: For revoking it.
        name: What it is for.
        key_prefix: Its first characters, to tell keys apart.
        last_used_at: When it was last used; None if never.
        created_at: When it was made.
    """

    id: str
    name: str | None = None
    key_prefix: str | None = None
    last_used_at: datetime | None = None
    created_at: datetime | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class RevokedKey(Response):
    """A key that no longer works, from now on.

    Attributes:
        id: The key.
        revoked: True.
    """

    id: str | None = None
    revoked: bool | None = None
