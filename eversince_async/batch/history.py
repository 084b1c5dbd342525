"""What an item went through in earlier runs: as they have recorded it, and else as its effects tell."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from eversince_async import clock
from eversince_async.batch.timeline import SLOT_STAGES, SLOTLESS_STAGES, SlotNumbering, TimelineRecorder
from eversince_async.journal import Effect, Job, Journal
from eversince_async.report.stages import APPROVAL, UNKNOWN, Stage, stages_from_json

STAGE_OF_EFFECT: Final = {**SLOT_STAGES, **SLOTLESS_STAGES, "approval": APPROVAL}
"""What a report calls the effects in a journal."""

LONG_RUNNING: Final = frozenset({"create", "message", "render"})
"""Effects after which the server goes on by itself."""


async def recorder_for(
    job: Job | None, journal: Journal | None, numbers: SlotNumbering, began: int
) -> TimelineRecorder:
    """A record of what an item goes through from now on, behind that of earlier runs.

    Args:
        job: Its job.
        journal: The journal.
        numbers: Those of the batch.
        began: How many changes the journal had seen when this run began: what was put since has no past.
    """
    if job is None or journal is None or job.created_change > began:
        return TimelineRecorder(numbers)
    effects = await journal.effects(job.id)
    return TimelineRecorder(numbers, previous_stages(job, effects, clock.steady_now()))


def stored_stages(job: Job) -> tuple[Stage, ...]:
    """What earlier runs have lived to record."""
    return stages_from_json(job.result.get("stages")) if isinstance(job.result, Mapping) else ()


def previous_stages(job: Job, effects: Iterable[Effect], until: datetime) -> tuple[Stage, ...]:
    """What an item went through.

    Args:
        job: Its job.
        effects: Its effects.
        until: When somebody took up what a dead process had left, or the present.
    """
    recorded = stored_stages(job)
    after = max((stage.ended_at for stage in recorded), default=None)
    later = [
        effect
        for effect in effects
        # The record of a pipeline ends with what it asks, perhaps in the same instant.
        if after is None or effect.intent_at > after or (effect.kind == "approval" and effect.is_open)
    ]
    return (*recorded, *stages_from_effects(later, until))


def stages_from_effects(effects: Iterable[Effect], until: datetime) -> list[Stage]:
    """What effects tell of a run that left no record."""
    stages = [
        stage for line in _effects_by_production(effects) for stage in _stages_of_production(line, until)
    ]
    return sorted(stages, key=lambda stage: stage.began_at)


def _effects_by_production(effects: Iterable[Effect]) -> Iterable[Sequence[Effect]]:
    """Those of each production, one after the other; a pipeline has several, perhaps side by side."""
    lines: dict[str, list[Effect]] = {}
    for effect in effects:
        step, _, part = effect.name.partition(":")
        lines.setdefault(step if part or effect.kind in {"step", "approval"} else "", []).append(effect)
    for line in lines.values():
        if len(line) > 1:  # of a step, its parts tell more than it does
            line = [effect for effect in line if effect.kind not in {"step", "approval"}]
        yield sorted(line, key=_order(line))


def _order(effects: Sequence[Effect]) -> Callable[[Effect], float]:
    """By the clock that nobody sets, where all were written by the same, else by the wall clock."""
    if len({effect.boot for effect in effects}) == 1 and effects[0].boot is not None:
        return lambda effect: effect.intent_seconds or 0.0
    return lambda effect: effect.intent_at.timestamp()


def _stages_of_production(effects: Sequence[Effect], until: datetime) -> Iterable[Stage]:
    for effect, following in pairwise([*effects, None]):
        assert effect is not None
        until_next = max(effect.intent_at, until if following is None else following.intent_at)
        ended_at = max(effect.intent_at, min(effect.done_at or effect.intent_at, until_next))
        is_waited_for = effect.kind == "approval" and effect.done_at is None
        if is_waited_for or (effect.kind == "render" and following is not None):
            ended_at = until_next  # done is when the server took it, and what follows when there was a video
        yield Stage(STAGE_OF_EFFECT.get(effect.kind, effect.kind), effect.intent_at, ended_at)
        if ended_at < until_next and (effect.kind in LONG_RUNNING or effect.done_at is None):
            yield Stage(UNKNOWN, ended_at, until_next)
