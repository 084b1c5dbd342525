"""New projects, which the server may not show everywhere yet."""

import asyncio
from typing import Final

LOOK_AGAIN: Final = 5.0
"""Seconds between two requests for a project that is not visible yet."""


class Newborn:
    """The projects that the server may not show yet.

    Args:
        grace: Seconds after the response to a create in which the project may be missing.
    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._may_be_missing_until: dict[str, float] = {}  # in loop time, the earliest first
        self._loop: asyncio.AbstractEventLoop | None = None

    def note(self, project_id: str) -> None:
        """Remember a project that a create or an adoption has just returned."""
        loop = asyncio.get_running_loop()
        known = self._of_loop(loop)
        known.pop(project_id, None)
        known[project_id] = loop.time() + self._grace
        while known[first := next(iter(known))] < loop.time():
            del known[first]

    def may_be_missing(self, project_id: str, requested_at: float) -> bool:
        """Return True if a new project may not be visible yet.

        Args:
            project_id: The project.
            requested_at: The time at which the request left, in loop time.
        """
        until = self._of_loop(asyncio.get_running_loop()).get(project_id)
        return until is not None and requested_at < until

    def _of_loop(self, loop: asyncio.AbstractEventLoop) -> dict[str, float]:
        if loop is not self._loop:  # the times of another loop mean nothing in this one
            self._loop, self._may_be_missing_until = loop, {}
        return self._may_be_missing_until
