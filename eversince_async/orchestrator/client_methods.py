"""Public workflow methods of the client, beyond single API calls."""

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
    """The client's methods that produce, resume, wait, render and share."""

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
        """Produce a video from a brief.

        Creates a project, waits for the agent, renders, shares and downloads.

        Await the workflow for the finished `Production`, or open it with `async with` to follow its events.
        Any number of productions may run at once: they wait for each other's slots, and share their polls.

        Cancelling stops the waiting only. The project goes on and costs what it costs, unless
        `on_cancel="cancel"`.

        Args:
            brief: All creative wishes, as for `projects.create`.
            render: Quality of the video, `1080p` or `4k`, or `Unchecked` with a word newer than this version;
                None to stop when the agent is done. A project of single assets is not rendered, nor is one
                that an autonomous run has already rendered.
            share: True to make a public link, which does not expire; `ShareOptions` to give it a title and a
                description.
            download: A file or a folder to download the video to, as for `Production.download`.
            timeouts: Time to wait for each stage; hours by default, and never without a limit.
            wait_for_quota: True to wait for the daily reset, holding no slot, when today's projects or
                renders are used up; False to raise `QuotaExhausted` at once.
            on_cancel: `leave` the project alone, or `cancel` it, too, when the workflow is cancelled.
            on_credits_warning: Called with the server's words when credits run low, once for each text.
            **options: Everything else that `projects.create` takes.

        Raises:
            ProjectFailed: The project or its render failed.
            ProjectCancelled: The project was cancelled, in the studio or by another client.
            RenderProducedNothing: The render ended without a video.
            WaitTimedOut: A stage takes longer than allowed; the project goes on.
            QuotaExhausted: Today's quota is used up and `wait_for_quota` is false; nothing was sent.
            InsufficientCredits: The account has too few credits; the error holds the balance and what can be
                bought.
            EversinceError: Any error that a single call may raise.
        """
        whole = build_brief(brief, options)
        delivery = delivery_options(render, share, download)
        policy = wait_policy(timeouts, wait_for_quota, on_cancel, on_credits_warning)
        own_key = brief.idempotency_key if isinstance(brief, Brief) else UNSET
        may_be_known = options.get("idempotency_key", own_key) is not UNSET
        return self._new_production(whole, delivery, policy, may_be_known=may_be_known)

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
        """Start a production at once, in a task of the client's.

        Takes the same arguments as `produce`. Await the workflow when you like. The task ends with the
        client: `aclose()` describes how.
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
        """Resume a production from the project's present state, and complete it.

        Args:
            project: A project's id, or the handle of a workflow, as an object or as `to_json()` gave it. A
                handle holds the options of its production, which replace the options given here. A handle
                without a project creates one with the same idempotency key, so that there is never a second
                project.
            render: As for `produce`.
            share: As for `produce`, but False by default: the project may have been shared before; see
                `account.shares`.
            download: As for `produce`.
            timeouts: As for `produce`.
            wait_for_quota: As for `produce`.
            on_cancel: As for `produce`.
            on_credits_warning: As for `produce`.

        Raises:
            NotFound: The project does not exist.
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

    # -- Single steps -----------------------------------------------------------------------------------

    def wait(self, project_id: str, *, timeout: float | None = Timeouts().settle) -> Workflow[Project]:
        """Wait until a project has settled.

        Args:
            project_id: The project's id.
            timeout: Time to wait, in seconds; None waits without a limit.

        Raises:
            ProjectFailed: The project failed.
            ProjectCancelled: The project was cancelled.
            WaitTimedOut: The project takes longer than allowed; it goes on.
        """

        async def run(steps: ProjectOperations) -> Project:
            project = await steps.refresh()
            return project if project.is_settled else await steps.settle()

        return self.project_workflow("wait", project_id, WaitPolicy(timeouts=Timeouts(settle=timeout)), run)

    def watch(self, project_id: str, *, timeout: float | None = None) -> Workflow[Project]:
        """Follow a project's events until it has settled.

        Use it as `async with eversince.watch(id) as watch: async for event in watch`; otherwise it is `wait`.

        Args:
            project_id: The project's id.
            timeout: Time to wait, in seconds; None, the default here, waits without a limit.
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
            project_id: The project's id. If the agent is still at work, the workflow first waits for it.
            quality: `1080p`, or `4k`, which needs a Pro subscription.
            force: True to render again although there is a video, e.g. after the timeline was changed.
            timeout: Time to wait for the render, in seconds; None waits without a limit.
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
        """Make a public link to a project's video.

        Waits first until the project has settled.

        Args:
            project_id: The project's id.
            title: Title of the shared page.
            description: Description of the shared page.

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
        """Adopt a studio project.

        From then on every method here accepts the returned `id`.

        Args:
            project_id: The studio project's id, from `projects.discover`.
            mode: `autonomous` or `collaborative`; the server's default here is `collaborative`.
        """
        return await self._runtime.interactive.projects.adopt(project_id, mode=mode)

    async def estimate(self, *operations: Operation) -> Estimate:
        """Estimate the cost of 1 to 50 planned operations, in credits."""
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
        started = WorkflowStarted(name=name, key=key, project_id=project_id)
        whole_name = name if project_id is None else f"{name} of {project_id}"
        return Workflow(whole_name, with_tracer(self._runtime.tracer, started, run), self._runtime.registry)

    async def _with_wait_events(
        self, workflow: Workflow[T], steps: ProjectOperations, running: Awaitable[T]
    ) -> T:
        """Await `running`, emit its waits, and attach purchase options to its errors."""

        def emit_wait(reason: WaitReason) -> None:
            workflow.emit(Waiting(at=loop_time(), project_id=steps.project_id, reason=reason))

        listening = self._runtime.listening(steps.key, emit_wait) if workflow.has_listeners else nullcontext()
        with listening:
            async with self._runtime.attach_purchase_options():
                return await running


