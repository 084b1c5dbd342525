"""The steps a project's life is made of, each awaitable to its end: create, settle, message, render, share.

`idle` comes twice, so no step infers anything from a status alone. A run or a render is over when the
project is settled *and* something other than settled was seen since we asked for it, or something about
the project has changed: `idle` right after the 202 may be an answer from before it.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Final, TypeVar

import attrs

from eversince_async._wire.converter import unstructure
from eversince_async.errors import (
    EversinceError,
    ProjectCancelled,
    ProjectFailed,
    ProjectLimitReached,
    QuotaSpent,
    RateLimited,
    RenderProducedNothing,
    WaitTimedOut,
)
from eversince_async.governor import QuotaName
from eversince_async.governor.protocol import HeldSlot, TakenOfDay
from eversince_async.lifecycle import FINAL, SETTLED, ProjectStatus
from eversince_async.models._base import UNSET, Response, Unset
from eversince_async.models.content import Asset
from eversince_async.models.output import RenderStarted, Share
from eversince_async.models.projects import Brief, CreatedProject, ExpectedOutput, Project
from eversince_async.models.references import Reference
from eversince_async.orchestrator.creating import create_under_way, failed_project
from eversince_async.orchestrator.desk import Desk, last_words
from eversince_async.orchestrator.doubt import is_in_doubt
from eversince_async.orchestrator.effects import Deed, Effects
from eversince_async.orchestrator.events import CreditsLow, Stage, StageDone, StageStarted, StatusChanged
from eversince_async.orchestrator.foresight import UnderWay
from eversince_async.orchestrator.handle import Handle
from eversince_async.orchestrator.messaging import Outgoing, deliver, newest_message
from eversince_async.orchestrator.observing import LOOKS_AFTER, once, persistently
from eversince_async.orchestrator.order import CANCEL_PATIENCE, ShareOptions, Terms
from eversince_async.orchestrator.sharing import shared_once
from eversince_async.orchestrator.sighting import Baseline, Sighting, place
from eversince_async.orchestrator.tracing import staged
from eversince_async.orchestrator.workflow import Emit
from eversince_async.session.observers import tell

logger: Final = logging.getLogger("eversince_async")

R = TypeVar("R", bound=Response)


class Steps:
    """The steps of one project, what they told, and how long they took.

    Attributes:
        key: What the governor knows this production by.
        project_id: The project; None before it is created.
        status: Its status as last seen.
        timings: Seconds each stage took.
        request_ids: The request id of each write, in order.
        handle: What takes the production up again; None for a step on its own.
        effects: Where its effects are written down.
        begun_at: When something was first asked of the server that costs something, in loop time.
    """

    def __init__(
        self,
        desk: Desk,
        terms: Terms,
        emit: Emit,
        *,
        key: str,
        project_id: str | None = None,
        effects: Effects | None = None,
    ) -> None:
        self.key = key
        self.project_id = project_id
        self.status: ProjectStatus | str | None = None
        self.timings: dict[Stage, float] = {}
        self.request_ids: list[str] = []
        self.effects = effects or Effects()
        self._desk = desk
        self._terms = terms
        self._emit = emit
        self._warnings = set[str]()
        self._began = self._now()
        self._run: UnderWay | None = None
        self._makes_video = False
        self._lease: HeldSlot | None = None
        self.handle: Callable[[], Handle] | None = None
        self.begun_at: float | None = None

    # -- Steps ------------------------------------------------------------------------------------------

    async def create(self, brief: Brief) -> CreatedProject:
        """Create the project, waiting for a place as often as the server says there is none.

        Raises:
            ApiError: The server refused.
            TransportError: Whether it was created is unknown; the same idempotency key finds out.
            QuotaSpent: Today's projects are used up, and the terms say not to wait.
            InDoubt: Several failed projects may be what an earlier try of this has made.
        """
        baseline = {"since": self._desk.server_now().isoformat()}
        async with (
            self.stage("create"),
            self.effects.doing("create", unstructure(brief), baseline=baseline) as deed,
        ):
            with create_under_way(self._desk, deed) as is_ours:
                created = await self._existing(deed) or await self._create(deed, brief)
                is_ours(created.id)
            await deed.ended(
                {"id": created.id, "status": created.status},
                claim=created.id,
                job=self.effects.job_has(created.id),
            )
            self.project_id = created.id
            self._saw(created.status)
            if created.credits_balance is not None:
                self._desk.governor.noted_credits(created.credits_balance)
            if self._lease is not None:
                self._lease.bind(created.id)
            if not created.existed:
                self._run = UnderWay("settle", self._now())
            self._makes_video = brief.expected_output == ExpectedOutput.ASSEMBLED
        return created

    async def _create(self, deed: Deed, brief: Brief) -> CreatedProject:
        if deed.in_doubt_since is not None:
            brief = attrs.evolve(brief, idempotency_key=deed.request["idempotency_key"])

        async def asked() -> CreatedProject:
            # A project that has failed no longer binds the key: asking again would make a second one.
            return await self._failed_already(deed) or await self._created(deed, brief)

        # The idempotency key makes it harmless to ask again.
        return await self._counted("projects", lambda: self._written(lambda: persistently(self._desk, asked)))

    async def _existing(self, deed: Deed) -> CreatedProject | None:
        """The project of an earlier run, when asking again with the same key would not bring it."""
        if deed.is_over:
            return CreatedProject(id=deed.result["id"], status=deed.result["status"], existed=True)
        if deed.in_doubt_since is not None:
            await asyncio.sleep(max(0.0, deed.in_doubt_since + LOOKS_AFTER[-1] - self._now()))
        return await self._failed_already(deed)

    async def _failed_already(self, deed: Deed) -> CreatedProject | None:
        """The project that a create in doubt has made, if it has failed since."""
        if deed.in_doubt_since is None:
            return None
        failed = await persistently(self._desk, lambda: failed_project(self._desk, deed))
        return None if failed is None else CreatedProject(id=failed.id, status=failed.status, existed=True)

    async def settle(self, *, whole: bool = True) -> Project:
        """Wait until the agent's run is over.

        Args:
            whole: False for a record that need hold no more than what tells how to go on. It is whole, and
                has a receipt, where a look at the project alone has brought it.

        Raises:
            ProjectFailed: It failed.
            ProjectCancelled: It was cancelled.
            WaitTimedOut: It takes longer than allowed; the project goes on.
        """
        async with self.stage("settle"), self._within(self._terms.timeouts.settle, "the agent's run"):
            before = self._now()
            while not (seen := await self._sight(self._run)).is_settled:
                before = seen.asked_at
            self._learn(self._run, before, seen)
            return await self._in_full_or_enough(seen, whole=whole)

    async def message(
        self,
        project: Project,
        text: str,
        references: Sequence[Reference] | Unset = UNSET,
        *,
        name: str = "message",
    ) -> Project:
        """Send a message and wait until the agent has dealt with it.

        Args:
            project: The project as it stands.
            text: What to say.
            references: Uploads and URLs that go with it.
            name: What a journal calls it.

        Raises:
            StatusConflict: The project takes no messages now.
            ProjectFailed: The agent failed over it.
            WaitTimedOut: It takes longer than allowed; the agent goes on.
        """
        outgoing = Outgoing(
            project_id=project.id,
            text=text,
            references=references,
            cursor=await newest_message(self._desk, project.id),
            before=Baseline.before(project, self._now()),
        )
        async with self.stage("message"):
            return await self.answered(await self.say(outgoing, name=name))

    async def say(self, outgoing: Outgoing, *, name: str = "message") -> Baseline:
        """Send a message, once; return what `answered` waits by.

        Raises:
            StatusConflict: The project takes no messages now.
        """
        request = {"project_id": outgoing.project_id, "text": outgoing.text}
        baseline = {"cursor": outgoing.cursor, **outgoing.before.to_json()}
        async with self.effects.doing("message", request, name=name, baseline=baseline) as deed:
            if deed.is_over:
                return Baseline.from_json(deed.entry_baseline, asked_at=outgoing.before.asked_at)
            if deed.in_doubt_since is not None:
                outgoing.cursor, outgoing.in_doubt_since = deed.baseline["cursor"], deed.in_doubt_since
                outgoing.before = Baseline.from_json(deed.baseline, asked_at=deed.in_doubt_since)
            async with self.slot():  # what the agent then does keeps it, not we
                await deliver(
                    self._desk, outgoing, deed, write=self._written, until_settled=self._until_settled
                )
            await deed.ended()
        self._saw(ProjectStatus.RUNNING)
        return attrs.evolve(outgoing.before, asked_at=self._now())

    async def answered(self, baseline: Baseline) -> Project:
        """Wait until the agent has dealt with a message.

        Raises:
            ProjectFailed: The agent failed over it.
            WaitTimedOut: It takes longer than allowed; the agent goes on.
        """
        async with self._within(self._terms.timeouts.settle, "the agent's run"):
            return await self.in_full(await self._over(baseline))

    async def render(self, project: Project, quality: str, *, whole: bool = True) -> Project:
        """Render the project and wait for the video.

        Args:
            project: The project as it stands.
            quality: `1080p` or `4k`.
            whole: As for `settle`.

        Raises:
            StatusConflict: It is not idle.
            ProjectFailed: The render failed.
            RenderProducedNothing: The render ended without a video.
            WaitTimedOut: It takes longer than allowed; the render goes on.
            QuotaSpent: Today's renders are used up, and the terms say not to wait.
        """
        async with self.stage("render"):
            baseline = await self._render_taken(project, quality)
            self._saw(ProjectStatus.RENDERING)
            async with self._within(self._terms.timeouts.render, "the render"):
                seen = await self._over(baseline, UnderWay("render", baseline.asked_at))
                finished = await self._in_full_or_enough(seen, whole=whole)
            if finished.assembled_url is None or await self._is_the_old_video(baseline, finished):
                raise RenderProducedNothing(
                    "the render ended without a video",
                    project_id=finished.id,
                    status=finished.status,
                    request_id=_request_id(finished),
                )
        return finished

    async def saw_render(self, project: Project) -> None:
        """Adopt a render in doubt whose video, or whose running, a look has shown."""
        async with self.effects.doing("render") as deed:
            if deed.in_doubt_since is not None:
                baseline = Baseline.from_json(deed.baseline, asked_at=deed.in_doubt_since)
                has_video = (
                    project.assembled_url is not None and place(project.assembled_url) != baseline.video
                )
                if has_video or project.status == ProjectStatus.RENDERING:
                    await deed.ended()

    async def _is_the_old_video(self, baseline: Baseline, after: Project) -> bool:
        """Whether a render left nothing but the video that was there before it.

        A new one lies elsewhere, or at least expires later. Where that is not told, it is taken for new.
        """
        if place(after.assembled_url) != baseline.video:
            return False
        if after.assembled_url_expires_at is None:
            after = await self.peek()
        expiries = baseline.video_expires_at, after.assembled_url_expires_at
        return None not in expiries and expiries[0] == expiries[1]

    async def share(self, project_id: str, options: ShareOptions) -> Share:
        """Make the public link."""
        async with self.stage("share"):
            request = {"project_id": project_id, **options.to_json()}
            async with self.effects.doing("share", request) as deed:
                if deed.is_over:
                    return Share(**deed.result)
                share = await shared_once(self._desk, project_id, options, deed)
            self._note(share)
        return share

    async def look(self) -> Project:
        """The project as it stands now.

        Raises:
            ProjectFailed: It has failed.
            ProjectCancelled: It was cancelled.
        """
        asked_at = self._now()
        return await self.in_full(Sighting.of(await self.peek(), asked_at))

    async def peek(self) -> Project:
        """The project as it stands now, whatever that is."""
        assert self.project_id is not None
        asked_at = self._now()
        project = await self._read(self.project_id)
        self._desk.governor.observed(project.id, project.status, asked_at=asked_at)
        self._saw(project.status)
        return project

    async def assets(self, project_id: str) -> tuple[Asset, ...]:
        """All assets of the project."""
        return tuple([asset async for asset in self._desk.api.content.iter_assets(project_id)])

    async def in_full(self, seen: Sighting) -> Project:
        """The whole record of a project, or the error its status means."""
        project = seen.project or await self._read(seen.project_id)
        self._saw(project.status)
        self._heed_warning(project)
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

    async def _read(self, project_id: str) -> Project:
        return await persistently(self._desk, lambda: self._desk.api.projects.get(project_id))

    async def _in_full_or_enough(self, seen: Sighting, *, whole: bool) -> Project:
        """As `in_full`, but without asking for what a list has told already."""
        if seen.project is None and not whole and seen.tells_enough(makes_video=self._makes_video):
            return seen.outline()
        return await self.in_full(seen)

    # -- Stages -----------------------------------------------------------------------------------------

    @asynccontextmanager
    async def stage(self, stage: Stage) -> AsyncGenerator[None, None]:
        """Tell that a stage begins and, if it comes to its end, how long it took."""
        began = self._now()
        self._emit(StageStarted(at=began, project_id=self.project_id, stage=stage))
        with staged(stage, self, self._desk.tracer):
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
                handle=None if self.handle is None else self.handle().to_json(),
            ) from None

    # -- The slot ---------------------------------------------------------------------------------------

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None, None]:
        """Hold one of the account's active-project slots, waiting for it first; may be nested."""
        outermost = self._lease is None
        await self._take_slot()
        try:
            yield
        finally:
            if outermost:
                self._leave_slot()

    async def _take_slot(self) -> HeldSlot:
        if self._lease is None:
            slots, in_flight = self._desk.governor.slots, self.project_id is not None
            with nullcontext() if slots.has_room(self.key) else self._desk.watcher.seeking_slot:
                self._lease = await slots.acquire(self.key, project_id=self.project_id, in_flight=in_flight)
            self._desk.underway.holders.add(self)
        return self._lease

    def _leave_slot(self) -> None:
        lease, self._lease = self._lease, None
        self._desk.underway.holders.discard(self)
        if lease is not None:
            lease.release()

    # -- Writing ----------------------------------------------------------------------------------------

    async def _render_taken(self, project: Project, quality: str) -> Baseline:
        """Have the server take a render, once; return where the project stood before."""
        request = {"project_id": project.id, "quality": quality}
        before = Baseline.before(project, self._now())
        async with self.effects.doing("render", request, baseline=before.to_json()) as deed:
            if deed.is_over:  # an earlier run was told that it is taken
                return Baseline.from_json(deed.entry_baseline, asked_at=self._now())
            baseline = before
            if deed.in_doubt_since is not None:
                baseline = Baseline.from_json(deed.baseline, asked_at=deed.in_doubt_since)

            def render() -> Awaitable[RenderStarted]:
                return deed.send(self._desk, lambda api: api.output.render(project.id, quality=quality))

            async def effect() -> RenderStarted | None:
                asked_at = self._now()
                seen = await self.peek()
                if seen.status in SETTLED - FINAL and not baseline.has_changed(Sighting.of(seen, asked_at)):
                    return None
                return RenderStarted(id=seen.id, status=seen.status, quality=quality)

            found = await deed.find(self._desk, effect) if deed.in_doubt_since is not None else None
            if found is None:
                await self._counted(
                    "renders", lambda: once(self._desk, lambda: self._written(render), effect)
                )
            await deed.ended()
        return attrs.evolve(baseline, asked_at=self._now())

    async def _counted(self, quota: QuotaName, write: Callable[[], Awaitable[R]]) -> R:
        """Do what the day has only so many of."""
        while True:
            taken = await self._of_today(quota)
            try:
                answer = await write()
            except EversinceError as failure:
                if is_of_the_day(failure):
                    taken.refused(getattr(failure, "retry_after", None))
                    continue
                if not is_in_doubt(failure):
                    taken.give_back()
                raise
            taken.confirmed()
            return answer

    async def _of_today(self, quota: QuotaName) -> TakenOfDay:
        """Take one of today's; while there is none, wait for tomorrow without holding a slot."""
        quotas = self._desk.governor.quota
        try:
            return await quotas.take(quota, wait=False, who=self.key)
        except QuotaSpent:
            if not self._terms.wait_for_quota:
                raise
        held = self._lease is not None
        self._leave_slot()
        taken = await quotas.take(quota, who=self.key)
        if held:
            try:
                await self._take_slot()
            except BaseException:
                taken.give_back()
                raise
        return taken

    async def _written(self, write: Callable[[], Awaitable[R]]) -> R:
        """Do what makes the project active, telling its slot what became of it."""
        while True:
            lease = await self._take_slot()
            if lease.overtaken:
                self._leave_slot()
                continue
            lease.sent()
            if self.begun_at is None:
                self.begun_at = self._now()
            try:
                answer = await write()
            except ProjectLimitReached as refusal:
                refusal.daily = not lease.turned_away()
                self._lease = None
                if refusal.daily:
                    raise
            except EversinceError as failure:
                if not is_in_doubt(failure):
                    lease.refused()
                raise
            else:
                self._note(answer)
                return answer

    def _note(self, answer: Response) -> None:
        request_id = _request_id(answer)
        if request_id is not None:
            self.request_ids.append(request_id)

    async def _created(self, deed: Deed, brief: Brief) -> CreatedProject:
        """Create; when cancelled while the request is under way, leave no project that nobody knows of."""
        departures = list[float]()
        create = deed.send(
            self._desk,
            lambda api: api.projects.create(brief),
            on_departure=lambda: departures.append(self._now()),
        )
        try:
            if self._terms.on_cancel == "cancel":
                return await self._brought_to_an_end(create, departures)
            return await create
        except asyncio.CancelledError:
            if departures and self.project_id is None:
                logger.warning(
                    "cancelled before a create was answered: if there is a project, resuming the handle of "
                    "this production finds it, and so does another create with the idempotency key %s",
                    brief.idempotency_key,
                    extra={"key": self.key, "idempotency_key": brief.idempotency_key},
                )
            raise

    async def _brought_to_an_end(
        self, create: Coroutine[Any, Any, CreatedProject], departures: list[float]
    ) -> CreatedProject:
        """When cancelled while the create is under way, learn the project's id before leaving.

        Without it the project could not be cancelled, too.
        """
        creating = asyncio.create_task(create)
        try:
            return await asyncio.shield(creating)
        except asyncio.CancelledError:
            await last_words(creating, seconds=CANCEL_PATIENCE if departures else 0.0)
            if not creating.cancelled() and creating.exception() is None:
                self.project_id = creating.result().id
            raise

    # -- Looking ----------------------------------------------------------------------------------------

    async def _sight(self, stage: UnderWay | None = None) -> Sighting:
        """The next look at the project, at its pace."""
        assert self.project_id is not None
        watcher = self._desk.watcher
        seen = await watcher.sight(
            self.project_id,
            status=self.status,
            stage=stage,
            missing_until=self._began + watcher.schedule.grace,
        )
        self._saw(seen.status)
        if seen.project is not None:
            self._heed_warning(seen.project)
        return seen

    async def _until_settled(self) -> None:
        if not (await self.peek()).is_settled:
            while not (await self._sight()).is_settled:
                pass

    async def _over(self, baseline: Baseline, stage: UnderWay | None = None) -> Sighting:
        """Wait until what was asked for at the baseline is over, by evidence."""
        began, before = False, self._now()
        too_late = baseline.asked_at + self._desk.watcher.schedule.grace
        while True:
            seen = await self._sight(stage)
            if not seen.is_settled:
                began = True
            elif began or baseline.has_changed(seen) or seen.asked_at > too_late:
                self._learn(stage, before, seen)
                return seen
            before = seen.asked_at

    def _learn(self, stage: UnderWay | None, before: float, seen: Sighting) -> None:
        """Remember how long a stage took that ended well, between two looks."""
        if stage is not None and seen.status not in FINAL:
            self._desk.watcher.foresight.learn(stage.kind, (before + seen.asked_at) / 2 - stage.began_at)

    def _saw(self, status: ProjectStatus | str) -> None:
        before, self.status = self.status, status
        if status != before:
            self._emit(
                StatusChanged(at=self._now(), project_id=self.project_id, status=status, before=before)
            )

    def _heed_warning(self, project: Project) -> None:
        """Tell that credits run out, once for each text: it stands in every answer."""
        warning = project.credits_warning
        if warning is not None and warning not in self._warnings:
            self._warnings.add(warning)
            self._emit(CreditsLow(at=self._now(), project_id=project.id, warning=warning))
            if self._terms.on_credits_warning is not None:
                tell(self._terms.on_credits_warning, warning)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def is_of_the_day(failure: EversinceError) -> bool:
    """Whether a refusal means the day's limit, and not the minute's or the slots'.

    The code of the render limit is not documented. `rate_limited` while the answer's own headers show
    requests left, or with a wait that is longer than any minute, is not about the minute.
    """
    match failure:
        case ProjectLimitReached():
            return failure.daily is True
        case RateLimited():
            return failure.is_not_of_the_minute
        case _:
            return False


def _request_id(answer: Response) -> str | None:
    return None if answer.receipt is None else answer.receipt.request_id
