"""Making a video in conversation with the agent: it works, asks, and goes on when it is answered."""

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self

import attrs

from eversince_async.durable.api import loop_time
from eversince_async.durable.confirm import retry_transient
from eversince_async.durable.executor import EffectExecutor
from eversince_async.errors import (
    ConfigurationError,
    InvalidProjectState,
    ProjectCancelled,
    ProjectFailed,
    StatusConflict,
)
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.content import Asset, Variation
from eversince_async.models.messages import Message, Role
from eversince_async.models.projects import Brief, Mode, OutputType, Project, ProjectSettings
from eversince_async.models.references import Reference
from eversince_async.orchestrator.message import MessageDraft, newest_message
from eversince_async.orchestrator.options import Quality, ShareOptions, WaitPolicy, delivery_options
from eversince_async.orchestrator.produce import (
    cancel_if_requested,
    cancel_on_exit,
    deliver,
    render_with_retries,
)
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.project import ProjectOperations
from eversince_async.orchestrator.registry import TalkingRun
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.orchestrator.variation import activate, in_memory, request_variation
from eversince_async.orchestrator.workflow import EventHandler
from eversince_async.polling.observation import Baseline, url_without_query
from eversince_async.resources.messages import newest

APPROVAL_MESSAGE: Final = "Approved. Please go on."
"""What `Turn.approve` says: the API knows no approval but a message."""


@attrs.frozen(kw_only=True, eq=False)
class Turn:
    """The agent has stopped, and it is a person's turn. However long that takes, no slot is held.

    Attributes:
        number: 1 for the first turn of this conversation.
        message: What the agent says, mostly a question; empty if it said nothing.
        project: The project as it stands.
        messages: What was said since the last turn, by anybody, internal markers left out.
        assets: What was made since the last turn.
    """

    number: int
    message: str
    project: Project = attrs.field(repr=False)
    messages: tuple[Message, ...] = attrs.field(repr=False)
    assets: tuple[Asset, ...] = attrs.field(repr=False)
    _conversation: "Conversation" = attrs.field(alias="conversation", repr=False)

    @property
    def is_answered(self) -> bool:
        """Whether something was said to the agent since."""
        return self._conversation.current is not self

    async def reply(
        self,
        text: str,
        *,
        references: Sequence[Reference] | Unset = UNSET,
        extract_content: bool | Unset = UNSET,
    ) -> None:
        """Answer, and let the agent work on; the conversation's next turn comes when it has.

        Raises:
            InvalidProjectState: This turn has been answered.
            EversinceError: As for `Conversation.say`.
        """
        if self.is_answered:
            raise InvalidProjectState(
                "this turn has been answered; take the conversation's next one",
                project_id=self.project.id,
                status=self.project.status,
            )
        await self._conversation.say(text, references=references, extract_content=extract_content)

    async def approve(self) -> None:
        """Agree to what the agent proposes: says "Approved. Please go on.".

        It sets the agent to work, which costs credits. When there is nothing left to make, finish the
        conversation instead.
        """
        await self.reply(APPROVAL_MESSAGE)


