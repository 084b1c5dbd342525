"""What the client can do beyond single calls: the workflows, as users call them."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import nullcontext
from typing import Any, TypeVar, Unpack

from eversince_async.durable.api import loop_time
from eversince_async.errors import InvalidRequest
from eversince_async.governor import WaitReason
from eversince_async.governor.protocol import SlotLeaseProtocol, SlotsProtocol
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.discovery import Estimate, Operation
from eversince_async.models.output import Share
from eversince_async.models.projects import AdoptedProject, Brief, Project
from eversince_async.orchestrator.conversation_methods import ConversationMethods
from eversince_async.orchestrator.events import Waiting
from eversince_async.orchestrator.handle import Handle
from eversince_async.orchestrator.options import (
    DeliveryOptions,
    OnCancel,
    Quality,
    ShareOptions,
    Timeouts,
    WaitPolicy,
    delivery_options,
    quality_of,
    wait_policy,
)
from eversince_async.orchestrator.produce import produce, render_with_retries, resume
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.project import ProjectOperations
from eversince_async.orchestrator.recovery import active_lookalike
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.orchestrator.tracing import WorkflowStarted, with_tracer
from eversince_async.orchestrator.workflow import NO_WAIT, StartGate, Workflow
from eversince_async.resources._brief import BriefOptions, build_brief

T = TypeVar("T")


class WorkflowMethods(ConversationMethods):
    """Workflows over a desk."""

    _runtime: Runtime
    _background_tasks: set[asyncio.Task[Any]]

    # -- Productions ------------------------------------------------------------------------------------

    def produce(
        self,
        brief: str | Brief,
        *,
        render: Quality | None = "1080p",
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
            render: Quality of the video, `1080p` or `4k`, or `Unchecked` with a word newer than this version;
                None to stop when the agent is done. A project of single assets, and one that an autonomous
                run has rendered by itself, is not rendered.
            share: Whether to make a public link, which does not expire; or its title and description.
            download: A file or a folder to download the video to, as for `Production.download`.
            timeouts: How long to wait for each stage; hours by default, and never for ever.
            wait_for_quota: When today's projects or renders are used up: wait for another day, holding no
                slot, or raise `QuotaExhausted` at once.
            on_cancel: `leave` the project alone, or `cancel` it, too, when the workflow is cancelled.
            on_credits_warning: Called with the server's words when credits run low, once for each text.
            **options: Everything else that `projects.create` takes.

        Raises:
            ProjectFailed: The project or its render failed.
            ProjectCancelled: It was cancelled, in the studio or by another client.
            RenderProducedNothing: The render ended without a video.
            WaitTimedOut: A stage takes longer than allowed; the project goes on.
            QuotaExhausted: Today's are used up and `wait_for_quota` is false; nothing was sent.
            InsufficientCredits: With the balance and what can be bought.
            EversinceError: Whatever a single call may raise.
        """
        whole = build_brief(brief, options)
        delivery = delivery_options(render, share, download)
        policy = wait_policy(timeouts, wait_for_quota, on_cancel, on_credits_warning)
        given = brief.idempotency_key if isinstance(brief, Brief) else UNSET
        is_known = options.get("idempotency_key", given) is not UNSET
        return self._new_production(whole, delivery, policy, may_be_known=is_known)

    def start(
        self,
        brief: str | Brief,
        *,
        render: Quality | None = "1080p",
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
        self._background_tasks.add(task)
        task.add_done_callback(self._background_tasks.discard)
        return workflow

    def resume(
        self,
        project: str | Handle | Mapping[str, Any],
        *,
        render: Quality | None = "1080p",
        share: bool | ShareOptions = False,
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
            share: As for `produce`, but no page unless it is asked for: the project may have been shared
                before; see `account.shares`.
            download: As for `produce`.
            timeouts: As for `produce`.
            wait_for_quota: As for `produce`.
            on_cancel: As for `produce`.
            on_credits_warning: As for `produce`.

        Raises:
            NotFound: There is no such project.
            EversinceError: As for `produce`.
        """
        policy = wait_policy(timeouts, wait_for_quota, on_cancel, on_credits_warning)
        if isinstance(project, str):
            handle = Handle(
                key=project, project_id=project, delivery=delivery_options(render, share, download)
            )
        else:
            handle = project if isinstance(project, Handle) else Handle.from_json(project)
        if handle.project_id is not None:
            return self._resume_production(handle, policy)
        if handle.brief is None:
            raise InvalidRequest({"handle": "has neither a project nor a brief to create it from"})
        return self._new_production(handle.brief, handle.delivery, policy, may_be_known=True)

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

        async def run(steps: ProjectOperations) -> Project:
            project = await steps.refresh()
            return project if project.is_settled else await steps.settle()

        return self.project_workflow("wait", project_id, WaitPolicy(timeouts=Timeouts(settle=timeout)), run)

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
        quality: Quality = "1080p",
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
        policy = WaitPolicy(timeouts=Timeouts(render=timeout), wait_for_quota=wait_for_quota)
        word = quality_of(quality, "quality") or "1080p"

        async def run(steps: ProjectOperations) -> Production:
            project = await steps.refresh()
            if not project.is_settled:
                project = await steps.settle()
            if force or project.assembled_url is None:
                async with steps.slot():
                    project = await render_with_retries(steps, project, word)
            return Production(
                project=project,
                timings=steps.timings,
                request_ids=tuple(steps.request_ids),
                runtime=self._runtime,
            )

        return self.project_workflow("render", project_id, policy, run)

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

        async def run(steps: ProjectOperations) -> Share:
            project = await steps.refresh()
            if not project.is_settled:
                await steps.settle()
            return await steps.share(project_id, ShareOptions(title=title, description=description))

        return self.project_workflow("share", project_id, WaitPolicy(), run)

    # -- Conveniences -----------------------------------------------------------------------------------

    async def adopt(self, project_id: str, *, mode: str | Unset = UNSET) -> AdoptedProject:
        """Adopt a studio project; from then on everything here works on its `id`.

        Args:
            project_id: The studio project's id, from `projects.discover`.
            mode: `autonomous` or `collaborative`; the server's default here is `collaborative`.
        """
        return await self._runtime.interactive.projects.adopt(project_id, mode=mode)

    async def estimate(self, *operations: Operation) -> Estimate:
        """What planned operations would cost, in credits; 1 to 50 of them."""
        return await self._runtime.interactive.discovery.estimate_cost(operations)

    # -- Running ----------------------------------------------------------------------------------------

    def _new_production(
        self, brief: Brief, delivery: DeliveryOptions, policy: WaitPolicy, *, may_be_known: bool
    ) -> Workflow[Production]:
        return ProductionWorkflow(self, brief, delivery, policy, may_be_known=may_be_known)

    async def _run_production(self, workflow: Workflow[Production]) -> Production:
        assert isinstance(workflow, ProductionWorkflow)
        key, delivery, policy = workflow.key, workflow.delivery, workflow.policy
        steps = ProjectOperations(self._runtime, policy, workflow.emit, key=key)
        if workflow.lease is not None:
            steps.begins_with(workflow.lease)
        workflow.steps = steps
        steps.handle = lambda: workflow.handle
        if workflow.may_be_known:
            steps.place = await active_lookalike(self._runtime, workflow.brief.brief)
        running = produce(self._runtime, steps, workflow.brief, delivery, policy)
        return await self._with_wait_events(workflow, steps, running)

    def _resume_production(self, handle: Handle, policy: WaitPolicy) -> Workflow[Production]:
        async def run(workflow: Workflow[Production]) -> Production:
            steps = ProjectOperations(
                self._runtime, policy, workflow.emit, key=handle.key, project_id=handle.project_id
            )
            steps.handle = lambda: handle
            return await self._with_wait_events(
                workflow, steps, resume(self._runtime, steps, handle.delivery, policy)
            )

        workflow = self._traced_workflow("production", handle.key, handle.project_id, run)
        workflow.set_handle(lambda: handle)
        return workflow

    def project_workflow(
        self, name: str, project_id: str, policy: WaitPolicy, run: Callable[[ProjectOperations], Awaitable[T]]
    ) -> Workflow[T]:
        """Return a workflow that runs operations on one project."""

        async def run_steps(workflow: Workflow[T]) -> T:
            steps = ProjectOperations(
                self._runtime, policy, workflow.emit, key=project_id, project_id=project_id
            )
            return await self._with_wait_events(workflow, steps, run(steps))

        return self._traced_workflow(name, project_id, project_id, run_steps)

    def _traced_workflow(
        self,
        name: str,
        key: str,
        project_id: str | None,
        run: Callable[[Workflow[T]], Coroutine[Any, Any, T]],
    ) -> Workflow[T]:
        begun = WorkflowStarted(name=name, key=key, project_id=project_id)
        whole_name = name if project_id is None else f"{name} of {project_id}"
        return Workflow(whole_name, with_tracer(self._runtime.tracer, begun, run), self._runtime.registry)

    async def _with_wait_events(
        self, workflow: Workflow[T], steps: ProjectOperations, running: Awaitable[T]
    ) -> T:
        """Run, telling whoever follows what is waited for, and where credits can be bought."""

        def tell(reason: WaitReason) -> None:
            workflow.emit(Waiting(at=loop_time(), project_id=steps.project_id, reason=reason))

        listening = self._runtime.listening(steps.key, tell) if workflow.has_listeners else nullcontext()
        with listening:
            async with self._runtime.attach_purchase_options():
                return await running


class ProductionWorkflow(Workflow[Production]):
    """A production from its brief on.

    Thousands wait for a slot at a time, so there is no more of one than what was ordered until its turn
    comes. Its steps then begin with the slot that it has got.
    """

    __slots__ = ("_methods", "brief", "delivery", "lease", "may_be_known", "policy", "steps")

    def __init__(
        self,
        methods: WorkflowMethods,
        brief: Brief,
        delivery: DeliveryOptions,
        policy: WaitPolicy,
        *,
        may_be_known: bool,
    ) -> None:
        super().__init__("production", registry=methods._runtime.registry)  # noqa: SLF001 - a part of it
        self._methods = methods
        self.brief = brief
        self.delivery = delivery
        self.policy = policy
        self.steps: ProjectOperations | None = None
        self.lease: SlotLeaseProtocol | None = None
        self.may_be_known = may_be_known  # by its key, from an earlier run

    @property
    def key(self) -> str:
        """The idempotency key, which the governor knows the production by."""
        return str(self.brief.idempotency_key)

    @property
    def handle(self) -> Handle:
        """What takes this up again; with the brief as long as there is no project."""
        project_id = None if self.steps is None else self.steps.project_id
        brief = self.brief if project_id is None else None
        return Handle(key=self.key, project_id=project_id, delivery=self.delivery, brief=brief)

    def _start_gate(self) -> StartGate:
        runtime = self._methods._runtime  # noqa: SLF001 - a part of it
        slots = runtime.governor.slots
        if self.has_listeners or runtime.tracer is not None or self.may_be_known or slots.has_room(self.key):
            return NO_WAIT  # whoever follows or traces is told of the wait; what may be known looks first
        return self._on_slot(slots), runtime.poller.waiting_for_slot

    async def _on_slot(self, slots: SlotsProtocol) -> None:
        lease = await slots.acquire(self.key)
        if self.lease is None:
            self.lease = lease
        else:
            lease.release()  # it was another one's turn, who awaits the same

    def _over(self, task: asyncio.Task[Production]) -> None:
        if self.lease is not None:
            self.lease.release()  # as it has done itself, unless it was cancelled before it could begin
        super()._over(task)

    async def _execute(self) -> Production:
        verbs = self._methods
        begun = WorkflowStarted(name="production", key=self.key, project_id=None)
        try:
            return await with_tracer(verbs._runtime.tracer, begun, verbs._run_production)(self)  # noqa: SLF001 - a part of it
        finally:
            if self.lease is not None:
                self.lease.release()  # as its steps have done, if they came to that
