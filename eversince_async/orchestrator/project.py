"""Operations on one project: create, settle, message, render and share."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

import attrs

from eversince_async._wire.converter import unstructure
from eversince_async.durable.confirm import CONFIRM_DELAYS, retry_transient, wait_for_effect
from eversince_async.durable.doubt import lasting_page
from eversince_async.durable.executor import EffectExecution
from eversince_async.errors import EversinceError, Forbidden, RenderProducedNothing
from eversince_async.lifecycle import FINAL, SETTLED, ProjectStatus
from eversince_async.limits import IDEMPOTENCY_KEY_CHARACTERS
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.output import RenderStarted, Share
from eversince_async.models.projects import Brief, CreatedProject, ExpectedOutput, Project
from eversince_async.models.references import Reference
from eversince_async.orchestrator.admission import Admission
from eversince_async.orchestrator.create import project_of, register_create
from eversince_async.orchestrator.message import MessageDraft, newest_message, send_message_once
from eversince_async.orchestrator.options import CANCEL_TIMEOUT, ShareOptions
from eversince_async.orchestrator.runtime import wait_then_cancel
from eversince_async.orchestrator.share import recorded_share_of, share_once
from eversince_async.orchestrator.tracker import request_id_of
from eversince_async.polling.durations import StageInProgress
from eversince_async.polling.observation import Baseline, Observation, url_without_query

logger: Final = logging.getLogger("eversince_async")


MAX_OBSERVATION_AGE_SECONDS: Final = 5.0
"""The greatest age of the observation on which a render relies, in seconds.

It matters only where other machines may render the project, too.
"""

MAX_CHECKS_BEFORE_RENDER: Final = 50
"""Status checks after which a render is sent even without a recent one.

