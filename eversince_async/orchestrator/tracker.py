"""Base of a project's operations: polls, events and durations.

The status `idle` comes twice, so no step infers anything from a status alone. A run or a render is over when
the project is settled *and* a status other than a settled one was observed since the request, or something
about the project has changed: `idle` right after the 202 may be a response from before the request.
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
"""Seconds between two polls while responses show less than is known."""


class ProjectTracker:
    """The state of one project's operations, their events and their durations.

    Attributes:
        key: The production's name in the governor.
        project_id: The project's id; None before it is created.
        status: The project's status in its last observation.
        timings: The duration of each stage, in seconds.
        request_ids: The request id of each write, in order.
        handle: The function that returns the production's handle; None for a single step.
        effects: The executor that records the effects.
        first_write_at: The time of the first write that costs something, in loop time; None before it.
        place: An active project of an earlier run that may be this production's; None if none is known.
        left_at: The time at which the last write that makes the project active was sent, in loop time; None
            before the first one.
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
        self._known: Known | None = None  # the record since the last write
        self._slot_lease: SlotLeaseProtocol | None = None
        self._given: SlotLeaseProtocol | None = None
        # The last share, for a repeated delivery.
        self._share: tuple[EffectExecution, Share | None] | None = None
        self.handle: Callable[[], Handle] | None = None
        self.first_write_at: float | None = None
        self.left_at: float | None = None
        self.place: str | None = None
        newborn = runtime.session.newborn
        if newborn is not None and project_id is not None and project_id != key:
            newborn.note(project_id)  # an earlier run may have created the project only just now

    # -- Stages -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def stage(self, stage: Stage) -> AsyncGenerator[None, None]:
        """Emit the start of a stage and, if it completes, its duration."""
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

    # -- Polls --------------------------------------------------------------------------------------------

    async def refresh(self) -> Project:
        """Fetch the project as it stands now.

        Raises:
            ProjectFailed: The project has failed.
            ProjectCancelled: The project was cancelled.
        """
        return self._or_its_end(await self.get_status())

    async def get_status(self) -> Project:
        """Fetch the project as it stands now, in any status.

        The request is repeated while responses show less than is known; after the last one, the known record
        counts.
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
        """Fetch a project; return the time of the request, and the project."""
        requested_at = self._now()
        return requested_at, await retry_transient(
            self._runtime, lambda: self._runtime.api.projects.get(project_id)
        )

    def knows(self, project: Project, requested_at: float) -> Project:
        """Merge a response into the known record, and return the result."""
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
        """Fetch all assets of the project."""

        async def fetch() -> tuple[Asset, ...]:
            return tuple([asset async for asset in self._runtime.api.content.iter_assets(project_id)])

        return await retry_transient(self._runtime, fetch)

    async def get_project(self, seen: Observation) -> Project:
        """Return the whole record of an observed project.

        Raises:
            ProjectFailed: The project has failed.
            ProjectCancelled: The project was cancelled.
        """
        if seen.project is None:
            return await self.refresh()
        return self._or_its_end(self.knows(seen.project, seen.requested_at))

    async def _get_project_or_summary(self, seen: Observation, *, whole: bool) -> Project:
        """Return the project, or its listed summary if that is sufficient."""
        if seen.project is None and not whole and seen.is_sufficient(makes_video=self._expects_video):
            return self.knows(seen.to_summary(), seen.requested_at)
        return await self.get_project(seen)

    @staticmethod
    def _or_its_end(project: Project) -> Project:
        """Return the project unless it has failed or was cancelled.

        Raises:
            ProjectFailed: The project has failed.
            ProjectCancelled: The project was cancelled.
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
        """Return the next observation that does not lag behind the known record.

        The poller sets the pace.
        """
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
        """Wait until the work requested at the baseline is over, by evidence."""
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

    # -- Events and records -------------------------------------------------------------------------------

    def _record_duration(self, stage: StageInProgress | None, before: float, seen: Observation) -> None:
        """Record the duration of a stage that ended well, between two observations."""
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
        """Emit the credits warning, once for each text: every response repeats it."""
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
    """Return the request id of a response, if it came with one."""
    return None if answer.receipt is None else answer.receipt.request_id
