"""`Stage`: a period in an item's life, and its journal form."""

from collections.abc import Iterable
from datetime import UTC, datetime
from sys import intern
from typing import Any, Final

import attrs


@attrs.frozen
class Stage:
    """A period of an item's life.

    Attributes:
        name: The kind of stage: one of `NAMES`, or a status or stage that this version does not know.
        began_at: The time at which the stage began.
        ended_at: The time at which the stage ended.
        slot: The number of the slot that the stage held, counted from 1; None if it held none. Each batch
            numbers its slots by itself: a project gets the lowest free number.
    """

    name: str
    began_at: datetime
    ended_at: datetime
    slot: int | None = None

    @property
    def seconds(self) -> float:
        """The duration in seconds.

        It is never negative, even if a clock was set back.
        """
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
    APPROVAL: "waits for a person's answer",
    UNKNOWN: "a process died: the stages are not known",
}
"""The names of the stages in their usual order, with descriptions."""

IDLE: Final = frozenset({WAITING, APPROVAL, UNKNOWN})
"""The stages in which no work was done, or in which the work is unknown."""


_MOST_SLOTS: Final = 10_000
"""A number of slots that no account reaches."""


def stages_to_json(stages: Iterable[Stage]) -> list[list[Any]]:
    """Convert stages into the journal's form.

    Each is a list of the name, the beginning and the end in Unix seconds, and the slot.
    """
    return [[stage.name, _seconds(stage.began_at), _seconds(stage.ended_at), stage.slot] for stage in stages]


def stages_from_json(kept: object) -> tuple[Stage, ...]:
    """Restore stages from the journal's form.

    Entries that cannot be read are left out, since stages are only displayed.
    """
    stages = list[Stage]()
    for each in kept if isinstance(kept, list) else ():
        stage = _unpack(each)
        if stage is None:
            continue
        # There are many stages, and most begin when the previous one ends: both share one datetime object.
        if stages and stages[-1].ended_at == stage.began_at:
            stage = Stage(stage.name, stages[-1].ended_at, stage.ended_at, stage.slot)
        stages.append(stage)
    return tuple(stages)


def _unpack(row: object) -> Stage | None:
    match row:
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