Each check waits for the request budget, as the
render does; where several machines use the budget up, that may take a minute.
"""


class RenderedElsewhere(Exception):
    """Another process or person is rendering the project, or has rendered it."""


class _SeenTooLongAgo(Exception):
    """The last observation before a render is no longer recent."""


class ProjectOperations(Admission):
    """The operations on one project, each awaited to its end.

    `ProjectTracker` holds their results and durations.
    """

    async def create(self, brief: Brief) -> CreatedProject:
        """Create the project, waiting for a slot as often as needed.

        The server may refuse a slot that was counted as free.

        Raises:
            ApiError: The server refused.
            TransportError: It is unknown whether the project was created; the same idempotency key finds out.
            QuotaExhausted: Today's projects are used up, and the policy says not to wait.
            InDoubt: Several failed projects may be what an earlier attempt of this create made.
        """
        baseline = self._runtime.current_moment()
        async with (
            self.stage("create"),
            self.effects.begin("create", unstructure(brief), baseline=baseline) as execution,
        ):
            with register_create(self._runtime, execution) as mark_ours:
                created = await self._find_existing(execution) or await self._create(execution, brief)
                mark_ours(created.id)
            await execution.record_done(
                {"id": created.id, "status": created.status},
                claim=created.id,
                job=self.effects.job_change_for(created.id),
            )
            self.project_id = created.id
            if created.status is not None:
                self._set_status(created.status)
            if created.credits_balance is not None:
                self._runtime.governor.record_credits(created.credits_balance, requested_at=self.left_at)
            if self._slot_lease is not None:
                self._slot_lease.bind(created.id)
            if not created.existed:
                self._stage_in_progress = StageInProgress("settle", self._now())
            self._expects_video = brief.expected_output == ExpectedOutput.ASSEMBLED
        return created

    async def _create(self, execution: EffectExecution, brief: Brief) -> CreatedProject:
        if execution.in_doubt_since is not None:
            key = execution.field("request")["idempotency_key"].text(longest=IDEMPOTENCY_KEY_CHARACTERS)
            brief = attrs.evolve(brief, idempotency_key=key)

        async def find_or_send() -> CreatedProject:
            if execution.may_arrive_late and execution.in_doubt_since is not None:
                # The late request would make a second project if this one's failed before it arrives.
                await asyncio.sleep(execution.in_doubt_since + CONFIRM_DELAYS[-1] - self._now())
            # A failed project no longer binds the key: sending the create again would make a second one.
            return await self._find_failed(execution) or await self._send_create(execution, brief)

        # The idempotency key makes it harmless to send the create again.
        send = partial(self._send_create_again, execution, find_or_send)
        return await self.write(execution, send, quota="projects")

    async def _send_create_again(
        self, execution: EffectExecution, send: Callable[[], Awaitable[CreatedProject]]
    ) -> CreatedProject:
        """Send the create until there is a response.

        If a gateway keeps answering instead, look for the project.
        """
        try:
            return await retry_transient(self._runtime, send, is_write=True)
        except EversinceError as failure:
            if lasting_page(failure) is None:
                raise
            project = await wait_for_effect(
                self._runtime, lambda: project_of(self._runtime, execution), CONFIRM_DELAYS
            )
            if project is None:
                raise
        return CreatedProject(id=project.id, status=project.status, existed=True)

    async def _find_existing(self, execution: EffectExecution) -> CreatedProject | None:
        """Return an earlier run's project that the key cannot bring back."""
        if execution.is_done:
            result = execution.field("result")
            return CreatedProject(
                id=result["id"].text(), status=result["status"].text_or_none(), existed=True
            )
        if execution.in_doubt_since is not None:
            await asyncio.sleep(max(0.0, execution.in_doubt_since + CONFIRM_DELAYS[-1] - self._now()))
        return await self._find_failed(execution)

    async def _find_failed(self, execution: EffectExecution) -> CreatedProject | None:
        """Return the failed project of a create in doubt, if any."""
        if execution.in_doubt_since is None:
            return None
        failed = await retry_transient(
            self._runtime, lambda: project_of(self._runtime, execution, ProjectStatus.FAILED)
        )
        return None if failed is None else CreatedProject(id=failed.id, status=failed.status, existed=True)

    async def settle(self, *, whole: bool = True) -> Project:
        """Wait until the agent's run is over.

        Args:
            whole: False accepts a record with no more than what is needed to go on. The record is whole, and
                has a receipt, if it came from a request for this project alone.

        Raises:
            ProjectFailed: The project failed.
            ProjectCancelled: The project was cancelled.
            WaitTimedOut: The run takes longer than allowed; the project goes on.
        """
        async with self.stage("settle"), self._stage_timeout(self._policy.timeouts.settle, "the agent's run"):
            before = self._now()
            while not (seen := await self._next_observation(self._stage_in_progress)).is_settled:
                before = seen.requested_at
            self._record_duration(self._stage_in_progress, before, seen)
            return await self._get_project_or_summary(seen, whole=whole)

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
            text: The message.
            references: Uploads and URLs that go with it.
            name: The effect's name in a journal.

        Raises:
            StatusConflict: The project takes no messages now.
            ProjectFailed: The agent failed over the message.
            WaitTimedOut: The agent takes longer than allowed; it goes on.
        """
        outgoing = MessageDraft(
            project_id=project.id,
            text=text,
            references=references,
            cursor=await newest_message(self._runtime, project.id),
            before=Baseline.before(project, self._now()),
        )
        async with self.stage("message"):
            return await self.wait_reply(await self.send_message(outgoing, name=name))

    async def send_message(self, outgoing: MessageDraft, *, name: str = "message") -> Baseline:
        """Send a message once; return the baseline for `wait_reply`.

        Raises:
            StatusConflict: The project takes no messages now.
        """
        request = {"project_id": outgoing.project_id, "text": outgoing.text}
        baseline = {"cursor": outgoing.cursor, **outgoing.before.to_json()}
        async with self.effects.begin("message", request, name=name, baseline=baseline) as execution:
            if execution.is_done:
                return Baseline.from_json(
                    execution.field("baseline"), requested_at=outgoing.before.requested_at
                )
            if execution.in_doubt_since is not None:
                outgoing.cursor = execution.field("baseline")["cursor"].text_or_none()
                outgoing.in_doubt_since = execution.in_doubt_since
                outgoing.before = Baseline.from_json(
                    execution.field("baseline"), requested_at=execution.in_doubt_since
                )
            async with self.slot():  # afterwards the agent's work keeps the slot
                await send_message_once(
                    self._runtime,
                    outgoing,
                    execution,
                    write=partial(self.write, execution),
                    until_settled=self._wait_settled,
                )
            await execution.record_done()
        self._known = None  # the project before the message is outdated; the baseline holds it
        self._set_status(ProjectStatus.RUNNING)
        return attrs.evolve(outgoing.before, requested_at=self._now())

    async def wait_reply(self, baseline: Baseline) -> Project:
        """Wait until the agent has dealt with a message.

        Raises:
            ProjectFailed: The agent failed over the message.
            WaitTimedOut: The agent takes longer than allowed; it goes on.
        """
        async with self._stage_timeout(self._policy.timeouts.settle, "the agent's run"):
            return await self.get_project(await self._wait_finished(baseline))

    async def render(self, project: Project, quality: str, *, whole: bool = True) -> Project:
        """Render the project and wait for the video.

        Args:
            project: The project as it stands.
            quality: `1080p` or `4k`.
            whole: As for `settle`.

        Raises:
            StatusConflict: The project is not idle; `render_with_retries` handles that.
            ProjectFailed: The render failed.
            RenderProducedNothing: The render ended without a video.
            WaitTimedOut: The render takes longer than allowed; it goes on.
            QuotaExhausted: Today's renders are used up, and the policy says not to wait.
        """
        async with self.stage("render"):
            baseline = await self._start_render(project, quality)
            self._set_status(ProjectStatus.RENDERING)
            async with self._stage_timeout(self._policy.timeouts.render, "the render"):
                seen = await self._wait_finished(baseline, StageInProgress("render", baseline.requested_at))
                finished = await self._get_project_or_summary(seen, whole=whole)
                if await self._has_new_video(baseline, finished):
                    return finished
                # A response from before the render may well come after it.
                late = await wait_for_effect(
                    self._runtime, lambda: self._new_video(baseline), CONFIRM_DELAYS[1:]
                )
            if late is None:
                raise RenderProducedNothing(
                    "the render ended without a video",
                    project_id=finished.id,
                    status=finished.status,
                    request_id=request_id_of(finished),
                )
        return late

    async def _new_video(self, baseline: Baseline) -> Project | None:
        """Return the settled project if it has a new video, else None.

        Waits first if the project is at work.
        """
        project = await self.refresh()
        while not project.is_settled:
            project = await self.get_project(await self._next_observation())
        return project if await self._has_new_video(baseline, project) else None

    async def adopt_render(self, project: Project) -> None:
        """Adopt a render in doubt that the project shows.

        The project shows it by its video, or by its status while it renders.
        """
        async with self.effects.begin("render") as execution:
            if execution.in_doubt_since is not None:
                baseline = Baseline.from_json(
                    execution.field("baseline"), requested_at=execution.in_doubt_since
                )
                has_video = (
                    project.assembled_url is not None
                    and url_without_query(project.assembled_url) != baseline.video
                )
                if has_video or project.status == ProjectStatus.RENDERING:
                    await execution.record_done()

    async def _has_new_video(self, baseline: Baseline, after: Project) -> bool:
        """Return True if a render left another video than the one before.

        A new video has another URL, or at least a later expiry. If the expiry is not known, the video is
        taken for new.
        """
        if url_without_query(after.assembled_url) != baseline.video:
            return after.assembled_url is not None
        if after.assembled_url is not None and after.assembled_url_expires_at is None:
            after = await self.get_status()
        expiries = baseline.video_expires_at, after.assembled_url_expires_at
        return after.assembled_url is not None and (None in expiries or expiries[0] != expiries[1])

    async def share(self, project_id: str, options: ShareOptions) -> Share:
        """Make the public link, or return the recorded one."""
        async with self.stage("share"):
            request = {"project_id": project_id, **options.to_json()}
            async with self.effects.begin("share", request) as execution:
                if execution.is_done:
                    return recorded_share_of(execution)
                share = await self._share_locked(project_id, options, execution)
            self._record_request_id(share)
        return share

    async def _share_locked(
        self, project_id: str, options: ShareOptions, execution: EffectExecution
    ) -> Share:
        before, earlier_share = self._share or (None, None)
        if before is not None and before.request == execution.request:
            if earlier_share is not None:
                return earlier_share
            execution.goes_on_from(before)
        try:
            share = await share_once(self._runtime, project_id, options, execution)
        except BaseException:
            self._share = (execution, None) if execution.is_in_doubt(self._now()) else None
            raise
        self._share = execution, share
        return share

    def forget_share(self) -> None:
        """Forget the last share, which a repeated delivery would reuse."""
        self._share = None

    async def share_made(self) -> Share | None:
        """Return the recorded public link; None if none was made."""
        async with self.effects.begin("share") as execution:
            return recorded_share_of(execution) if execution.is_done else None

    async def _start_render(self, project: Project, quality: str) -> Baseline:
        """Send a render once; return the baseline from before it."""
        request = {"project_id": project.id, "quality": quality}
        before = Baseline.before(project, self._now())
        self._known = None  # from here on, the baseline holds the project before the render
        async with self.effects.begin("render", request, baseline=before.to_json()) as execution:
            if execution.is_done:  # the server accepted the render of an earlier run
                return Baseline.from_json(execution.field("baseline"), requested_at=self._now())
            baseline = before
            if execution.in_doubt_since is not None:
                baseline = Baseline.from_json(
                    execution.field("baseline"), requested_at=execution.in_doubt_since
                )

            def send() -> Awaitable[RenderStarted]:
                return execution.send(
                    self._runtime, lambda api: api.output.render(project.id, quality=quality)
                )

            def render() -> Awaitable[RenderStarted]:
                return self._unless_rendered(baseline, execution, send) if self._policy.has_rivals else send()

            async def effect() -> RenderStarted | None:
                requested_at = self._now()
                seen = await self.get_status()
                if seen.status in SETTLED - FINAL and not baseline.differs_from(
                    Observation.of(seen, requested_at)
                ):
                    return None
                return RenderStarted(id=seen.id, status=seen.status, quality=quality)

            found = (
                await execution.confirm(self._runtime, effect)
                if execution.in_doubt_since is not None
                else None
            )
            if found is None:
                with self._learning_of(quality):
                    await self.write(execution, render, quota="renders", confirm=effect)
            await execution.record_done()
        self._known = None
        return attrs.evolve(baseline, requested_at=self._now())

    async def _unless_rendered(
        self, baseline: Baseline, execution: EffectExecution, send: Callable[[], Awaitable[RenderStarted]]
    ) -> RenderStarted:
        """Send a render unless a recent observation shows another one.

        Raises:
            RenderedElsewhere: Another process or person has the project rendered, or has had.
        """
        for _ in range(MAX_CHECKS_BEFORE_RENDER):
            requested_at = self._now()
            seen = await self.get_status()
            if seen.status not in SETTLED - FINAL or url_without_query(seen.assembled_url) not in {
                None,
                baseline.video,
            }:
                raise RenderedElsewhere
            with (
                suppress(_SeenTooLongAgo),
                execution.at_departure(partial(self._need_seen_since, requested_at)),
            ):
                return await send()
        return await send()

    def _need_seen_since(self, requested_at: float) -> None:
        if self._now() - requested_at > MAX_OBSERVATION_AGE_SECONDS:
            raise _SeenTooLongAgo

    @contextmanager
    def _learning_of(self, quality: str) -> Generator[None, None, None]:
        """Record whether the account may render in this quality."""
        try:
            yield
        except Forbidden as refusal:
            if refusal.is_documented:
                self._runtime.entitlements.add_refusal(quality, refusal.message)
            raise
        self._runtime.entitlements.add_granted(quality)

    async def _send_create(self, execution: EffectExecution, brief: Brief) -> CreatedProject:
        """Send the create; if cancelled, log how to find the project."""
        departures = list[float]()
        create = execution.send(
            self._runtime,
            lambda api: api.projects.create(brief),
            on_send=lambda: departures.append(self._now()),
        )
        try:
            if self._policy.on_cancel == "cancel":
                return await self._finish_before_cancel(create, departures)
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

    async def _finish_before_cancel(
        self, create: Coroutine[Any, Any, CreatedProject], departures: list[float]
    ) -> CreatedProject:
        """Send the create; if cancelled meanwhile, learn the project's id before leaving.

        Without the id the project could not be cancelled, too.
        """
        creating = asyncio.create_task(create)
        try:
            return await asyncio.shield(creating)
        except asyncio.CancelledError:
            await wait_then_cancel(creating, seconds=CANCEL_TIMEOUT if departures else 0.0)
            if not creating.cancelled() and creating.exception() is None:
                self.project_id = creating.result().id
            raise
