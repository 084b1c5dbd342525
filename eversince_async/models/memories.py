"""Memories: short facts by the user that the agent reads in all projects (May 2026)."""

from datetime import datetime

import attrs

from eversince_async import limits
from eversince_async.models._base import UNSET, Model, Request, Response, Unset
from eversince_async.models._checks import length


@attrs.frozen(kw_only=True, repr=False, eq=False)
class MemoryDraft(Request):
    """A new memory.

    Attributes:
        title: At most 100 characters.
        body: At most 10,000 characters, also for all active ones together.
        is_active: Active at once is the server's default.
    """

    title: str = attrs.field(metadata=length(limits.NAME_CHARACTERS))
    body: str = attrs.field(metadata=length(limits.MEMORY_CHARACTERS))
    is_active: bool | Unset = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class MemoryChange(Request):
    """What to change about a memory; at least one field. Whatever stays UNSET is left alone.

    Attributes:
        title: At most 100 characters.
        body: At most 10,000 characters.
        is_active: Enable or disable.
    """

    title: str | Unset = attrs.field(default=UNSET, metadata=length(limits.NAME_CHARACTERS))
    body: str | Unset = attrs.field(default=UNSET, metadata=length(limits.MEMORY_CHARACTERS))
    is_active: bool | Unset = UNSET

    def problems(self) -> dict[str, str]:
        """As for every request; besides, a change of nothing, which the server refuses."""
        return {"memory": "give at least one field to change"} if self.is_empty() else super().problems()


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Memory(Response):
    """A fact for the agent.

    Attributes:
        id: The memory.
        title: What it is called.
        body: The fact.
        is_active: Whether the agent reads it.
        sort_order: Place in the list.
        characters: Size.
        created_at: When it was made.
        updated_at: When it last changed.
    """

    id: str
    title: str | None = None
    body: str | None = None
    is_active: bool | None = None
    sort_order: int | None = None
    characters: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class MemoryBudget(Model):
    """How much of the room for active memories is used.

    Attributes:
        used: Characters.
        limit: Characters: 10,000.
    """

    used: int | None = None
    limit: int | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class MemoryList(Response):
    """All memories of the account.

    Attributes:
        memories: The memories.
        budget: The room for active ones.
    """

    memories: tuple[Memory, ...]
    budget: MemoryBudget | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class MemoryAnswer(Response):
    """A memory that was created or changed.

    Attributes:
        memory: The memory as it is now.
        budget: The room for active ones.
    """

    memory: Memory
    budget: MemoryBudget | None = None
