"""What the client can do beyond single calls: the workflows, as users call them."""

import asyncio
import os
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar, Unpack

import attrs

from eversince_async.errors import ConfigurationError, InvalidRequest
from eversince_async.governor import WaitReason
from eversince_async.journal import Journal
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.discovery import Estimate, Operation
from eversince_async.models.output import Share
from eversince_async.models.projects import AdoptedProject, Brief, Project
from eversince_async.orchestrator.batch import Batch, BatchOrder
from eversince_async.orchestrator.conversing import Conversing
from eversince_async.orchestrator.desk import Desk, now
from eversince_async.orchestrator.events import Event, Waiting
from eversince_async.orchestrator.handle import Handle
from eversince_async.orchestrator.item import BatchInput, Intake
from eversince_async.orchestrator.order import OnCancel, ShareOptions, Terms, Timeouts, Wishes, wishes_of
from eversince_async.orchestrator.producing import produce, rendered, resume
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.steps import Steps
from eversince_async.orchestrator.tracing import WorkflowBegun, traced
from eversince_async.orchestrator.workflow import Workflow
from eversince_async.resources._brief import BriefOptions, brief_of

T = TypeVar("T")


class Verbs(Conversing):
    """Workflows over a desk."""

    _desk: Desk
    _started: set[asyncio.Task[Any]]

    # -- Productions ------------------------------------------------------------------------------------

    def produce(
        self,
        brief: str | Brief,
        *,
        render: str | None = "1080p",
        share: bool | ShareOptions = True,
        download: str | os.PathLike[str] | None = None,
        timeouts: Timeouts | None = None,
        wait_for_quota: bool = True,
        on_cancel: OnCancel = "leave",
        on_credits_warning: Callable[[str], object] | None = None,
        **options: Unpack[BriefOptions],
    ) -> Workflow[Production]:
        """Produce a video: create a project, wait for the agent, render, share, download.

        Await it for the finished `Production`, or open it with `async with` to follow its events. Any number
        may run at once: they wait for each other's slots, and share the looks at the server.

        Cancelling stops waiting. The project goes on and costs what it costs, unless `on_cancel="cancel"`.

        Args:
            brief: All creative wishes, as for `projects.create`.
            render: Quality of the video, `1080p` or `4k`; None to stop when the agent is done. A project of
                single assets, and one that an autonomous run has rendered by itself, is not rendered.
            share: Whether to make a public link, which does not expire; or its title and description.
            download: A file or a folder to download the video to, as for `Production.download`.
            timeouts: How long to wait for each stage; hours by default, and never for ever.
            wait_for_quota: When today's projects or renders are used up: wait for another day, holding no
                slot, or raise `QuotaSpent` at once.
            on_cancel: `leave` the project alone, or `cancel` it, too, when the workflow is cancelled.
            on_credits_warning: Called with the server's words when credits run low, once for each text.
            **options: Everything else that `projects.create` takes.

        Raises:
            ProjectFailed: The project or its render failed.
            ProjectCancelled: It was cancelled, in the studio or by another client.
            RenderProducedNothing: The render ended without a video.
            WaitTimedOut: A stage takes longer than allowed; the project goes on.
            QuotaSpent: Today's are used up and `wait_for_quota` is false; nothing was sent.
            InsufficientCredits: With the balance and what can be bought.
            EversinceError: Whatever a single call may raise.
        """
        whole = brief_of(brief, options)
        wishes = wishes_of(render, share, download)
        terms = Terms(
            timeouts=timeouts or Timeouts(),
            wait_for_quota=wait_for_quota,
            on_cancel=on_cancel,
            on_credits_warning=on_credits_warning,
        )
        return self._producing(whole, wishes, terms)

    def start(
        self,
        brief: str | Brief,
        *,
        render: str | None = "1080p",
        share: bool | ShareOptions = True,
        download: str | os.PathLike[str] | None = None,
        timeouts: Timeouts | None = None,
        wait_for_quota: bool = True,
        on_cancel: OnCancel = "leave",
        on_credits_warning: Callable[[str], object] | None = None,
        **options: Unpack[BriefOptions],
    ) -> Workflow[Production]:
        """As `produce`, but begun at once, in a task of the client's; await the workflow when you like.

        It ends with the client: `aclose()` says what becomes of it then.
        """
        workflow = self.produce(
            brief,
            render=render,
            share=share,
            download=download,
            timeouts=timeouts,
            wait_for_quota=wait_for_quota,
            on_cancel=on_cancel,
            on_credits_warning=on_credits_warning,
            **options,
        )
        task = workflow.start()
        self._started.add(task)
        task.add_done_callback(self._started.discard)
        return workflow

    def resume(
        self,
        project: str | Handle | Mapping[str, Any],
        *,
        render: str | None = "1080p",
        share: bool | ShareOptions = True,
        download: str | os.PathLike[str] | None = None,
        timeouts: Timeouts | None = None,
        wait_for_quota: bool = True,
        on_cancel: OnCancel = "leave",
        on_credits_warning: Callable[[str], object] | None = None,
    ) -> Workflow[Production]:
        """Take a production up where the server says it stands, and see it through.

        Args:
            project: A project's id, or the handle of a workflow, as it is or as `to_json()` gave it. A
                handle knows what was wished for, and the wishes given here do not count then. One without a
                project creates it with the same idempotency key, so that there is never a second one.
            render: As for `produce`.
            share: As for `produce`. A project may have been shared before: look at `account.shares`.
            download: As for `produce`.
            timeouts: As for `produce`.
            wait_for_quota: As for `produce`.
            on_cancel: As for `produce`.
            on_credits_warning: As for `produce`.

        Raises:
            NotFound: There is no such project.
            EversinceError: As for `produce`.
        """
        terms = Terms(
            timeouts=timeouts or Timeouts(),
            wait_for_quota=wait_for_quota,
            on_cancel=on_cancel,
            on_credits_warning=on_credits_warning,
        )
        if isinstance(project, str):
            handle = Handle(key=project, project_id=project, wishes=wishes_of(render, share, download))
        else:
            handle = project if isinstance(project, Handle) else Handle.from_json(project)
        if handle.project_id is not None:
            return self._resuming(handle, terms)
        if handle.brief is None:
            raise InvalidRequest({"handle": "has neither a project nor a brief to create it from"})
        return self._producing(handle.brief, handle.wishes, terms)

    # -- Batches ----------------------------------------------------------------------------------------

    def batch(
        self,
        items: Iterable[BatchInput] | AsyncIterable[BatchInput],
        *,
        journal: str | os.PathLike[str] | Journal | None = None,
        render: str | None = "1080p",
        share: bool | ShareOptions = True,
        download: str | os.PathLike[str] | None = None,
        timeouts: Timeouts | None = None,
        wait_for_quota: bool = True,
        concurrency: int | None = None,
        retry_failed: bool = False,
        max_credits: float | None = None,
        on_event: Callable[[str, Event], object] | None = None,
        drain_on_interrupt: bool = True,
        **options: Unpack[BriefOptions],
    ) -> Batch:
        """Produce many videos, each once, also if the process dies and is started again.

        Await it for a `Report`, or open it with `async with` for the outcomes as they come. One item's
        failure touches no other. Items are read as there is room for them, so there may be any number.

        With a journal, the same items again go on where it stopped: finished ones are skipped, unfinished
        ones resumed. Items are told apart by their `key`, or without one by their place in the order.

        Args:
            items: Briefs, texts, or mappings of what `projects.create` takes; in these also `key`, `render`,
                `share` and `download` of their own. Any iterable, asynchronous or not.
            journal: A file for `SqliteJournal`, or an open journal; None remembers nothing.
            render: As for `produce`.
            share: As for `produce`.
            download: The folder for the videos; made if there is none.
            timeouts: As for `produce`.
            wait_for_quota: When today's projects or renders are used up: wait for another day, or stop.
            concurrency: Items at work at most; by default a few more than the account has slots.
            retry_failed: Whether items that failed in an earlier run are tried again.
            max_credits: Begin nothing any more once so many credits are spent, or when fewer are left than
                the limits' `credits_reserve`. What has begun then is finished, and costs what it costs.
            on_event: Called with an item's key and each event of its production.
            drain_on_interrupt: Whether the first Ctrl-C drains the batch, as `Batch.drain` does, and only the
                second interrupts.
            **options: Everything else that `projects.create` takes, for items that do not say otherwise.

        Raises:
            ConfigurationError: An option makes no sense.
        """
        if concurrency is not None and concurrency < 1:
            raise ConfigurationError(f"concurrency must be at least 1, not {concurrency}")
        folder = None if download is None else os.path.join(download, "")
        opens = isinstance(journal, str | os.PathLike)
        if isinstance(journal, str | os.PathLike):
            from eversince_async.journal.sqlite import SqliteJournal

            journal = SqliteJournal(journal)
        order = BatchOrder(
            items=items,
            intake=Intake(options=dict(options), wishes=wishes_of(render, share, folder)),
            terms=Terms(timeouts=timeouts or Timeouts(), wait_for_quota=wait_for_quota),
            journal=journal,
            opens_journal=opens,
            concurrency=concurrency,
            retry_failed=retry_failed,
            max_credits=max_credits,
            on_event=on_event,
            drain_on_interrupt=drain_on_interrupt,
        )
        return Batch(self._desk, order)

    # -- Steps of their own -----------------------------------------------------------------------------

    def wait(self, project_id: str, *, timeout: float | None = Timeouts().settle) -> Workflow[Project]:
        """Wait until a project has settled.

        Args:
            project_id: The project.
            timeout: Seconds; None waits as long as it takes.

        Raises:
            ProjectFailed: It failed.
            ProjectCancelled: It was cancelled.
            WaitTimedOut: It takes longer than allowed; the project goes on.
        """

        async def run(steps: Steps) -> Project:
            project = await steps.look()
            return project if project.is_settled else await steps.settle()

        return self._stepping("wait", project_id, Terms(timeouts=Timeouts(settle=timeout)), run)

    def watch(self, project_id: str, *, timeout: float | None = None) -> Workflow[Project]:
        """As `wait`, to be followed: `async with eversince.watch(id) as watch: async for event in watch`.

        Args:
            project_id: The project.
            timeout: Seconds; None, the default here, watches as long as it takes.
        """
        return self.wait(project_id, timeout=timeout)

    def render(
        self,
        project_id: str,
        *,
        quality: str = "1080p",
        force: bool = False,
        timeout: float | None = Timeouts().render,
        wait_for_quota: bool = True,
    ) -> Workflow[Production]:
        """Render a project and wait for the video.

        Args:
            project_id: The project; waited for first if the agent is still at work.
            quality: `1080p`, or `4k`, which needs a Pro subscription.
            force: Render again although there is a video, e.g. after the timeline was changed.
            timeout: Seconds to wait for the render; None waits as long as it takes.
            wait_for_quota: As for `produce`.

        Raises:
            RenderProducedNothing: The render ended without a video.
            EversinceError: As for `produce`.
        """
        terms = Terms(timeouts=Timeouts(render=timeout), wait_for_quota=wait_for_quota)

        async def run(steps: Steps) -> Production:
            project = await steps.look()
            if not project.is_settled:
                project = await steps.settle()
            if force or project.assembled_url is None:
                async with steps.slot():
                    project = await rendered(steps, project, quality)
            return Production(
                project=project,
                timings=steps.timings,
                request_ids=tuple(steps.request_ids),
                desk=self._desk,
            )

        return self._stepping("render", project_id, terms, run)

    def share(
        self, project_id: str, *, title: str | Unset = UNSET, description: str | Unset = UNSET
    ) -> Workflow[Share]:
        """Make a public link to a project's video, once its render is over.

        Args:
            project_id: The project.
            title: Title of the shared page.
            description: Its description.

        Raises:
            StatusConflict: Nothing has been rendered.
            OutcomeUnknown: The link may or may not have been made; list the account's shares.
        """

        async def run(steps: Steps) -> Share:
            project = await steps.look()
            if not project.is_settled:
                await steps.settle()
            return await steps.share(project_id, ShareOptions(title=title, description=description))

        return self._stepping("share", project_id, Terms(), run)

    # -- Conveniences -----------------------------------------------------------------------------------

    async def adopt(self, project_id: str, *, mode: str | Unset = UNSET) -> AdoptedProject:
        """Adopt a studio project; from then on everything here works on its `id`.

        Args:
            project_id: The studio project's id, from `projects.discover`.
            mode: `autonomous` or `collaborative`; the server's default here is `collaborative`.
        """
        return await self._desk.interactive.projects.adopt(project_id, mode=mode)

    async def estimate(self, *operations: Operation) -> Estimate:
        """What planned operations would cost, in credits; 1 to 50 of them."""
        return await self._desk.interactive.discovery.estimate_cost(operations)

    # -- Running ----------------------------------------------------------------------------------------

    def _producing(self, brief: Brief, wishes: Wishes, terms: Terms) -> Workflow[Production]:
        begun = Handle(key=str(brief.idempotency_key), project_id=None, wishes=wishes, brief=brief)

        async def run(workflow: Workflow[Production]) -> Production:
            if not workflow.is_followed:
                # Thousands wait here: the less there is of a production yet, the better. Its steps are then
                # given the same place again, at once.
                slots = self._desk.governor.slots
                if not slots.has_room(begun.key):
                    with self._desk.watcher.seeking_slot:
                        await slots.acquire(begun.key)
            return await self._begun(workflow, begun, terms)

        workflow = self._workflow("production", begun.key, None, run)
        workflow.resumes_by(begun)
        return workflow

    async def _begun(self, workflow: Workflow[Production], begun: Handle, terms: Terms) -> Production:
        steps = Steps(self._desk, terms, workflow.emit, key=begun.key)
        brief, wishes = begun.brief, begun.wishes
        assert brief is not None

        def handle() -> Handle:
            project_id = steps.project_id
            return begun if project_id is None else attrs.evolve(begun, project_id=project_id, brief=None)

        steps.handle = handle
        workflow.resumes_by(handle)
        return await self._followed(workflow, steps, produce(self._desk, steps, brief, wishes, terms))

    def _resuming(self, handle: Handle, terms: Terms) -> Workflow[Production]:
        async def run(workflow: Workflow[Production]) -> Production:
            steps = Steps(self._desk, terms, workflow.emit, key=handle.key, project_id=handle.project_id)
            steps.handle = lambda: handle
            return await self._followed(workflow, steps, resume(self._desk, steps, handle.wishes, terms))

        workflow = self._workflow("production", handle.key, handle.project_id, run)
        workflow.resumes_by(lambda: handle)
        return workflow

    def _stepping(
        self, name: str, project_id: str, terms: Terms, run: Callable[[Steps], Awaitable[T]]
    ) -> Workflow[T]:
        async def run_steps(workflow: Workflow[T]) -> T:
            steps = Steps(self._desk, terms, workflow.emit, key=project_id, project_id=project_id)
            return await self._followed(workflow, steps, run(steps))

        return self._workflow(name, project_id, project_id, run_steps)

    def _workflow(
        self,
        name: str,
        key: str,
        project_id: str | None,
        run: Callable[[Workflow[T]], Coroutine[Any, Any, T]],
    ) -> Workflow[T]:
        begun = WorkflowBegun(name=name, key=key, project_id=project_id)
        whole_name = name if project_id is None else f"{name} of {project_id}"
        return Workflow(whole_name, traced(self._desk.tracer, begun, run), self._desk.underway)

    async def _followed(self, workflow: Workflow[T], steps: Steps, running: Awaitable[T]) -> T:
        """Run, telling whoever follows what is waited for, and where credits can be bought."""
        if workflow.is_followed:

            def tell(reason: WaitReason) -> None:
                workflow.emit(Waiting(at=now(), project_id=steps.project_id, reason=reason))

            self._desk.listen(steps.key, tell)
        try:
            async with self._desk.helping_to_buy():
                return await running
        finally:
            self._desk.unlisten(steps.key)
