"""Warnings about unreadable parts of responses, each logged once."""

import re
from collections.abc import Sequence
from typing import Final

from eversince_async._redaction import excerpt
from eversince_async.models._base import UnreadableValue
from eversince_async.session.hooks import logger

MAX_REMEMBERED: Final = 1000
"""The number of warnings that are not repeated.

Beyond this number, the oldest are forgotten.
"""

MAX_WARNINGS: Final = 10
"""The number of warnings for one response; further values are only counted."""

_INDEX: Final = re.compile(r"\[\d+\]")


class UnreadableLog:
    """A log of the parts of responses that cannot be read.

    If a list is requested again and again, each unreadable part of it is logged once.
    """

    def __init__(self) -> None:
        self._warnings: dict[tuple[str, str, str | None, str], None] = {}

    def warn(self, endpoint: str, values: Sequence[UnreadableValue]) -> None:
        """Log the values that were not logged before.

        Args:
            endpoint: The operation that was called.
            values: The parts of its response that cannot be read.
        """
        fresh = [value for value in values if self._is_new(endpoint, value)]
        for value in fresh[:MAX_WARNINGS]:
            owner = "" if value.id is None else f" of {excerpt(value.id, 60)}"
            logger.warning(
                "%s: left out %s%s, as it cannot be read: %s",
                endpoint,
                excerpt(value.path),
                owner,
                excerpt(value.problem),
                extra={"endpoint": endpoint, "path": excerpt(value.path)},
            )
        if len(fresh) > MAX_WARNINGS:
            logger.warning(
                "%s: left out %d more values that cannot be read",
                endpoint,
                len(fresh) - MAX_WARNINGS,
                extra={"endpoint": endpoint},
            )

    def _is_new(self, endpoint: str, value: UnreadableValue) -> bool:
        key = (endpoint, _INDEX.sub("[]", value.path), value.id, value.problem)  # list positions change
        if key in self._warnings:
            return False
        self._warnings[key] = None
        if len(self._warnings) > MAX_REMEMBERED:
            del self._warnings[next(iter(self._warnings))]
        return True
