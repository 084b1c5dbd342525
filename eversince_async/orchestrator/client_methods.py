"""Public workflow methods of the client, beyond single API calls."""

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, Unpack

from eversince_async.errors import InvalidRequest
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.discovery import Estimate, Operation
from eversince_async.models.output import Share
from eversince_async.models.projects import AdoptedProject, Brief, Project
from eversince_async.orchestrator.handle import Handle
from eversince_async.orchestrator.options import (
    OnCancel,
    Quality,
    ShareOptions,
    Timeouts,
    WaitPolicy,
    delivery_options,
    quality_of,
    wait_policy,
)
from eversince_async.orchestrator.produce import render_with_retries
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.project import ProjectOperations
from eversince_async.orchestrator.project_workflow import (
    ProductionWorkflow,
    project_workflow,
    resume_workflow,
)
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.orchestrator.workflow import Workflow
from eversince_async.resources._brief import BriefOptions, build_brief

T = TypeVar("T")


class WorkflowMethods:
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
        return ProductionWorkflow(self._runtime, whole, delivery, policy, may_be_known=may_be_known)

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
            return resume_workflow(self._runtime, handle, policy)
        if handle.brief is None:
            raise InvalidRequest({"handle": "has neither a project nor a brief to create it from"})
        return ProductionWorkflow(self._runtime, handle.brief, handle.delivery, policy, may_be_known=True)

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

        return project_workflow(
            self._runtime, "wait", project_id, WaitPolicy(timeouts=Timeouts(settle=timeout)), run
        )

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

        return project_workflow(self._runtime, "render", project_id, policy, run)

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

        return project_workflow(self._runtime, "share", project_id, WaitPolicy(), run)

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