class Conversation:
    """A project made together with its agent, turn by turn.

    ```python
    async with eversince.converse("A film about our bakery") as conversation:
        async for turn in conversation:
            answer = input(f"{turn.message} ")
            if not answer:
                break
            await turn.reply(answer)
        film = await conversation.finish(download="bakery.mp4")
    ```

    The loop ends by itself when a turn is left unanswered. The project outlives the conversation:
    `eversince.converse_with(project_id)` takes it up again, in another process or next week.

    Use it in one task at a time. Cancelling leaves it as it is: what was being waited for can be waited for
    again, and a message that may have been sent is looked for before it is sent again.
    """

    def __init__(
        self,
        runtime: Runtime,
        project: Brief | str,
        policy: WaitPolicy,
        emit: EventHandler,
        *,
        after: str | None = None,
    ) -> None:
        self._runtime = runtime
        self._source = project
        self._policy = policy
        self._emit = emit
        self._cursor = after
        self._steps: ProjectOperations | None = None
        self._turns = 0
        self._turn: Turn | None = None
        self._outgoing: MessageDraft | None = None  # in doubt
        self._baseline: Baseline | None = None  # of what the agent is at work on
        self._previous_video: str | None = (
            None  # the video that was there when we last asked for something else
        )
        self._varying: tuple[str, EffectExecutor] | None = (
            None  # what is asked for, and how far that has come
        )
        self._known_assets = set[tuple[str | None, str]]()

    def __repr__(self) -> str:
        steps = self._steps
        which = "not begun" if steps is None else f"with {steps.project_id}, {steps.status}"
        return f"<Conversation {which}>"

    @property
    def project_id(self) -> str:
        """The project; keep it to take the conversation up again."""
        project_id = self._operations.project_id
        assert project_id is not None
        return project_id

    @property
    def cursor(self) -> str | None:
        """The newest message the turns have shown; give it to `converse_with` to see only newer ones."""
        return self._cursor

    @property
    def current(self) -> Turn | None:
        """The turn that waits for an answer; None while the agent has the word."""
        return self._turn

    # -- Beginning and ending ---------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._steps is not None:
            raise ConfigurationError("this conversation has begun already")
        try:
            await self._begin()
        except BaseException:
            self._steps = None  # it can be entered again, with the same idempotency key
            raise
        return self

    async def _begin(self) -> None:
        begins_with = self._source
        if isinstance(begins_with, str):
            self._steps = ProjectOperations(
                self._runtime, self._policy, self._emit, key=begins_with, project_id=begins_with
            )
            await self._steps.get_status()
            return
        key = str(begins_with.idempotency_key)
        self._steps = steps = ProjectOperations(self._runtime, self._policy, self._emit, key=key)
        agreed = cancel_on_exit(self._runtime, steps, self._policy)
        with TalkingRun(self._runtime.registry, steps):
            # An active project keeps its slot by itself.
            async with agreed, self._runtime.attach_purchase_options(), steps.slot():
                await steps.create(begins_with)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(exc, asyncio.CancelledError):
            await cancel_if_requested(self._runtime, self._operations, self._policy)

    async def finish(
        self,
        *,
        render: Quality | None = "1080p",
        share: bool | ShareOptions = True,
        download: str | os.PathLike[str] | None = None,
    ) -> Production:
        """Render, share and download what the conversation has come to, like any production.

        Waits for the agent first, if it is at work. A video that was there before the last message is
        rendered anew. Called again when it failed or was cancelled, it goes on: no second link is made.

        Args:
            render: Quality of the video, `1080p` or `4k`; None for no render.
            share: Whether to make a public link; or its title and description.
            download: A file or a folder, as for `Production.download`.

        Raises:
            EversinceError: As for `eversince.produce`.
        """
        delivery = delivery_options(render, share, download)
        async with self._active():
            steps, project = self._operations, await self._wait_idle()
            is_old = url_without_query(project.assembled_url) in {None, self._previous_video}
            if delivery.render is not None and is_old and project.output_type != OutputType.ASSETS:
                steps.is_delivered()
                async with steps.slot():
                    project = await render_with_retries(steps, project, delivery.render)
            production = await deliver(self._runtime, steps, project, delivery)
        steps.is_delivered()
        return production

    async def hand_over(self) -> str | None:
        """Hand the project over to the studio: the agent waits for nobody here any more.

        Returns:
            Where a person goes on, in the studio.

        Raises:
            StatusConflict: The agent is at work.
        """
        await self.settings(mode=Mode.NONE)
        return (await self._operations.get_status()).project_url

    # -- Turns ------------------------------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Turn:
        if self._turn is not None:  # it was left unanswered
            raise StopAsyncIteration
        return await self.turn()

    async def turn(self) -> Turn:
        """The turn that waits for an answer; else wait until the agent has stopped for the next one.

        Raises:
            ProjectFailed: The agent failed. Some servers take a message all the same: `say` it.
            ProjectCancelled: The project was cancelled.
            WaitTimedOut: The agent takes longer than allowed; ask again to wait on.
        """
        if self._turn is None:
            async with self._active():
                project = await self._wait_idle()
                messages, assets = await self._new_messages(), await self._new_assets()
            if messages:
                self._cursor = newest(messages).id
            self._known_assets.update((asset.ref, asset.url) for asset in assets)
            self._turns += 1
            self._turn = Turn(
                number=self._turns,
                message=project.agent_message or _last_reply(messages),
                project=project,
                messages=tuple(message for message in messages if not message.is_marker),
                assets=assets,
                conversation=self,
            )
        return self._turn

    async def say(
        self,
        text: str,
        *,
        references: Sequence[Reference] | Unset = UNSET,
        extract_content: bool | Unset = UNSET,
    ) -> None:
        """Say something to the agent, whether or not it has asked; it goes to work on it.

        A slot is waited for, before new productions. When it is not known whether the message has
        arrived, that is found out first, so that it is neither lost nor sent twice.

        Args:
            text: 1 to 8,000 characters.
            references: Uploads and URLs, as for `messages.send`.
            extract_content: False passes URLs on without reading them.

        Raises:
            InvalidProjectState: The agent is at work, perhaps because somebody has answered it in the studio
                (the next turn comes when it has stopped), or takes no messages in this status.
            InsufficientCredits: With the balance and what can be bought.
        """
        steps, project = self._operations, await self._operations.get_status()
        outgoing = await self._draft_message(project, text, references, extract_content=extract_content)
        if project.is_active and outgoing.in_doubt_since is None:
            self._turn = None
            raise _not_allowed(project, "the agent is at work; the next turn comes when it has stopped")
        self._outgoing = outgoing
        steps.is_delivered()
        try:
            async with self._active():
                self._baseline = await steps.send_message(outgoing)
        except StatusConflict as refusal:
            raise _not_allowed(project, f"it takes no message: {refusal.message}") from refusal
        self._previous_video = outgoing.before.video
        self._outgoing = self._turn = None

    async def settings(self, **changes: Any) -> ProjectSettings:
        """Change the project's settings between turns: everything that `projects.settings` takes.

        Raises:
            StatusConflict: The agent is at work.
        """
        return await self._runtime.interactive.projects.settings(self.project_id, **changes)

    async def variation(self, text: str) -> Variation:
        """Ask for a variation, wait until it is made, and make it the active one: `finish` renders that.

        Called again with the same text when it was cancelled or took too long, it goes on and asks only once.

        Args:
            text: E.g. "Create a 9:16 version for TikTok".

        Raises:
            InvalidProjectState: The agent made none; its answer is in the error and in the next turn.
        """
        async with self._active():
            steps, project = self._operations, await self._wait_idle()
            if self._varying is None or self._varying[0] != text:
                self._previous_video, self._varying = (
                    url_without_query(project.assembled_url),
                    (text, await in_memory(text)),
                )
                steps.is_delivered()
            self._turn, steps.effects = None, self._varying[1]
            try:
                async with steps.slot():
                    project, made = await request_variation(self._runtime, steps, project, text)
                    _, made = await activate(self._runtime, steps, project, made)
            except (InvalidProjectState, ProjectFailed, ProjectCancelled):  # it went as far as it goes
                self._varying = None
                raise
            finally:
                steps.effects = EffectExecutor()
        self._varying = None
        return made

    # -- Inside -----------------------------------------------------------------------------------------

    @property
    def _operations(self) -> ProjectOperations:
        if self._steps is None:
            raise ConfigurationError("open the conversation with `async with` first")
        return self._steps

    @asynccontextmanager
    async def _active(self) -> AsyncGenerator[None, None]:
        """Around what takes long; ends with `ClientClosed` when the client closes."""
        steps = self._operations
        run = TalkingRun(self._runtime.registry, steps)
        with run:
            try:
                async with self._runtime.attach_purchase_options():
                    yield
            except asyncio.CancelledError:
                if run.is_interrupted:  # else it passes the end of the conversation, which does the same
                    await cancel_if_requested(self._runtime, steps, self._policy)
                raise

    async def _wait_idle(self) -> Project:
        """The project once the agent has stopped."""
        steps = self._operations
        if self._baseline is not None:
            async with steps.stage("message"):
                project = await steps.wait_reply(self._baseline)
            self._baseline = None
            return project
        project = await steps.refresh()
        return project if project.is_settled else await steps.settle()

    async def _draft_message(
        self,
        project: Project,
        text: str,
        references: Sequence[Reference] | Unset,
        *,
        extract_content: bool | Unset,
    ) -> MessageDraft:
        """A message to send: the one in doubt, if this is it again."""
        in_doubt = self._outgoing
        if in_doubt is not None and in_doubt.in_doubt_since is not None and in_doubt.text == text:
            return in_doubt
        if self._turn is None:  # something may have been said since the cursor was read
            cursor = await newest_message(self._runtime, project.id)
        else:
            cursor = self._cursor
        return MessageDraft(
            project_id=project.id,
            text=text,
            references=references,
            extract_content=extract_content,
            cursor=cursor,
            before=Baseline.before(project, loop_time()),
        )

    async def _new_messages(self) -> tuple[Message, ...]:
        """What was said after the cursor; without one, the latest page of the conversation."""
        messages = self._runtime.api.messages

        async def new() -> tuple[Message, ...]:
            if self._cursor is None:
                return (await messages.list(self.project_id)).messages
            newer = messages.iter(self.project_id, after=self._cursor, markers=True)
            return tuple([message async for message in newer])

        return await retry_transient(self._runtime, new)

    async def _new_assets(self) -> tuple[Asset, ...]:
        assets = await self._operations.assets(self.project_id)
        return tuple(asset for asset in assets if (asset.ref, asset.url) not in self._known_assets)


def _not_allowed(project: Project, reason: str) -> InvalidProjectState:
    return InvalidProjectState(reason, project_id=project.id, status=project.status)


def _last_reply(messages: Sequence[Message]) -> str:
    said = [message for message in messages if message.role == Role.ASSISTANT and not message.is_marker]
    return newest(said).content if said else ""
