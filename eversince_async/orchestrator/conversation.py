"""Conversations with the agent, which works, asks, and continues when answered."""

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
"""The message of `Turn.approve`: the API has no other approval."""


@attrs.frozen(kw_only=True, eq=False)
class Turn:
    """A person's turn to answer: the agent has stopped.

    However long the person takes, no slot is held.

    Attributes:
        number: The turn's number; 1 for the first turn of this conversation.
        message: The agent's message, mostly a question; empty if the agent said nothing.
        project: The project at the time the agent stopped.
        messages: The messages since the last turn, by any author, without internal markers.
        assets: The assets made since the last turn.
    """

    number: int
    message: str
    project: Project = attrs.field(repr=False)
    messages: tuple[Message, ...] = attrs.field(repr=False)
    assets: tuple[Asset, ...] = attrs.field(repr=False)
    _conversation: "Conversation" = attrs.field(alias="conversation", repr=False)

    @property
    def is_answered(self) -> bool:
        """True if the agent has been sent a message since."""
        return self._conversation.current is not self

    async def reply(
        self,
        text: str,
        *,
        references: Sequence[Reference] | Unset = UNSET,
        extract_content: bool | Unset = UNSET,
    ) -> None:
        """Answer the agent and let it work on.

        The conversation's next turn comes when the agent has stopped again.

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
        """Agree to the agent's proposal by sending "Approved. Please go on.".

        The agent then goes to work, which costs credits. When there is nothing left to make, finish the
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
    `eversince.converse_with(project_id)` resumes it, in another process or next week.

    Use a conversation in one task at a time. Cancelling a method leaves the conversation usable: the same
    wait can be started again, and a message that may have been sent is looked for before it is sent again.
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
        self._outgoing: MessageDraft | None = None  # the last message, while it is in doubt
        self._baseline: Baseline | None = None  # the project before the message that the agent works on
        # The project's video when the agent was last sent a message.
        self._previous_video: str | None = None
        # The text of the variation under way, and its recorded effects.
        self._varying: tuple[str, EffectExecutor] | None = None
        self._known_assets = set[tuple[str | None, str]]()

    def __repr__(self) -> str:
        steps = self._steps
        state = "not begun" if steps is None else f"with {steps.project_id}, {steps.status}"
        return f"<Conversation {state}>"

    @property
    def project_id(self) -> str:
        """The project's id; keep it to resume the conversation."""
        project_id = self._operations.project_id
        assert project_id is not None
        return project_id

    @property
    def cursor(self) -> str | None:
        """The id of the newest message that the turns have shown.

        Give it to `converse_with` to see only newer messages.
        """
        return self._cursor

    @property
    def current(self) -> Turn | None:
        """The turn to answer; None while the agent is at work."""
        return self._turn

    # -- Beginning and ending ---------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._steps is not None:
            raise ConfigurationError("this conversation has begun already")
        try:
            await self._begin()
        except BaseException:
            self._steps = None  # the conversation can be entered again, with the same idempotency key
            raise
        return self

    async def _begin(self) -> None:
        source = self._source
        if isinstance(source, str):
            self._steps = ProjectOperations(
                self._runtime, self._policy, self._emit, key=source, project_id=source
            )
            await self._steps.get_status()
            return
        key = str(source.idempotency_key)
        self._steps = steps = ProjectOperations(self._runtime, self._policy, self._emit, key=key)
        cancelling = cancel_on_exit(self._runtime, steps, self._policy)
        with TalkingRun(self._runtime.registry, steps):
            # An active project keeps its slot by itself.
            async with cancelling, self._runtime.attach_purchase_options(), steps.slot():
                await steps.create(source)

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
        """Render, share and download the result of the conversation.

        The result is a production like any other. Waits for the agent first, if it is at work. A video from
        before the last message is rendered anew. If this call fails or is cancelled, the next call goes on:
        no second link is made.

        Args:
            render: Quality of the video, `1080p` or `4k`; None for no render.
            share: True to make a public link; `ShareOptions` to give it a title and a description.
            download: A file or a folder, as for `Production.download`.

        Raises:
            EversinceError: As for `eversince.produce`.
        """
        delivery = delivery_options(render, share, download)
        async with self._active():
            steps, project = self._operations, await self._wait_idle()
            is_old = url_without_query(project.assembled_url) in {None, self._previous_video}
            if delivery.render is not None and is_old and project.output_type != OutputType.ASSETS:
                steps.forget_share()
                async with steps.slot():
                    project = await render_with_retries(steps, project, delivery.render)
            production = await deliver(self._runtime, steps, project, delivery)
        steps.forget_share()
        return production

    async def hand_over(self) -> str | None:
        """Hand the project over to the studio.

        The agent no longer waits for answers from here.

        Returns:
            The project's address in the studio, where a person goes on.

        Raises:
            StatusConflict: The agent is at work.
        """
        await self.settings(mode=Mode.NONE)
        return (await self._operations.get_status()).project_url

    # -- Turns ------------------------------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Turn:
        if self._turn is not None:  # the turn was left unanswered
            raise StopAsyncIteration
        return await self.turn()

    async def turn(self) -> Turn:
        """Return the unanswered turn, or wait for the agent's next one.

        Raises:
            ProjectFailed: The agent failed. Some servers take a message all the same: `say` it.
            ProjectCancelled: The project was cancelled.
            WaitTimedOut: The agent takes longer than allowed; call this again to wait on.
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
        """Send the agent a message, even if it has not asked.

        The agent then goes to work on it.

        Waits for a slot, before new productions get one. If it is not known whether the same message has
        arrived already, that is found out first, so that the message is neither lost nor sent twice.

        Args:
            text: The message, of 1 to 8,000 characters.
            references: Uploads and URLs, as for `messages.send`.
            extract_content: False passes URLs on without reading them.

        Raises:
            InvalidProjectState: The project takes no messages in this status, or the agent is at work,
                perhaps because a person has answered it in the studio; the next turn then comes when it has
                stopped.
            InsufficientCredits: The account has too few credits; the error holds the balance and what can be
                bought.
        """
        steps, project = self._operations, await self._operations.get_status()
        outgoing = await self._draft_message(project, text, references, extract_content=extract_content)
        if project.is_active and outgoing.in_doubt_since is None:
            self._turn = None
            raise _not_allowed(project, "the agent is at work; the next turn comes when it has stopped")
        self._outgoing = outgoing
        steps.forget_share()
        try:
            async with self._active():
                self._baseline = await steps.send_message(outgoing)
        except StatusConflict as refusal:
            raise _not_allowed(project, f"it takes no message: {refusal.message}") from refusal
        self._previous_video = outgoing.before.video
        self._outgoing = self._turn = None

    async def settings(self, **changes: Any) -> ProjectSettings:
        """Change the project's settings between turns; accepts what `projects.settings` accepts.

        Raises:
            StatusConflict: The agent is at work.
        """
        return await self._runtime.interactive.projects.settings(self.project_id, **changes)

    async def variation(self, text: str) -> Variation:
        """Ask for a variation, wait for it, and activate it.

        `finish` then renders this variation. If this call is cancelled or times out, the next call with the
        same text goes on, and asks the agent only once.

        Args:
            text: The request to the agent, e.g. "Create a 9:16 version for TikTok".

        Raises:
            InvalidProjectState: The agent made no variation; its answer is in the error and in the next turn.
        """
        async with self._active():
            steps, project = self._operations, await self._wait_idle()
            if self._varying is None or self._varying[0] != text:
                self._previous_video, self._varying = (
                    url_without_query(project.assembled_url),
                    (text, await in_memory(text)),
                )
                steps.forget_share()
            self._turn, steps.effects = None, self._varying[1]
            try:
                async with steps.slot():
                    project, variation = await request_variation(self._runtime, steps, project, text)
                    _, variation = await activate(self._runtime, steps, project, variation)
            except (InvalidProjectState, ProjectFailed, ProjectCancelled):  # going on makes no sense
                self._varying = None
                raise
            finally:
                steps.effects = EffectExecutor()
        self._varying = None
        return variation

    # -- Inside -----------------------------------------------------------------------------------------

    @property
    def _operations(self) -> ProjectOperations:
        if self._steps is None:
            raise ConfigurationError("open the conversation with `async with` first")
        return self._steps

    @asynccontextmanager
    async def _active(self) -> AsyncGenerator[None, None]:
        """Register a long operation, which then ends when the client closes.

        It ends with `ClientClosed`.
        """
        steps = self._operations
        run = TalkingRun(self._runtime.registry, steps)
        with run:
            try:
                async with self._runtime.attach_purchase_options():
                    yield
            except asyncio.CancelledError:
                if run.is_interrupted:  # otherwise `__aexit__` gets the cancellation, and does the same
                    await cancel_if_requested(self._runtime, steps, self._policy)
                raise

    async def _wait_idle(self) -> Project:
        """Wait until the agent has stopped, and return the project."""
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
        """Return the message to send.

        If the message in doubt has the same text, return that one.
        """
        in_doubt = self._outgoing
        if in_doubt is not None and in_doubt.in_doubt_since is not None and in_doubt.text == text:
            return in_doubt
        if self._turn is None:  # new messages may have come since the cursor was read
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
        """Return the messages after the cursor.

        Without a cursor, return the latest page of the conversation.
        """
        messages = self._runtime.api.messages

        async def fetch() -> tuple[Message, ...]:
            if self._cursor is None:
                return (await messages.list(self.project_id)).messages
            newer = messages.iter(self.project_id, after=self._cursor, markers=True)
            return tuple([message async for message in newer])

        return await retry_transient(self._runtime, fetch)

    async def _new_assets(self) -> tuple[Asset, ...]:
        assets = await self._operations.assets(self.project_id)
        return tuple(asset for asset in assets if (asset.ref, asset.url) not in self._known_assets)


def _not_allowed(project: Project, reason: str) -> InvalidProjectState:
    return InvalidProjectState(reason, project_id=project.id, status=project.status)


def _last_reply(messages: Sequence[Message]) -> str:
    replies = [message for message in messages if message.role == Role.ASSISTANT and not message.is_marker]
    return newest(replies).content if replies else ""
