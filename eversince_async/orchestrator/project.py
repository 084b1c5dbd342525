"""The steps a project's life is made of, awaitable to its end: create, settle, message, render, share."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

import attrs

from eversince_async._wire.converter import unstructure
from eversince_async.durable.confirm import CONFIRM_DELAYS, retry_transient, send_once, wait_for_effect
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


RECENT: Final = 5.0
"""Seconds before a render that others may have asked for, too, in which the project is looked at."""

LOOKS_BEFORE: Final = 50
"""Looks before it is asked for although the last was longer ago: each waits for the budget, as it does, and
that may take a minute where several machines use it up."""


class RenderedElsewhere(Exception):
    """Somebody else has the project rendered, or has had."""


class _SeenTooLongAgo(Exception):
    """The look that showed a project waiting to be rendered is not recent any more."""


class ProjectOperations(Admission):
    """The steps of one project; see `ProjectTracker` for what they told, and how long they took."""

    async def create(self, brief: Brief) -> CreatedProject:
        """Create the project, waiting for a place as often as the server says there is none.

        Raises:
            ApiError: The server refused.
            TransportError: Whether it was created is unknown; the same idempotency key finds out.
            QuotaExhausted: Today's projects are used up, and the terms say not to wait.
            InDoubt: Several failed projects may be what an earlier try of this has made.
        """
        baseline = self._runtime.begins()
        async with (
            self.stage("create"),
            self.effects.begin("create", unstructure(brief), baseline=baseline) as execution,
        ):
            with register_create(self._runtime, execution) as is_ours:
                created = await self._find_existing(execution) or await self._create(execution, brief)
                is_ours(created.id)
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
            self._makes_video = brief.expected_output == ExpectedOutput.ASSEMBLED
        return created

    async def _create(self, execution: EffectExecution, brief: Brief) -> CreatedProject:
        if execution.in_doubt_since is not None:
            key = execution.field("request")["idempotency_key"].text(longest=IDEMPOTENCY_KEY_CHARACTERS)
            brief = attrs.evolve(brief, idempotency_key=key)

        async def asked() -> CreatedProject:
            if execution.may_arrive_late and execution.in_doubt_since is not None:
                # It would make another project if the one that is asked for now fails before it arrives.
                await asyncio.sleep(execution.in_doubt_since + CONFIRM_DELAYS[-1] - self._now())
            # A project that has failed no longer binds the key: asking again would make a second one.
            return await self._find_failed(execution) or await self._send_create(execution, brief)

        # The idempotency key makes it harmless to ask again.
        return await self.with_quota(
            "projects",
            execution,
            lambda: self.with_slot(execution, lambda: self._send_create_again(execution, asked)),
        )

    async def _send_create_again(
        self, execution: EffectExecution, ask: Callable[[], Awaitable[CreatedProject]]
    ) -> CreatedProject:
        """Ask until there is an answer; where a gateway does not let us ask again, look for the project."""
        try:
            return await retry_transient(self._runtime, ask, is_write=True)
        except EversinceError as failure:
            if lasting_page(failure) is None:
                raise
            made = await wait_for_effect(
                self._runtime, lambda: project_of(self._runtime, execution), CONFIRM_DELAYS
            )
            if made is None:
                raise
        return CreatedProject(id=made.id, status=made.status, existed=True)

    async def _find_existing(self, execution: EffectExecution) -> CreatedProject | None:
        """The project of an earlier run, when asking again with the same key would not bring it."""
        if execution.is_done:
            made = execution.field("result")
            return CreatedProject(id=made["id"].text(), status=made["status"].text_or_none(), existed=True)
        if execution.in_doubt_since is not None:
            await asyncio.sleep(max(0.0, execution.in_doubt_since + CONFIRM_DELAYS[-1] - self._now()))
        return await self._find_failed(execution)

    async def _find_failed(self, execution: EffectExecution) -> CreatedProject | None:
        """The project that a create in doubt has made, if it has failed since."""
        if execution.in_doubt_since is None:
            return None
        failed = await retry_transient(
            self._runtime, lambda: project_of(self._runtime, execution, ProjectStatus.FAILED)
        )
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
            text: What to say.
            references: Uploads and URLs that go with it.
            name: What a journal calls it.

        Raises:
            StatusConflict: The project takes no messages now.
            ProjectFailed: The agent failed over it.
            WaitTimedOut: It takes longer than allowed; the agent goes on.
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
        """Send a message, once; return what `answered` waits by.

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
            async with self.slot():  # what the agent then does keeps it, not we
                await send_message_once(
                    self._runtime,
                    outgoing,
                    execution,
                    write=partial(self.with_slot, execution),
                    until_settled=self._wait_settled,
                )
            await execution.record_done()
        self._known = None  # of what was before; the baseline tells that
        self._set_status(ProjectStatus.RUNNING)
        return attrs.evolve(outgoing.before, requested_at=self._now())

    async def wait_reply(self, baseline: Baseline) -> Project:
        """Wait until the agent has dealt with a message.

        Raises:
            ProjectFailed: The agent failed over it.
            WaitTimedOut: It takes longer than allowed; the agent goes on.
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
            StatusConflict: It is not idle.
            ProjectFailed: The render failed.
            RenderProducedNothing: The render ended without a video.
            WaitTimedOut: It takes longer than allowed; the render goes on.
            QuotaExhausted: Today's renders are used up, and the terms say not to wait.
        """
        async with self.stage("render"):
            baseline = await self._start_render(project, quality)
            self._set_status(ProjectStatus.RENDERING)
            async with self._stage_timeout(self._policy.timeouts.render, "the render"):
                seen = await self._wait_finished(baseline, StageInProgress("render", baseline.requested_at))
                finished = await self._get_project_or_summary(seen, whole=whole)
                if await self._has_new_video(baseline, finished):
                    return finished
                # An answer from before the render may well come after it.
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
        """The project, if it shows a video that was not there before; if it is at work, once it is done."""
        project = await self.refresh()
        while not project.is_settled:
            project = await self.get_project(await self._next_observation())
        return project if await self._has_new_video(baseline, project) else None

    async def adopt_render(self, project: Project) -> None:
        """Adopt a render in doubt whose video, or whose running, a look has shown."""
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
        """Whether a render left another video than the one that was there before it.

        A new one lies elsewhere, or at least expires later. Where that is not told, it is taken for new.
        """
        if url_without_query(after.assembled_url) != baseline.video:
            return after.assembled_url is not None
        if after.assembled_url is not None and after.assembled_url_expires_at is None:
            after = await self.get_status()
        expiries = baseline.video_expires_at, after.assembled_url_expires_at
        return after.assembled_url is not None and (None in expiries or expiries[0] != expiries[1])

    async def share(self, project_id: str, options: ShareOptions) -> Share:
        """Make the public link."""
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
        before, made = self._share or (None, None)
        if before is not None and before.request == execution.request:
            if made is not None:
                return made
            execution.goes_on_from(before)
        try:
            share = await share_once(self._runtime, project_id, options, execution)
        except BaseException:
            self._share = (execution, None) if execution.is_in_doubt(self._now()) else None
            raise
        self._share = execution, share
        return share

    def is_delivered(self) -> None:
        """Forget what was kept for the case that it has to be delivered again."""
        self._share = None

    async def share_made(self) -> Share | None:
        """The public link that was made, if one was."""
        async with self.effects.begin("share") as execution:
            return recorded_share_of(execution) if execution.is_done else None

    async def _start_render(self, project: Project, quality: str) -> Baseline:
        """Have the server take a render, once; return where the project stood before."""
        request = {"project_id": project.id, "quality": quality}
        before = Baseline.before(project, self._now())
        self._known = None  # from here on, the baseline tells what was before
        async with self.effects.begin("render", request, baseline=before.to_json()) as execution:
            if execution.is_done:  # an earlier run was told that it is taken
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
                    await self.with_quota(
                        "renders",
                        execution,
                        lambda: send_once(self._runtime, lambda: self.with_slot(execution, render), effect),
                    )
            await execution.record_done()
        self._known = None
        return attrs.evolve(baseline, requested_at=self._now())

    async def _unless_rendered(
        self, baseline: Baseline, execution: EffectExecution, send: Callable[[], Awaitable[RenderStarted]]
    ) -> RenderStarted:
        """Send a render if a look a moment ago shows that nobody else has had the project rendered.

        Raises:
            RenderedElsewhere: Somebody has.
        """
        for _ in range(LOOKS_BEFORE):
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
        if self._now() - requested_at > RECENT:
            raise _SeenTooLongAgo

    @contextmanager
    def _learning_of(self, quality: str) -> Generator[None, None, None]:
        """Note whether the account may render so."""
        try:
            yield
        except Forbidden as refusal:
            if refusal.is_documented:
                self._runtime.entitlements.add_refusal(quality, refusal.message)
            raise
        self._runtime.entitlements.add_granted(quality)

    async def _send_create(self, execution: EffectExecution, brief: Brief) -> CreatedProject:
        """Create; when cancelled while the request is under way, leave no project that nobody knows of."""
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
        """When cancelled while the create is under way, learn the project's id before leaving.

        Without it the project could not be cancelled, too.
        """
        creating = asyncio.create_task(create)
        try:
            return await asyncio.shield(creating)
        except asyncio.CancelledError:
            await wait_then_cancel(creating, seconds=CANCEL_TIMEOUT if departures else 0.0)
            if not creating.cancelled() and creating.exception() is None:
                self.project_id = creating.result().id
            raise
