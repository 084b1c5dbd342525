"""Stages of an item in earlier runs, as recorded or from effects."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from eversince_async import clock
from eversince_async.batch.timeline import SLOT_STAGES, SLOTLESS_STAGES, SlotNumbering, TimelineRecorder
from eversince_async.journal import Effect, Job, Journal
from eversince_async.report.stages import APPROVAL, UNKNOWN, Stage, stages_from_json

STAGE_OF_EFFECT: Final = {**SLOT_STAGES, **SLOTLESS_STAGES, "approval": APPROVAL}
"""The stage that a report shows for each kind of effect."""

LONG_RUNNING: Final = frozenset({"create", "message", "render"})
"""Kinds of effects after which the server continues on its own."""


async def recorder_for(
    job: Job | None, journal: Journal | None, numbers: SlotNumbering, began: int
) -> TimelineRecorder:
    """Return a recorder that continues the stages of earlier runs.

    Args:
        job: The item's job.
        journal: The journal.
        numbers: The slot numbers of the batch.
        began: The journal's count of changes at the start of this run; a job that is newer has no earlier
            stages.
    """
    if job is None or journal is None or job.created_change > began:
        return TimelineRecorder(numbers)
    effects = await journal.effects(job.id)
    return TimelineRecorder(numbers, previous_stages(job, effects, clock.steady_now()))


def stored_stages(job: Job) -> tuple[Stage, ...]:
    """Return the stages that earlier runs recorded before they ended."""
    return stages_from_json(job.result.get("stages")) if isinstance(job.result, Mapping) else ()


def previous_stages(job: Job, effects: Iterable[Effect], until: datetime) -> tuple[Stage, ...]:
    """Return the stages of an item in earlier runs.

    Args:
        job: The item's job.
        effects: The item's effects.
        until: The time at which a process adopted the work of a dead one, or the present.
    """
    recorded = stored_stages(job)
    after = max((stage.ended_at for stage in recorded), default=None)
    later = [
        effect
        for effect in effects
        # The record of a pipeline ends with its request for approval, perhaps at the same instant.
        if after is None or effect.intent_at > after or (effect.kind == "approval" and effect.is_open)
    ]
    return (*recorded, *stages_from_effects(later, until))


def stages_from_effects(effects: Iterable[Effect], until: datetime) -> list[Stage]:
    """Return the stages that effects imply for a run without a record."""
    stages = [
        stage for line in _effects_by_production(effects) for stage in _stages_of_production(line, until)
    ]
    return sorted(stages, key=lambda stage: stage.began_at)


def _effects_by_production(effects: Iterable[Effect]) -> Iterable[Sequence[Effect]]:
    """Group effects by their productions.

    A pipeline has several productions, which may run side by side.
    """
    lines: dict[str, list[Effect]] = {}
    for effect in effects:
        step, _, part = effect.name.partition(":")
        lines.setdefault(step if part or effect.kind in {"step", "approval"} else "", []).append(effect)
    for line in lines.values():
        if len(line) > 1:  # the effects inside a step say more than the step
            line = [effect for effect in line if effect.kind not in {"step", "approval"}]
        yield sorted(line, key=_order(line))


def _order(effects: Sequence[Effect]) -> Callable[[Effect], float]:
    """Return the sort key: an effect's steady or wall-clock time.

    The steady clock, which nothing sets, applies if the same boot wrote all effects.
    """
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
            ended_at = until_next  # `done_at` is only the acceptance; the next effect shows a video exists
        yield Stage(STAGE_OF_EFFECT.get(effect.kind, effect.kind), effect.intent_at, ended_at)
        if ended_at < until_next and (effect.kind in LONG_RUNNING or effect.done_at is None):
            yield Stage(UNKNOWN, ended_at, until_next)