class ProductionWorkflow(Workflow[Production]):
    """A production that starts from its brief.

    Thousands of productions wait for a slot at a time, so each holds no more than its order until its turn
    comes. Its steps then begin with the slot that it was given.
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
        self.may_be_known = may_be_known  # the server may know its key from an earlier run

    @property
    def key(self) -> str:
        """The idempotency key, which also names the production in the governor."""
        return str(self.brief.idempotency_key)

    @property
    def handle(self) -> Handle:
        """The handle that resumes this production.

        It holds the brief as long as no project is known.
        """
        project_id = None if self.steps is None else self.steps.project_id
        brief = self.brief if project_id is None else None
        return Handle(key=self.key, project_id=project_id, delivery=self.delivery, brief=brief)

    def _start_gate(self) -> StartGate:
        runtime = self._methods._runtime  # noqa: SLF001 - a part of it
        slots = runtime.governor.slots
        if self.has_listeners or runtime.tracer is not None or self.may_be_known or slots.has_room(self.key):
            # A listener or a tracer gets the wait as an event; a known key looks for its project first.
            return NO_WAIT
        return self._on_slot(slots), runtime.poller.waiting_for_slot

    async def _on_slot(self, slots: SlotsProtocol) -> None:
        lease = await slots.acquire(self.key)
        if self.lease is None:
            self.lease = lease
        else:
            lease.release()  # another waiter of this workflow got a slot first

    def _over(self, task: asyncio.Task[Production]) -> None:
        if self.lease is not None:
            self.lease.release()  # a run releases it itself, unless it was cancelled before it began
        super()._over(task)

    async def _execute(self) -> Production:
        methods = self._methods
        tracer = methods._runtime.tracer  # noqa: SLF001 - a part of it
        started = WorkflowStarted(name="production", key=self.key, project_id=None)
        try:
            return await with_tracer(tracer, started, methods._run_production)(self)  # noqa: SLF001
        finally:
            if self.lease is not None:
                self.lease.release()  # the steps have released it already, if they ran
