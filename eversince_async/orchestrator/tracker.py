"""What the steps of a project stand on: how the project is looked at, what is told, how long it all took.

`idle` comes twice, so no step infers anything from a status alone. A run or a render is over when the
project is settled *and* something other than settled was seen since we asked for it, or something about
the project has changed: `idle` right after the 202 may be an answer from before it.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

from eversince_async._redaction import shorten
from eversince_async.durable.confirm import retry_transient
from eversince_async.durable.executor import EffectExecution, EffectExecutor
from eversince_async.errors import (
    ProjectCancelled,
    ProjectFailed,
    WaitTimedOut,
)
from eversince_async.governor.protocol import SlotLeaseProtocol
from eversince_async.lifecycle import FINAL, ProjectStatus
from eversince_async.models._base import Response
from eversince_async.models.content import Asset
from eversince_async.models.output import Share
from eversince_async.models.projects import Project
from eversince_async.orchestrator.events import (
    CreditsWarning,
    Stage,
    StageCompleted,
    StageStarted,
    StatusChanged,
)
from eversince_async.orchestrator.handle import Handle
from eversince_async.orchestrator.options import WaitPolicy
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.orchestrator.tracing import trace_stage
from eversince_async.orchestrator.workflow import EventHandler
from eversince_async.polling.durations import StageInProgress
from eversince_async.polling.observation import Baseline, Known, Observation
from eversince_async.session.hooks import notify

LAGS: Final = (5.0, 10.0)
"""Seconds between looks at a project while answers show less of it than is known."""


class ProjectTracker:
    """The steps of one project, what they told, and how long they took.

    Attributes:
        key: What the governor knows this production by.
        project_id: The project; None before it is created.
        status: Its status as last seen.
        timings: Seconds each stage took.
        request_ids: The request id of each write, in order.
        handle: What takes the production up again; None for a step on its own.
        effects: Where its effects are written down.
        first_write_at: When something was first asked of the server that costs something, in loop time.
        place: An active project that may be its own, of an earlier run; None: none is known.
        left_at: When what makes the project active left last, in loop time; None while nothing has.
    """

    def __init__(
        self,
        runtime: Runtime,
        policy: WaitPolicy,
        emit: EventHandler,
        *,
        key: str,
        project_id: str | None = None,
        effects: EffectExecutor | None = None,
    ) -> None:
        self.key = key
        self.project_id = project_id
        self.status: ProjectStatus | str | None = None
        self.timings: dict[Stage, float] = {}
        self.request_ids: list[str] = []
        self.effects = effects or EffectExecutor()
        self._runtime = runtime
        self._policy = policy
        self._emit = emit
        self._warnings = set[str]()
        self._stage_in_progress: StageInProgress | None = None
        self._expects_video = False
        self._known: Known | None = None  # since we last asked for something
        self._slot_lease: SlotLeaseProtocol | None = None
        self._given: SlotLeaseProtocol | None = None
        self._share: tuple[EffectExecution, Share | None] | None = None  # for whoever has it delivered again
        self.handle: Callable[[], Handle] | None = None
        self.first_write_at: float | None = None
        self.left_at: float | None = None
        self.place: str | None = None
        newborn = runtime.session.newborn
        if newborn is not None and project_id is not None and project_id != key:
            newborn.note(project_id)  # an earlier run has made it, perhaps only just now

    # -- Stages -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def stage(self, stage: Stage) -> AsyncGenerator[None, None]:
        """Tell that a stage begins and, if it comes to its end, how long it took."""
        began = self._now()
        self._emit(StageStarted(at=began, project_id=self.project_id, stage=stage))
        with trace_stage(stage, self, self._runtime.tracer):
            yield
        now = self._now()
        self.timings[stage] = now - began
        self._emit(StageCompleted(at=now, project_id=self.project_id, stage=stage, seconds=now - began))

    @asynccontextmanager
    async def _stage_timeout(self, seconds: float | None, what: str) -> AsyncGenerator[None, None]:
        scope = asyncio.timeout(seconds)
        try:
            async with scope:
                yield
        except TimeoutError:
            if not scope.expired():
                raise
            raise WaitTimedOut(
                f"{what} took longer than {seconds:g} s; it goes on, and can be resumed by this id",
                project_id=self.project_id,
                status=self.status,
                handle=None if self.handle is None else self.handle().to_json(),
            ) from None

    # -- Looking ------------------------------------------------------------------------------------------

    async def refresh(self) -> Project:
        """The project as it stands now.

        Raises:
            ProjectFailed: It has failed.
            ProjectCancelled: It was cancelled.
        """
        return self._or_its_end(await self.get_status())

    async def get_status(self) -> Project:
        """The project as it stands now, whatever that is.

        It is asked for again while answers show less than is known; in the end, what is known counts.
        """
        assert self.project_id is not None
        requested_at, answer = await self._fetch(self.project_id)
        for pause in LAGS:
            if not self._lags(answer, requested_at):
                break
            await asyncio.sleep(pause)
            requested_at, answer = await self._fetch(self.project_id)
        project = self.knows(answer, requested_at)
        self._runtime.governor.observed(project.id, project.status, requested_at=requested_at)
        return project

    async def _fetch(self, project_id: str) -> tuple[float, Project]:
        """Ask for a project; when that was, and the answer."""
        requested_at = self._now()
        return requested_at, await retry_transient(
            self._runtime, lambda: self._runtime.api.projects.get(project_id)
        )

    def knows(self, project: Project, requested_at: float) -> Project:
        """Add an answer to what is known of the project, and return that."""
        if self._known is None:
            self._known = Known(project=project, requested_at=requested_at)
        else:
            self._known = self._known.merge(project, requested_at, for_seconds=self._grace)
        project = self._known.project
        self._set_status(project.status)
        self._emit_credits_warning(project)
        return project

    def _lags(self, project: Project, requested_at: float) -> bool:
        known = self._known
        return known is not None and known.is_ahead_of(project, requested_at, for_seconds=self._grace)

    @property
    def _grace(self) -> float:
        return self._runtime.poller.schedule.grace

    async def assets(self, project_id: str) -> tuple[Asset, ...]:
        """All assets of the project."""

        async def all_of_them() -> tuple[Asset, ...]:
            return tuple([asset async for asset in self._runtime.api.content.iter_assets(project_id)])

        return await retry_transient(self._runtime, all_of_them)

    async def get_project(self, seen: Observation) -> Project:
        """The whole record of a project that was sighted, or the error its status means."""
        if seen.project is None:
            return await self.refresh()
        return self._or_its_end(self.knows(seen.project, seen.requested_at))

    async def _get_project_or_summary(self, seen: Observation, *, whole: bool) -> Project:
        """As `get_project`, but without asking for what a list has told already."""
        if seen.project is None and not whole and seen.is_sufficient(makes_video=self._expects_video):
            return self.knows(seen.to_summary(), seen.requested_at)
        return await self.get_project(seen)

    @staticmethod
    def _or_its_end(project: Project) -> Project:
        """A project that goes on.

        Raises:
            ProjectFailed: It has failed.
            ProjectCancelled: It was cancelled.
        """
        if project.status == ProjectStatus.FAILED:
            raise ProjectFailed(
                project.error_message, project_id=project.id, request_id=request_id_of(project)
            )
        if project.status == ProjectStatus.CANCELLED:
            raise ProjectCancelled(
                "it was cancelled",
                project_id=project.id,
                status=project.status,
                request_id=request_id_of(project),
            )
        return project

    async def _next_observation(self, stage: StageInProgress | None = None) -> Observation:
        """The next look at the project, at its pace, that does not lag behind what is known."""
        assert self.project_id is not None
        poller = self._runtime.poller
        while True:
            seen = await poller.next_observation(self.project_id, status=self.status, stage=stage)
            record = seen.to_summary() if seen.project is None else seen.project
            lags = self._lags(record, seen.requested_at)
            self.knows(record, seen.requested_at)
            if not lags:
                return seen

    async def _wait_settled(self) -> None:
        if not (await self.get_status()).is_settled:
            while not (await self._next_observation()).is_settled:
                pass

    async def _wait_finished(self, baseline: Baseline, stage: StageInProgress | None = None) -> Observation:
        """Wait until what was asked for at the baseline is over, by evidence."""
        began, before = False, self._now()
        too_late = baseline.requested_at + self._runtime.poller.schedule.grace
        while True:
            seen = await self._next_observation(stage)
            if not seen.is_settled:
                began = began or not baseline.is_after(seen)
            elif began or baseline.differs_from(seen) or seen.requested_at > too_late:
                self._record_duration(stage, before, seen)
                return seen
            before = seen.requested_at

    # -- Telling ------------------------------------------------------------------------------------------

    def _record_duration(self, stage: StageInProgress | None, before: float, seen: Observation) -> None:
        """Remember how long a stage took that ended well, between two looks."""
        if stage is not None and seen.status not in FINAL:
            self._runtime.poller.duration_model.record(
                stage.kind, (before + seen.requested_at) / 2 - stage.began_at
            )

    def _set_status(self, status: ProjectStatus | str) -> None:
        before, self.status = self.status, status
        if status != before:
            self._emit(
                StatusChanged(at=self._now(), project_id=self.project_id, status=status, before=before)
            )

    def _emit_credits_warning(self, project: Project) -> None:
        """Tell that credits run out, once for each text: it stands in every answer."""
        if project.credits_warning is None:
            return
        warning = shorten(project.credits_warning)
        if warning not in self._warnings:
            self._warnings.add(warning)
            self._emit(CreditsWarning(at=self._now(), project_id=project.id, warning=warning))
            if self._policy.on_credits_warning is not None:
                notify(self._policy.on_credits_warning, warning)

    def _record_request_id(self, answer: Response) -> None:
        request_id = request_id_of(answer)
        if request_id is not None:
            self.request_ids.append(request_id)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def request_id_of(answer: Response) -> str | None:
    """The request id of an answer, if it came with one."""
    return None if answer.receipt is None else answer.receipt.request_id
