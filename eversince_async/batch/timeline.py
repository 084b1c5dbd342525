"""`TimelineRecorder`: the stages of an item, from its events, for the report."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from eversince_async import clock
from eversince_async.governor import WaitKind
from eversince_async.journal import Effect, Job, Journal
from eversince_async.lifecycle import FINAL, SETTLED
from eversince_async.orchestrator.events import Event, StageCompleted, StageStarted, StatusChanged, Waiting
from eversince_async.report.stages import APPROVAL, UNKNOWN, Stage, stages_from_json

SLOTLESS_STAGES: Final = {"share": "sharing", "download": "downloading"}
"""Stages of a production without a slot, and their report names."""

SLOT_STAGES: Final = {"create": "creating", "message": "running", "render": "rendering"}
"""Stages of a production that need a slot, and their report names.

The project's status, as the server reports it meanwhile, is more precise.
"""


WAIT_STAGES: Final = frozenset({WaitKind.SLOT, WaitKind.PROJECTS, WaitKind.RENDERS})
"""Waits that are stages of their own.

A wait for the request budget is part of the stage in which it occurs.
"""


class SlotNumbering:
    """Numbers of slots, so that a chart has a lane for each.

    A new slot takes the lowest number that is free.
    """

    def __init__(self) -> None:
        self._taken = set[int]()

    def take(self, rather: int | None = None) -> int:
        """Return a free number, preferably `rather`."""
        number = rather if rather is not None and rather not in self._taken else 1
        while number in self._taken:
            number += 1
        self._taken.add(number)
        return number

    def free(self, number: int) -> None:
        """Free a number."""
        self._taken.discard(number)


class TimelineRecorder:
    """The record of one item's stages.

    Args:
        numbers: The slot numbers of the batch.
        earlier: The item's stages in earlier runs.
    """

    def __init__(self, numbers: SlotNumbering, earlier: Sequence[Stage] = ()) -> None:
        self._numbers = numbers
        self._stages = list(earlier)
        self._lines: dict[str | None, _ProjectTimeline] = {
            None: _ProjectTimeline(numbers, self._stages, "waiting")
        }

    def on_event(self, event: Event) -> None:
        """Record an event.

        A project that was just created continues the line that waited for it.
        """
        lines = self._lines
        line = lines.get(event.project_id)
        if line is None:
            line = lines.pop(None, None) or _ProjectTimeline(self._numbers, self._stages)
            lines[event.project_id] = line
        line.on_event(event)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The item's stages until now."""
        running = (line.current() for line in self._lines.values())
        stages = [*self._stages, *(stage for stage in running if stage is not None)]
        return tuple(sorted(stages, key=lambda stage: stage.began_at))

    def close(self) -> None:
        """End all stages that are in progress."""
        for line in self._lines.values():
            line.close()


class _ProjectTimeline:
    """The stages of one project, one after the other."""

    __slots__ = ("_boot", "_name", "_numbers", "_since", "_slot", "_stages", "_usual_slot")

    def __init__(self, numbers: SlotNumbering, stages: list[Stage], name: str | None = None) -> None:
        self._numbers = numbers
        self._stages = stages
        self._name = name
        self._since, self._boot = clock.steady_now(), clock.moment().boot
        self._slot: int | None = None
        self._usual_slot: int | None = None

    def on_event(self, event: Event) -> None:
        match event:
            case StageStarted(stage=stage) if stage in SLOTLESS_STAGES:
                self._switch_stage(SLOTLESS_STAGES[stage], needs_slot=False)
            case StageStarted(stage=stage) if stage in SLOT_STAGES:
                self._switch_stage(SLOT_STAGES[stage], needs_slot=True)
            case StageCompleted(stage=stage) if stage != "create":
                self.close()
            case StatusChanged(status=status) if status in FINAL:
                self.close()
            case StatusChanged(status=status) if status in SETTLED:
                self._switch_stage(None, needs_slot=self._slot is not None)
            case StatusChanged(status=status):
                self._switch_stage(str(status), needs_slot=True)
            case Waiting(reason=reason) if reason.kind in WAIT_STAGES:
                self._switch_stage("waiting", needs_slot=False, since=reason.since)
            case _:
                pass

    def _restart_on_new_clock(self) -> None:
        """Restart the stage if the clock has changed.

        An emulator's first response sets its own clock; times before that are meaningless.
        """
        boot = clock.moment().boot
        if boot != self._boot:
            self._since, self._boot = clock.steady_now(), boot

    def current(self) -> Stage | None:
        self._restart_on_new_clock()
        if self._name is None:
            return None
        return Stage(self._name, self._since, max(self._since, clock.steady_now()), self._slot)

    def close(self) -> None:
        self._switch_stage(None, needs_slot=False)

    def _switch_stage(self, name: str | None, *, needs_slot: bool, since: datetime | None = None) -> None:
        self._restart_on_new_clock()
        if name == self._name and needs_slot == (self._slot is not None):
            return
        now = clock.steady_now() if since is None else max(since, self._since)
        if self._name is not None and now > self._since:
            self._stages.append(Stage(self._name, self._since, now, self._slot))
        self._name, self._since = name, now
        if needs_slot and self._slot is None:
            self._slot = self._usual_slot = self._numbers.take(self._usual_slot)
        elif not needs_slot and self._slot is not None:
            self._numbers.free(self._slot)
            self._slot = None


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
