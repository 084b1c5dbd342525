"""Memories: short facts the agent reads at run time. Source: the catalogue of May 2026.

A server of April 2026 answers 404 (`NotFound`) to all of these.
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
    """`eversince.memories`."""

    async def list(self, *, extra: Extra = None) -> MemoryList:
        """All memories, with the 10,000 characters that the active ones share."""
        return await self._session.send(LIST_MEMORIES, MemoryList, extra=extra)

    async def create(
        self, title: str, body: str, *, is_active: bool | Unset = UNSET, extra: Extra = None
    ) -> MemoryAnswer:
        """Create a memory.

        Args:
            title: At most 100 characters.
            body: At most 10,000 characters.
            is_active: Whether it is used at once (the server's default); it must then fit the budget.
            extra: Fields this version does not know yet.

        Raises:
            ValidationFailed: The budget of active memories would be exceeded.
            OutcomeUnknown: It may or may not have been created.
        """
        draft = MemoryDraft(title=title, body=body, is_active=is_active)
        return await self._session.send(CREATE_MEMORY, MemoryAnswer, body=draft, extra=extra)

    async def get(self, memory_id: str, *, extra: Extra = None) -> Memory:
        """One memory."""
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
        """Change a memory; what is not given stays.

        Raises:
            InvalidRequest: Nothing was given.
            ValidationFailed: Activating it would exceed the budget.
        """
        change = MemoryChange(title=title, body=body, is_active=is_active, extra=dict(extra or {}))
        return await self._session.send(
            UPDATE_MEMORY, MemoryAnswer, ids={"memory_id": memory_id}, body=change
        )

    async def delete(self, memory_id: str, *, extra: Extra = None) -> Deleted:
        """Delete a memory."""
        return await self._session.send(DELETE_MEMORY, Deleted, ids={"memory_id": memory_id}, extra=extra)
