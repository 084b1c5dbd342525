"""A warning for each part of an answer that could not be read, once."""

import re
from collections.abc import Sequence
from typing import Final

from eversince_async._redaction import excerpt
from eversince_async.models._base import UnreadableValue
from eversince_async.session.hooks import logger

MAX_REMEMBERED: Final = 1000
"""Warnings that are not repeated; of more, the oldest are forgotten."""

MAX_WARNINGS: Final = 10
"""Warnings of one answer; the rest is counted."""

_INDEX: Final = re.compile(r"\[\d+\]")


class UnreadableLog:
    """Logs what answers hold that cannot be read; a list that is asked for again and again says so once."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str, str | None, str], None] = {}

    def warn(self, endpoint: str, values: Sequence[UnreadableValue]) -> None:
        """Log those values that were not logged before.

        Args:
            endpoint: What was called.
            values: What could not be read of its answer.
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
        key = (endpoint, _INDEX.sub("[]", value.path), value.id, value.problem)  # a list moves on
        if key in self._told:
            return False
        self._told[key] = None
        if len(self._told) > MAX_REMEMBERED:
            del self._told[next(iter(self._told))]
        return True
