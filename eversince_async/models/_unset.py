"""The mark of an unset request field, which differs from null."""

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
"""The value of a request field that the caller did not set, and that is not sent. None *is* sent, as null."""
