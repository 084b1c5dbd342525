"""Public conversation methods of the client."""

import os
from collections.abc import Awaitable, Callable
from typing import Unpack

import attrs

from eversince_async.models._base import UNSET
from eversince_async.models.projects import AdoptedProject, Brief, Mode, Project
from eversince_async.orchestrator.conversation import Conversation
from eversince_async.orchestrator.events import Event
from eversince_async.orchestrator.options import (
    OnCancel,
    Quality,
    ShareOptions,
    Timeouts,
    WaitPolicy,
    delivery_options,
)
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.project import ProjectOperations
from eversince_async.orchestrator.project_workflow import project_workflow
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.orchestrator.variation import create_variation
from eversince_async.orchestrator.workflow import Workflow
from eversince_async.resources._brief import BriefOptions, build_brief
from eversince_async.session.hooks import notify


class ConversationMethods:
    """The client's methods for conversations and variations."""

    _runtime: Runtime

    def converse(
        self,
        brief: str | Brief,
        *,
        timeouts: Timeouts | None = None,
        wait_for_quota: bool = True,
        on_cancel: OnCancel = "leave",
        on_event: Callable[[Event], object] | None = None,
        **options: Unpack[BriefOptions],
    ) -> Conversation:
        """Make a video in conversation with the agent.

        The agent stops at decision points and asks. `async with eversince.converse(brief) as conversation:
        async for turn in conversation: …`; entering creates the project in collaborative mode. No slot is
        held while a person thinks.

        Args:
            brief: All creative wishes, as for `projects.create`.
            timeouts: Time to wait for the agent and for a render; the person's thinking does not count.
            wait_for_quota: As for `produce`.
            on_cancel: `leave` the project alone, or `cancel` it, too, when the block is cancelled.
            on_event: Called with each event.
            **options: Everything else that `projects.create` takes; another `mode`, too.

        Raises:
            EversinceError: On entering, any error that `projects.create` raises.
        """
        whole = build_brief(brief, options)
        if whole.mode is UNSET:
            whole = attrs.evolve(whole, mode=Mode.COLLABORATIVE)
        policy = WaitPolicy(
            timeouts=timeouts or Timeouts(), wait_for_quota=wait_for_quota, on_cancel=on_cancel
        )
        return Conversation(self._runtime, whole, policy, safe_listener(on_event))

    def converse_with(
        self,
        project: str | Project | AdoptedProject | Production,
        *,
        after: str | None = None,
        timeouts: Timeouts | None = None,
        wait_for_quota: bool = True,
        on_cancel: OnCancel = "leave",
        on_event: Callable[[Event], object] | None = None,
    ) -> Conversation:
        """Resume a conversation, or begin one about an existing project.

        Works on every project: one whose conversation another process began, a finished production that is to
        be changed, one adopted from the studio (`eversince.converse_with(await eversince.adopt(studio_id))`).
        The project's present state is read from the server; the first turn comes at once if the agent is not
        at work.

        Args:
            project: The project or its id.
            after: The `cursor` of an earlier conversation: the first turn then shows only newer messages.
                Without it, the first turn shows the latest messages.
            timeouts: As for `converse`.
            wait_for_quota: As for `converse`.
            on_cancel: As for `converse`.
            on_event: As for `converse`.

        Raises:
            NotFound: On entering: the project does not exist.
        """
        policy = WaitPolicy(
            timeouts=timeouts or Timeouts(), wait_for_quota=wait_for_quota, on_cancel=on_cancel
        )
        return Conversation(
            self._runtime, project_id_of(project), policy, safe_listener(on_event), after=after
        )

    def variation(
        self,
        project: str | Project | AdoptedProject | Production,
        text: str,
        *,
        render: Quality | None = "1080p",
        share: bool | ShareOptions = True,
        download: str | os.PathLike[str] | None = None,
        timeouts: Timeouts | None = None,
        wait_for_quota: bool = True,
    ) -> Workflow[Production]:
        """Produce a variation of a project: ask for it, render, share, download.

        The result is a production of its own. The variation is the project's active one afterwards, and the
        project's `assembled_url` is its video; a share of an earlier video keeps that video.

        Cancelling stops the waiting only. The agent's work goes on.

        Args:
            project: A finished production, or a project or its id.
            text: The request to the agent, e.g. "Create a 9:16 version for TikTok".
            render: As for `produce`; None to stop when the variation is made.
            share: As for `produce`.
            download: As for `produce`.
            timeouts: Time to wait for the agent and for the render.
            wait_for_quota: As for `produce`.

        Raises:
            InvalidProjectState: The agent made no variation; its answer is in the error.
            EversinceError: As for `produce`.
        """
        delivery = delivery_options(render, share, download)
        policy = WaitPolicy(timeouts=timeouts or Timeouts(), wait_for_quota=wait_for_quota)

        def run(steps: ProjectOperations) -> Awaitable[Production]:
            of = project if isinstance(project, Production) else None
            return create_variation(self._runtime, steps, text, delivery, of=of)

        return project_workflow(self._runtime, "variation", project_id_of(project), policy, run)


def project_id_of(project: str | Project | AdoptedProject | Production) -> str:
    """Return the id of a project."""
    match project:
        case str():
            return project
        case Production():
            return project.project_id
        case _:
            return project.id


def safe_listener(listener: Callable[[Event], object] | None) -> Callable[[Event], None]:
    """Return a callback that passes events to the listener, if any."""
    return (lambda event: None) if listener is None else (lambda event: notify(listener, event))
