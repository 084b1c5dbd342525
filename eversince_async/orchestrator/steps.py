"""The steps a project's life is made of, awaitable to its end: create, settle, message, render, share."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

import attrs

from eversince_async._wire.converter import unstructure
from eversince_async.errors import EversinceError, Forbidden, RenderProducedNothing
from eversince_async.lifecycle import FINAL, SETTLED, ProjectStatus
from eversince_async.limits import IDEMPOTENCY_KEY_CHARACTERS
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.output import RenderStarted, Share
from eversince_async.models.projects import Brief, CreatedProject, ExpectedOutput, Project
from eversince_async.models.references import Reference
from eversince_async.orchestrator.creating import create_under_way, project_of
from eversince_async.orchestrator.desk import last_words
from eversince_async.orchestrator.doubt import lasting_page
from eversince_async.orchestrator.effects import Deed
from eversince_async.orchestrator.footing import request_id_of
from eversince_async.orchestrator.foresight import UnderWay
from eversince_async.orchestrator.messaging import Outgoing, deliver, newest_message
from eversince_async.orchestrator.observing import LOOKS_AFTER, look_for, once, persistently
from eversince_async.orchestrator.order import CANCEL_PATIENCE, ShareOptions
from eversince_async.orchestrator.sharing import made_before, shared_once
from eversince_async.orchestrator.sighting import Baseline, Sighting, place
from eversince_async.orchestrator.writing import Writing

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


class Steps(Writing):
    """The steps of one project; see `Footing` for what they told, and how long they took."""

    async def create(self, brief: Brief) -> CreatedProject:
        """Create the project, waiting for a place as often as the server says there is none.

        Raises:
            ApiError: The server refused.
            TransportError: Whether it was created is unknown; the same idempotency key finds out.
            QuotaSpent: Today's projects are used up, and the terms say not to wait.
            InDoubt: Several failed projects may be what an earlier try of this has made.
        """
        baseline = self._desk.begins()
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
            if created.status is not None:
                self._saw(created.status)
            if created.credits_balance is not None:
                self._desk.governor.noted_credits(created.credits_balance, asked_at=self.left_at)
            if self._lease is not None:
                self._lease.bind(created.id)
            if not created.existed:
                self._run = UnderWay("settle", self._now())
            self._makes_video = brief.expected_output == ExpectedOutput.ASSEMBLED
        return created

    async def _create(self, deed: Deed, brief: Brief) -> CreatedProject:
        if deed.in_doubt_since is not None:
            key = deed.field("request")["idempotency_key"].text(longest=IDEMPOTENCY_KEY_CHARACTERS)
            brief = attrs.evolve(brief, idempotency_key=key)

        async def asked() -> CreatedProject:
            if deed.may_arrive_late and deed.in_doubt_since is not None:
                # It would make another project if the one that is asked for now fails before it arrives.
                await asyncio.sleep(deed.in_doubt_since + LOOKS_AFTER[-1] - self._now())
            # A project that has failed no longer binds the key: asking again would make a second one.
            return await self._failed_already(deed) or await self._created(deed, brief)

        # The idempotency key makes it harmless to ask again.
        return await self._counted(
            "projects", deed, lambda: self._written(deed, lambda: self._asked_for(deed, asked))
        )

    async def _asked_for(self, deed: Deed, ask: Callable[[], Awaitable[CreatedProject]]) -> CreatedProject:
        """Ask until there is an answer; where a gateway does not let us ask again, look for the project."""
        try:
            return await persistently(self._desk, ask, is_write=True)
        except EversinceError as failure:
            if lasting_page(failure) is None:
                raise
            made = await look_for(self._desk, lambda: project_of(self._desk, deed), LOOKS_AFTER)
            if made is None:
                raise
        return CreatedProject(id=made.id, status=made.status, existed=True)

    async def _existing(self, deed: Deed) -> CreatedProject | None:
        """The project of an earlier run, when asking again with the same key would not bring it."""
        if deed.is_over:
            made = deed.field("result")
            return CreatedProject(id=made["id"].text(), status=made["status"].text_or_none(), existed=True)
        if deed.in_doubt_since is not None:
            await asyncio.sleep(max(0.0, deed.in_doubt_since + LOOKS_AFTER[-1] - self._now()))
        return await self._failed_already(deed)

    async def _failed_already(self, deed: Deed) -> CreatedProject | None:
        """The project that a create in doubt has made, if it has failed since."""
        if deed.in_doubt_since is None:
            return None
        failed = await persistently(self._desk, lambda: project_of(self._desk, deed, ProjectStatus.FAILED))
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
                return Baseline.from_json(deed.field("baseline"), asked_at=outgoing.before.asked_at)
            if deed.in_doubt_since is not None:
                outgoing.cursor = deed.field("baseline")["cursor"].text_or_none()
                outgoing.in_doubt_since = deed.in_doubt_since
                outgoing.before = Baseline.from_json(deed.field("baseline"), asked_at=deed.in_doubt_since)
            async with self.slot():  # what the agent then does keeps it, not we
                await deliver(
                    self._desk,
                    outgoing,
                    deed,
                    write=partial(self._written, deed),
                    until_settled=self._until_settled,
                )
            await deed.ended()
        self._known = None  # of what was before; the baseline tells that
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
                if await self._has_new_video(baseline, finished):
                    return finished
                # An answer from before the render may well come after it.
                late = await look_for(self._desk, lambda: self._new_video(baseline), LOOKS_AFTER[1:])
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
        project = await self.look()
        while not project.is_settled:
            project = await self.in_full(await self._sight())
        return project if await self._has_new_video(baseline, project) else None

    async def saw_render(self, project: Project) -> None:
        """Adopt a render in doubt whose video, or whose running, a look has shown."""
        async with self.effects.doing("render") as deed:
            if deed.in_doubt_since is not None:
                baseline = Baseline.from_json(deed.field("baseline"), asked_at=deed.in_doubt_since)
                has_video = (
                    project.assembled_url is not None and place(project.assembled_url) != baseline.video
                )
                if has_video or project.status == ProjectStatus.RENDERING:
                    await deed.ended()

    async def _has_new_video(self, baseline: Baseline, after: Project) -> bool:
        """Whether a render left another video than the one that was there before it.

        A new one lies elsewhere, or at least expires later. Where that is not told, it is taken for new.
        """
        if place(after.assembled_url) != baseline.video:
            return after.assembled_url is not None
        if after.assembled_url is not None and after.assembled_url_expires_at is None:
            after = await self.peek()
        expiries = baseline.video_expires_at, after.assembled_url_expires_at
        return after.assembled_url is not None and (None in expiries or expiries[0] != expiries[1])

    async def share(self, project_id: str, options: ShareOptions) -> Share:
        """Make the public link."""
        async with self.stage("share"):
            request = {"project_id": project_id, **options.to_json()}
            async with self.effects.doing("share", request) as deed:
                if deed.is_over:
                    return made_before(deed)
                share = await self._shared(project_id, options, deed)
            self._note(share)
        return share

    async def _shared(self, project_id: str, options: ShareOptions, deed: Deed) -> Share:
        before, made = self._share or (None, None)
        if before is not None and before.request == deed.request:
            if made is not None:
                return made
            deed.goes_on_from(before)
        try:
            share = await shared_once(self._desk, project_id, options, deed)
        except BaseException:
            self._share = (deed, None) if deed.is_in_doubt(self._now()) else None
            raise
        self._share = deed, share
        return share

    def is_delivered(self) -> None:
        """Forget what was kept for the case that it has to be delivered again."""
        self._share = None

    async def share_made(self) -> Share | None:
        """The public link that was made, if one was."""
        async with self.effects.doing("share") as deed:
            return made_before(deed) if deed.is_over else None

    async def _render_taken(self, project: Project, quality: str) -> Baseline:
        """Have the server take a render, once; return where the project stood before."""
        request = {"project_id": project.id, "quality": quality}
        before = Baseline.before(project, self._now())
        self._known = None  # from here on, the baseline tells what was before
        async with self.effects.doing("render", request, baseline=before.to_json()) as deed:
            if deed.is_over:  # an earlier run was told that it is taken
                return Baseline.from_json(deed.field("baseline"), asked_at=self._now())
            baseline = before
            if deed.in_doubt_since is not None:
                baseline = Baseline.from_json(deed.field("baseline"), asked_at=deed.in_doubt_since)

            def send() -> Awaitable[RenderStarted]:
                return deed.send(self._desk, lambda api: api.output.render(project.id, quality=quality))

            def render() -> Awaitable[RenderStarted]:
                return self._unless_rendered(baseline, deed, send) if self._terms.has_rivals else send()

            async def effect() -> RenderStarted | None:
                asked_at = self._now()
                seen = await self.peek()
                if seen.status in SETTLED - FINAL and not baseline.has_changed(Sighting.of(seen, asked_at)):
                    return None
                return RenderStarted(id=seen.id, status=seen.status, quality=quality)

            found = await deed.find(self._desk, effect) if deed.in_doubt_since is not None else None
            if found is None:
                with self._learning_of(quality):
                    await self._counted(
                        "renders", deed, lambda: once(self._desk, lambda: self._written(deed, render), effect)
                    )
            await deed.ended()
        self._known = None
        return attrs.evolve(baseline, asked_at=self._now())

    async def _unless_rendered(
        self, baseline: Baseline, deed: Deed, send: Callable[[], Awaitable[RenderStarted]]
    ) -> RenderStarted:
        """Send a render if a look a moment ago shows that nobody else has had the project rendered.

        Raises:
            RenderedElsewhere: Somebody has.
        """
        for _ in range(LOOKS_BEFORE):
            asked_at = self._now()
            seen = await self.peek()
            if seen.status not in SETTLED - FINAL or place(seen.assembled_url) not in {None, baseline.video}:
                raise RenderedElsewhere
            with suppress(_SeenTooLongAgo), deed.at_departure(partial(self._need_seen_since, asked_at)):
                return await send()
        return await send()

    def _need_seen_since(self, asked_at: float) -> None:
        if self._now() - asked_at > RECENT:
            raise _SeenTooLongAgo

    @contextmanager
    def _learning_of(self, quality: str) -> Generator[None, None, None]:
        """Note whether the account may render so."""
        try:
            yield
        except Forbidden as refusal:
            if refusal.is_documented:
                self._desk.entitlements.refused(quality, refusal.message)
            raise
        self._desk.entitlements.granted(quality)

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
