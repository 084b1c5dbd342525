"""The steps a project's life is made of, each awaitable to its end: create, settle, render, share.

`idle` comes twice, so no step infers anything from a status alone. The agent's run is over when a look
that left after the create shows the project settled. A render is over when it is settled *and* a
`rendering` was seen since we asked for it, or something about the project has changed: `idle` right after
the render's 202 may be an answer from before it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from eversince_async.errors import (
    EversinceError,
    OutcomeUnknown,
    ProjectCancelled,
    ProjectFailed,
    ProjectLimitReached,
    RenderProducedNothing,
    ServerError,
    TransportError,
    UnreadableAnswer,
    WaitTimedOut,
)
from eversince_async.governor import Lease
from eversince_async.lifecycle import ProjectStatus
from eversince_async.models._base import Response
from eversince_async.models.content import Asset
from eversince_async.models.output import Share
from eversince_async.models.projects import Brief, CreatedProject, Project
from eversince_async.orchestrator.desk import Desk
from eversince_async.orchestrator.events import CreditsLow, Stage, StageDone, StageStarted, StatusChanged
from eversince_async.orchestrator.order import ShareOptions, Timeouts
from eversince_async.orchestrator.sighting import Baseline, Sighting
from eversince_async.orchestrator.workflow import Emit

R = TypeVar("R", bound=Response)


class Steps:
    """The steps of one project, what they told, and how long they took.

    Attributes:
        project_id: The project; None before it is created.
        status: Its status as last seen.
        timings: Seconds each stage took.
        request_ids: The request id of each write, in order.
    """

    def __init__(self, desk: Desk, timeouts: Timeouts, emit: Emit, project_id: str | None = None) -> None:
        self.project_id = project_id
        self.status: ProjectStatus | str | None = None
        self.timings: dict[Stage, float] = {}
        self.request_ids: list[str] = []
        self._desk = desk
        self._timeouts = timeouts
        self._emit = emit
        self._warning: str | None = None
        self._began = self._now()
        self._lease: Lease

    # -- Steps ------------------------------------------------------------------------------------------

    async def create(self, brief: Brief) -> CreatedProject:
        """Create the project, waiting for a place as often as the server says there is none.

        Raises:
            ApiError: The server refused.
            TransportError: Whether it was created is unknown; the same idempotency key finds out.
        """
        async with self.stage("create"):
            created = await self._written(lambda: self._desk.api.projects.create(brief))
            self.project_id = created.id
            self._lease.bind(created.id)
            self._saw(created.status)
        return created

    async def settle(self) -> Project:
        """Wait until the agent's run is over.

        Raises:
            ProjectFailed: It failed.
            ProjectCancelled: It was cancelled.
            WaitTimedOut: It takes longer than allowed; the project goes on.
        """
        async with self.stage("settle"), self._within(self._timeouts.settle, "the agent's run"):
            while not (seen := await self._sight()).is_settled:
                pass
            return await self._in_full(seen)

    async def render(self, project: Project, quality: str) -> Project:
        """Render the project and wait for the video.

        Raises:
            StatusConflict: It is not idle.
            ProjectFailed: The render failed.
            RenderProducedNothing: The render ended without a video.
            WaitTimedOut: It takes longer than allowed; the render goes on.
        """
        async with self.stage("render"):
            await self._written(lambda: self._desk.api.output.render(project.id, quality=quality))
            baseline = Baseline.before(project, self._now())
            self._saw(ProjectStatus.RENDERING)
            async with self._within(self._timeouts.render, "the render"):
                seen = await self._over(baseline)
            finished = await self._in_full(seen)
            if finished.assembled_url is None or not baseline.has_changed(Sighting.of(finished, self._now())):
                raise RenderProducedNothing(
                    "the render ended without a video",
                    project_id=finished.id,
                    status=finished.status,
                    request_id=_request_id(finished),
                )
        return finished

    async def share(self, project: Project, options: ShareOptions) -> Share:
        """Make the public link."""
        async with self.stage("share"):
            share = await self._desk.api.output.share(
                project.id, title=options.title, description=options.description
            )
            self._note(share)
        return share

    async def assets(self, project: Project) -> tuple[Asset, ...]:
        """All assets of the project."""
        return tuple([asset async for asset in self._desk.api.content.iter_assets(project.id)])

    # -- Stages -----------------------------------------------------------------------------------------

    @asynccontextmanager
    async def stage(self, stage: Stage) -> AsyncGenerator[None, None]:
        """Tell that a stage begins and, if it comes to its end, how long it took."""
        began = self._now()
        self._emit(StageStarted(at=began, project_id=self.project_id, stage=stage))
        yield
        now = self._now()
        self.timings[stage] = now - began
        self._emit(StageDone(at=now, project_id=self.project_id, stage=stage, seconds=now - began))

    @asynccontextmanager
    async def _within(self, seconds: float | None, what: str) -> AsyncGenerator[None, None]:
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
                handle={"project_id": self.project_id},
            ) from None

    # -- The slot ---------------------------------------------------------------------------------------

    @asynccontextmanager
    async def slot(self, key: str) -> AsyncGenerator[None, None]:
        """Hold one of the account's active-project slots, waiting for it first."""
        self._lease = await self._acquire(key)
        try:
            yield
        finally:
            self._lease.release()

    async def _acquire(self, key: str) -> Lease:
        return await self._desk.governor.slots.acquire(key, project_id=self.project_id)

    # -- Writing ----------------------------------------------------------------------------------------

    async def _written(self, write: Callable[[], Awaitable[R]]) -> R:
        """Do what makes the project active, telling its slot what became of it."""
        while True:
            self._lease.sent()
            try:
                answer = await write()
            except ProjectLimitReached as refusal:
                refusal.daily = not self._lease.turned_away()
                if refusal.daily:
                    raise
                self._lease = await self._acquire(self._lease.key)
            except EversinceError as failure:
                if not _is_in_doubt(failure):
                    self._lease.refused()
                raise
            else:
                self._note(answer)
                return answer

    def _note(self, answer: Response) -> None:
        request_id = _request_id(answer)
        if request_id is not None:
            self.request_ids.append(request_id)

    # -- Looking ----------------------------------------------------------------------------------------

    async def _sight(self) -> Sighting:
        """The next look at the project, at its pace."""
        assert self.project_id is not None
        watcher = self._desk.watcher
        now = self._now()
        seen = await watcher.sight(
            self.project_id,
            due_at=now + watcher.schedule.interval(self.status),
            missing_until=self._began + watcher.schedule.grace,
        )
        self._saw(seen.status)
        return seen

    async def _over(self, baseline: Baseline) -> Sighting:
        """Wait until what was asked for at the baseline is over, by evidence."""
        began = False
        too_late = baseline.asked_at + self._desk.watcher.schedule.grace
        while True:
            seen = await self._sight()
            if not seen.is_settled:
                began = True
            elif began or baseline.has_changed(seen) or seen.asked_at > too_late:
                return seen

    async def _in_full(self, seen: Sighting) -> Project:
        """The whole record of a settled project, or the error its status means."""
        project = seen.project or await self._desk.api.projects.get(seen.project_id)
        self._saw(project.status)
        if project.credits_warning is not None and project.credits_warning != self._warning:
            self._warning = project.credits_warning
            self._emit(CreditsLow(at=self._now(), project_id=project.id, warning=project.credits_warning))
        if project.status == ProjectStatus.FAILED:
            raise ProjectFailed(project.error_message, project_id=project.id, request_id=_request_id(project))
        if project.status == ProjectStatus.CANCELLED:
            raise ProjectCancelled(
                "it was cancelled",
                project_id=project.id,
                status=project.status,
                request_id=_request_id(project),
            )
        return project

    def _saw(self, status: ProjectStatus | str) -> None:
        before, self.status = self.status, status
        if status != before:
            self._emit(
                StatusChanged(at=self._now(), project_id=self.project_id, status=status, before=before)
            )

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _request_id(answer: Response) -> str | None:
    return None if answer.receipt is None else answer.receipt.request_id


def _is_in_doubt(failure: EversinceError) -> bool:
    """Whether the server may have done what it was asked for."""
    match failure:
        case TransportError():
            return failure.outcome == "unknown"
        case OutcomeUnknown() | ServerError() | UnreadableAnswer():
            return True
        case _:
            return False
