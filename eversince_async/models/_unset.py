"""Absent is not null: the mark of a request field the caller left alone."""

from enum import Enum
from typing import Final, Literal


class Unset(Enum):
    """The type of `UNSET`, for annotations: `title: str | Unset | None`."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> Literal[False]:
        return False


UNSET: Final = Unset.UNSET
"""A request field the caller left alone: it is not sent. None *is* sent, as null."""
