"""Memories: short facts by the user for all projects (May 2026).

The agent reads them in every project.
"""

from datetime import datetime

import attrs

from eversince_async import limits
from eversince_async.models._base import UNSET, Model, Request, Response, Unset
from eversince_async.models._checks import length


@attrs.frozen(kw_only=True, repr=False, eq=False)
class MemoryDraft(Request):
    """A new memory.

    Attributes:
        title: The title, at most 100 characters.
        body: The fact, at most 10,000 characters; all active memories together have the same limit.
        is_active: True to use the memory at once, which is the server's default.
    """

    title: str = attrs.field(metadata=length(limits.NAME_CHARACTERS))
    body: str = attrs.field(metadata=length(limits.MEMORY_CHARACTERS))
    is_active: bool | Unset = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class MemoryChange(Request):
    """A change of a memory, with at least one field.

    UNSET fields stay unchanged.

    Attributes:
        title: The new title, at most 100 characters.
        body: The new fact, at most 10,000 characters.
        is_active: True to enable the memory, False to disable it.
    """

    title: str | Unset = attrs.field(default=UNSET, metadata=length(limits.NAME_CHARACTERS))
    body: str | Unset = attrs.field(default=UNSET, metadata=length(limits.MEMORY_CHARACTERS))
    is_active: bool | Unset = UNSET

    def problems(self) -> dict[str, str]:
        """Return the problems; an empty change is one.

        The server refuses an empty change.
        """
        return {"memory": "give at least one field to change"} if self.is_empty() else super().problems()


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Memory(Response):
    """A fact for the agent.

    Attributes:
        id: The memory's id.
        title: The title.
        body: The fact.
        is_active: True if the agent reads the memory.
        sort_order: The place in the list.
        characters: The size in characters.
        created_at: The time of creation.
        updated_at: The time of the last change.
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
    """The budget of active memories.

    Attributes:
        used: The characters in use.
        limit: The greatest number of characters: 10,000.
    """

    used: int | None = None
    limit: int | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class MemoryList(Response):
    """All memories of the account.

    Attributes:
        memories: The memories.
        budget: The budget of active memories.
    """

    memories: tuple[Memory, ...]
    budget: MemoryBudget | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class MemoryAnswer(Response):
    """A memory that was created or changed.

    Attributes:
        memory: The memory as it is now.
        budget: The budget of active memories.
    """

    memory: Memory
    budget: MemoryBudget | None = None
