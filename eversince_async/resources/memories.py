"""Memories: short facts the agent reads at run time.

Source: the catalogue of May 2026. A server of April 2026 responds with 404 (`NotFound`) to all of these
requests.
"""

from eversince_async._wire.endpoints import (
    CREATE_MEMORY,
    DELETE_MEMORY,
    GET_MEMORY,
    LIST_MEMORIES,
    UPDATE_MEMORY,
)
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.memories import Memory, MemoryAnswer, MemoryChange, MemoryDraft, MemoryList
from eversince_async.models.skills import Deleted
from eversince_async.resources._base import Extra, Resource


class Memories(Resource):
    """The methods of `eversince.memories`."""

    async def list(self, *, extra: Extra = None) -> MemoryList:
        """Return all memories, and the budget of the active ones.

        The active memories share 10,000 characters.
        """
        return await self._session.send(LIST_MEMORIES, MemoryList, extra=extra)

    async def create(
        self, title: str, body: str, *, is_active: bool | Unset = UNSET, extra: Extra = None
    ) -> MemoryAnswer:
        """Create a memory.

        Args:
            title: At most 100 characters.
            body: At most 10,000 characters.
            is_active: True to use the memory at once (the server's default); it must then fit the budget.
            extra: Fields this version does not know yet.

        Raises:
            ValidationFailed: The budget of active memories would be exceeded.
            OutcomeUnknown: The memory may or may not have been created.
        """
        draft = MemoryDraft(title=title, body=body, is_active=is_active)
        return await self._session.send(CREATE_MEMORY, MemoryAnswer, body=draft, extra=extra)

    async def get(self, memory_id: str, *, extra: Extra = None) -> Memory:
        """Return one memory."""
        return await self._session.send(GET_MEMORY, Memory, ids={"memory_id": memory_id}, extra=extra)

    async def update(
        self,
        memory_id: str,
        *,
        title: str | Unset = UNSET,
        body: str | Unset = UNSET,
        is_active: bool | Unset = UNSET,
        extra: Extra = None,
    ) -> MemoryAnswer:
        """Change a memory; values that are not given stay unchanged.

        Raises:
            InvalidRequest: No value was given.
            ValidationFailed: Activating the memory would exceed the budget.
        """
        change = MemoryChange(title=title, body=body, is_active=is_active, extra=dict(extra or {}))
        return await self._session.send(
            UPDATE_MEMORY, MemoryAnswer, ids={"memory_id": memory_id}, body=change
        )

    async def delete(self, memory_id: str, *, extra: Extra = None) -> Deleted:
        """Delete a memory."""
        return await self._session.send(DELETE_MEMORY, Deleted, ids={"memory_id": memory_id}, extra=extra)
