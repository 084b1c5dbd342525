"""`Stage`: what an item went through, from when to when, on which slot; and how a journal keeps it."""

from collections.abc import Iterable
from datetime import UTC, datetime
from sys import intern
from typing import Any, Final

import attrs


@attrs.frozen
class Stage:
    """Something an item went through.

    Attributes:
        name: What it was: one of `NAMES`, or a status or stage that is not known yet.
        began_at: When it began.
        ended_at: When it ended.
        slot: On which of the account's active projects it was, counted from 1; None while it held none. The
            numbers are the batch's own: the lowest that was free.
    """

    name: str
    began_at: datetime
    ended_at: datetime
    slot: int | None = None

    @property
    def seconds(self) -> float:
        """How long it took; a clock that was set back makes nothing negative."""
        return max(0.0, (self.ended_at - self.began_at).total_seconds())


WAITING: Final = "waiting"
APPROVAL: Final = "approval"
UNKNOWN: Final = "unrecorded"

NAMES: Final = {
    WAITING: "waits for the account",
    "creating": "is being created",
    "queued": "is queued at the server",
    "running": "the agent plans and works",
    "generating": "images, voices and videos are generated",
    "rendering": "the video is rendered",
    "sharing": "a public page is made",
    "downloading": "the video is downloaded",
    APPROVAL: "waits for somebody's answer",
    UNKNOWN: "a process died: what went on when is not known",
}
"""Names of stages, in the order in which they usually come, and what happens in them."""

IDLE: Final = frozenset({WAITING, APPROVAL, UNKNOWN})
"""Those in which nothing was done, or nobody knows what."""


_MOST_SLOTS: Final = 10_000
"""More than any account has."""


def stages_to_json(stages: Iterable[Stage]) -> list[list[Any]]:
    """As the journal keeps them: name, Unix seconds from and to, slot."""
    return [[stage.name, _seconds(stage.began_at), _seconds(stage.ended_at), stage.slot] for stage in stages]


def stages_from_json(kept: object) -> tuple[Stage, ...]:
    """From what a journal kept; what cannot be read is left out, since it is only for show."""
    stages = list[Stage]()
    for each in kept if isinstance(kept, list) else ():
        stage = _unpack(each)
        if stage is None:
            continue
        # There are many, and most begin when the one before ends: one instant serves both.
        if stages and stages[-1].ended_at == stage.began_at:
            stage = Stage(stage.name, stages[-1].ended_at, stage.ended_at, stage.slot)
        stages.append(stage)
    return tuple(stages)


def _unpack(kept: object) -> Stage | None:
    match kept:
        case [str() as name, int() | float() as began, int() | float() as ended, int() | None as slot]:
            if slot is not None and not 0 < slot <= _MOST_SLOTS:
                return None
            try:
                return Stage(intern(name), _moment(began), _moment(ended), slot)
            except (OverflowError, ValueError, OSError):
                return None
        case _:
            return None


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _seconds(moment: datetime) -> float:
    return round(moment.timestamp(), 3)
