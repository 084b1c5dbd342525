"""A message that is sent once: never twice, and never lost.

`POST /messages` has no idempotency key. So when no definite answer came, we look before we repeat: is
there a message of ours, with this text, after the newest one that was there before? A request may still
be on its way for a while, so only when it must have arrived or died, and the agent is not at work, is the
message taken for lost and sent again.
"""

import asyncio
import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import attrs

from eversince_async.durable.api import loop_time
from eversince_async.durable.confirm import retry_transient
from eversince_async.durable.doubt import lasting_page, outcome_is_unknown
from eversince_async.durable.executor import EffectExecution
from eversince_async.errors import EversinceError
from eversince_async.limits import PAGE_MESSAGES
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.messages import Message, MessagePage, Role, SentMessage
from eversince_async.models.references import Reference
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.polling.observation import Baseline
from eversince_async.resources import Resources
from eversince_async.resources.messages import newest

CONFIRM_DELAYS: Final = (0.0, 10.0)
"""Seconds after a failure at which the message is looked for before it may be called lost."""

REQUEST_LIFETIME: Final = 60.0
"""Seconds after a failure by which its request has arrived or never will."""


@attrs.define(kw_only=True)
class MessageDraft:
    """A message on its way to the agent.

    Attributes:
        project_id: The project.
        text: What to say.
        references: Uploads and URLs that go with it.
        extract_content: False passes URLs on without reading them.
        cursor: The newest message that was there before; None when there was none.
        before: How the project stood when it was to be sent first.
        in_doubt_since: Since when it may have arrived, in loop time; None when it surely has not.
    """

    project_id: str
    text: str
    references: Sequence[Reference] | Unset = UNSET
    extract_content: bool | Unset = UNSET
    cursor: str | None
    before: Baseline
    in_doubt_since: float | None = None


WithSlot = Callable[[Callable[[], Awaitable[SentMessage]]], Awaitable[SentMessage]]
"""Does what makes the project active, with a slot."""


async def send_message_once(
    runtime: Runtime,
    outgoing: MessageDraft,
    execution: EffectExecution,
    *,
    write: WithSlot,
    until_settled: Callable[[], Awaitable[object]],
) -> None:
    """Send a message; return when it has surely arrived.

    Cancelling leaves in `outgoing` whether it may have arrived: calling this again with the same one finds
    out before it sends.

    Raises:
        StatusConflict: The project takes no messages now; it was not sent.
        OutcomeUnknown: No definite answer came, again and again; it is still in doubt.
        EversinceError: Another refusal; it was not sent.
    """
    failures, page = 0, None
    while outgoing.in_doubt_since is None or not await _was_received(runtime, outgoing, until_settled):
        outgoing.in_doubt_since = None
        if page is not None:
            raise page
        try:
            await write(lambda: _send(runtime, outgoing, execution))
        except EversinceError as failure:
            if not outcome_is_unknown(failure):
                outgoing.in_doubt_since = None
                raise
            failures += 1
            page = lasting_page(failure)
            if failures >= runtime.retry.attempts and page is None:
                raise
            outgoing.in_doubt_since = loop_time()
        else:
            break
    outgoing.in_doubt_since = None


async def newest_message(runtime: Runtime, project_id: str) -> str | None:
    """The id of a project's newest message: the cursor for what comes after. None: there is no message."""

    async def found() -> str | None:
        page = await runtime.api.messages.list(project_id)
        if not page.messages:
            return None
        latest = newest(page.messages)
        if page.has_more:  # which end of a long conversation the first page shows is not documented
            async for message in runtime.api.messages.iter(project_id, after=latest.id, markers=True):
                latest = newest([latest, message])
        return latest.id

    return await retry_transient(runtime, found)


async def _send(runtime: Runtime, outgoing: MessageDraft, execution: EffectExecution) -> SentMessage:
    def left() -> None:
        outgoing.in_doubt_since = loop_time()

    def call(api: Resources) -> Awaitable[SentMessage]:
        return api.messages.send(
            outgoing.project_id,
            outgoing.text,
            references=outgoing.references,
            extract_content=outgoing.extract_content,
        )

    return await execution.send(runtime, call, on_send=left)


async def _was_received(
    runtime: Runtime, outgoing: MessageDraft, until_settled: Callable[[], Awaitable[object]]
) -> bool:
    """Whether a message in doubt is there; False only when it never will be."""
    assert outgoing.in_doubt_since is not None
    for after in CONFIRM_DELAYS:
        await asyncio.sleep(outgoing.in_doubt_since + after - loop_time())
        if await _find_message(runtime, outgoing):
            return True
    await asyncio.sleep(outgoing.in_doubt_since + REQUEST_LIFETIME - loop_time())
    await until_settled()
    return await _find_message(runtime, outgoing)


async def _find_message(runtime: Runtime, outgoing: MessageDraft) -> bool:
    said = _normalize(outgoing.text)

    async def found() -> bool:
        page = await runtime.api.messages.list(
            outgoing.project_id, limit=PAGE_MESSAGES, after=outgoing.cursor
        )
        if any(_matches(message, said) for message in page.messages) or _hides(page, said):
            return True
        messages = runtime.api.messages.iter(outgoing.project_id, after=outgoing.cursor)
        return page.has_more is not False and any([_matches(message, said) async for message in messages])

    return await retry_transient(runtime, found)


def _matches(message: Message, said: str) -> bool:
    """Whether a message says the same, or is a user's whose text the server does not show."""
    if message.role == Role.ASSISTANT:
        return False
    return _normalize(message.content) == said or (message.role == Role.USER and not message.content)


def _hides(page: MessagePage, said: str) -> bool:
    """Whether a message that cannot be read says the same: sending it again is what must not happen."""
    rows = (each.value for each in page.unreadable if each.is_item and isinstance(each.value, dict))
    return any(_normalize(row["content"]) == said for row in rows if isinstance(row.get("content"), str))


def _normalize(text: str) -> str:
    """A text as it is compared: servers may normalise, or escape, what they store."""
    from html import unescape  # brings a dictionary of entities along

    return " ".join(unicodedata.normalize("NFC", unescape(text)).split())
