"""Projects that were created only just now: the server may not show them everywhere yet."""

import asyncio
from typing import Final

LOOK_AGAIN: Final = 5.0
"""Seconds between two looks for a project that is not to be seen yet."""


class Newborn:
    """Which projects may be missing for a while, and until when.

    Args:
        grace: Seconds after the answer to its create for which a project may be missing.
    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._may_be_missing_until: dict[str, float] = {}  # in loop time, the earliest first
        self._loop: asyncio.AbstractEventLoop | None = None

    def note(self, project_id: str) -> None:
        """A create or an adoption has just been answered with this project."""
        loop = asyncio.get_running_loop()
        known = self._of_loop(loop)
        known.pop(project_id, None)
        known[project_id] = loop.time() + self._grace
        while known[first := next(iter(known))] < loop.time():
            del known[first]

    def may_be_missing(self, project_id: str, requested_at: float) -> bool:
        """Whether an answer to a request that left at that time, in loop time, may just not know it yet."""
        until = self._of_loop(asyncio.get_running_loop()).get(project_id)
        return until is not None and requested_at < until

    def _of_loop(self, loop: asyncio.AbstractEventLoop) -> dict[str, float]:
        if loop is not self._loop:  # whose clock shows another time
            self._loop, self._may_be_missing_until = loop, {}
        return self._may_be_missing_until
