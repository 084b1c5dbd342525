"""Lanes of the timeline: slots by number, other stages wherever they fit."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

import attrs

from eversince_async.report.model import Entry
from eversince_async.report.stages import WAITING, Stage

MERGE_GAP: Final = 1.5
"""Seconds for which two blocks may overlap and still share a lane.

Times of stages are times of polls, so they are not exact.
"""


@attrs.frozen
class Block:
    """Stages of an item that follow each other on one lane.

    Attributes:
        entry: The item.
        stages: The stages.
        is_last: True if no later stage of the item held a slot.
    """

    entry: Entry
    stages: Sequence[Stage]
    is_last: bool = False

    @property
    def begin(self) -> float:
        """The time at which the block begins, in Unix seconds."""
        return self.stages[0].began_at.timestamp()

    @property
    def end(self) -> float:
        """The time at which the block ends, in Unix seconds."""
        return max(stage.ended_at.timestamp() for stage in self.stages)


Lanes = list[list[Block]]
"""The blocks of each lane, ordered by their beginnings."""


def slot_lanes(entries: Iterable[Entry], slots: int | None = None) -> Lanes:
    """Assign the stages that held a slot to lanes.

    Each process numbers its slots for itself, so a block keeps its number only where that lane is free.

    Args:
        entries: The items.
        slots: The most lanes; None for as many as are needed. If clocks disagree, projects that followed each
            other may seem to be active at the same time; their blocks then overlap on a lane.
    """
    return _pack((block for entry in entries for block in _on_slots(entry)), slots)


def most_at_once(stages: Iterable[Stage], limit: int | None = None) -> int | None:
    """Return the most slots taken at once; None if none was taken.

    Args:
        stages: The stages of all items, of any number of runs and processes.
        limit: The account's number of slots; None if it is not known.
    """
    changes = list[tuple[float, int]]()
    for stage in stages:
        began, ended = stage.began_at.timestamp() + MERGE_GAP, stage.ended_at.timestamp()
        if stage.slot is not None:
            changes += [(min(began, ended), 1), (max(began, ended), -1)]
    most = taken = 0
    for _, change in sorted(changes):
        taken += change
        most = max(most, taken)
    if not changes:
        return None
    return max(1, most) if limit is None else min(max(1, most), limit)


def other_lanes(entries: Iterable[Entry]) -> Lanes:
    """Assign stages without a slot, except waiting, to lanes.

    These are sharing, downloading, and the own steps of pipelines.
    """
    return _pack(
        Block(entry, [stage])
        for entry in entries
        for stage in entry.stages
        if stage.slot is None and stage.name != WAITING
    )


def _on_slots(entry: Entry) -> Iterator[Block]:
    held = [stage for stage in entry.stages if stage.slot is not None]
    held.sort(key=lambda stage: stage.began_at)
    numbers = list[int]()
    for before, stage in zip([None, *held], held, strict=False):
        follows = (
            before is not None
            and before.slot == stage.slot
            and abs((stage.began_at - before.ended_at).total_seconds()) <= MERGE_GAP
        )
        numbers.append(numbers[-1] + (not follows) if numbers else 0)
    for number, group in groupby(zip(numbers, held, strict=True), key=lambda pair: pair[0]):
        yield Block(entry, [stage for _, stage in group], is_last=number == numbers[-1])


def _pack(blocks: Iterable[Block], most: int | None = None) -> Lanes:
    lanes: Lanes = []
    free_at = list[float]()
    for block in sorted(blocks, key=lambda block: block.begin):
        number = _lane(free_at, block, most)
        while len(lanes) <= number:
            lanes.append([])
            free_at.append(float("-inf"))
        lanes[number].append(block)
        free_at[number] = max(free_at[number], block.end)
    return lanes


def _lane(free_at: Sequence[float], block: Block, most: int | None) -> int:
    """Return the lane for a block.

    This is the lane of the slot's number if that is free, else the first free lane, else a new one.
    """
    begin, wanted = block.begin + MERGE_GAP, (block.stages[0].slot or 0) - 1
    if 0 <= wanted < (most or 1000) and (wanted >= len(free_at) or free_at[wanted] <= begin):
        return wanted
    number = next((number for number, until in enumerate(free_at) if until <= begin), len(free_at))
    return number if most is None or number < most else min(range(most), key=free_at.__getitem__)


def max_waiting(entries: Iterable[Entry], edges: Sequence[float]) -> list[int]:
    """Return the most items that waited within each interval.

    Args:
        entries: The items.
        edges: The times between which the intervals lie, in Unix seconds.
    """
    changes = list[tuple[float, int]]()
    for entry in entries:
        for stage in entry.stages:
            if stage.slot is None and stage.name == WAITING and stage.seconds > 0:
                changes += [(stage.began_at.timestamp(), 1), (stage.ended_at.timestamp(), -1)]
    changes.sort()
    most, waiting, at = list[int](), 0, 0
    for end in edges[1:]:
        highest = waiting
        while at < len(changes) and changes[at][0] < end:
            waiting += changes[at][1]
            highest = max(highest, waiting)
            at += 1
        most.append(highest)
    return most
