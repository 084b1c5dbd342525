"""Messages to the agent, each sent once: never twice, and never lost.

`POST /messages` has no idempotency key. So when no definite response came, the library looks before it
repeats the request: is there a message of the user's, with this text, after the newest one from before? A
request may still be on its way for a while. So the message counts as lost, and is sent again, only when the
request must have arrived or died, and the agent is not at work.
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
"""Seconds after a failure at which the message is looked for.

Only afterwards may it count as lost.
"""

REQUEST_LIFETIME: Final = 60.0
"""Seconds by which a failed request has arrived or never will."""


@attrs.define(kw_only=True)
class MessageDraft:
    """A message on its way to the agent.

    Attributes:
        project_id: The project's id.
        text: The message.
        references: Uploads and URLs that go with it.
        extract_content: False passes URLs on without reading them.
        cursor: The id of the newest message from before; None if there was none.
        before: The project's state before the first attempt to send the message.
        in_doubt_since: The time from which the message may have arrived, in loop time; None if it surely has
            not.
    """

    project_id: str
    text: str
    references: Sequence[Reference] | Unset = UNSET
    extract_content: bool | Unset = UNSET
    cursor: str | None
    before: Baseline
    in_doubt_since: float | None = None


WithSlot = Callable[[Callable[[], Awaitable[SentMessage]]], Awaitable[SentMessage]]
"""Function that calls a write with a slot.

The write makes the project active.
"""


async def send_message_once(
    runtime: Runtime,
    outgoing: MessageDraft,
    execution: EffectExecution,
    *,
    write: WithSlot,
    until_settled: Callable[[], Awaitable[object]],
) -> None:
    """Send a message; return when it has surely arrived.

    If this call is cancelled, `outgoing` records whether the message may have arrived: the next call with the
    same draft finds out before it sends.

    Raises:
        StatusConflict: The project takes no messages now; the message was not sent.
        OutcomeUnknown: No definite response came, again and again; the message is still in doubt.
        EversinceError: Another refusal; the message was not sent.
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
    """Return the id of a project's newest message, if any.

    The id is the cursor for later messages.
    """

    async def fetch() -> str | None:
        page = await runtime.api.messages.list(project_id)
        if not page.messages:
            return None
        latest = newest(page.messages)
        if page.has_more:  # the documents do not say which end of a long conversation comes first
            async for message in runtime.api.messages.iter(project_id, after=latest.id, markers=True):
                latest = newest([latest, message])
        return latest.id

    return await retry_transient(runtime, fetch)


async def _send(runtime: Runtime, outgoing: MessageDraft, execution: EffectExecution) -> SentMessage:
    def note_departure() -> None:
        outgoing.in_doubt_since = loop_time()

    def call(api: Resources) -> Awaitable[SentMessage]:
        return api.messages.send(
            outgoing.project_id,
            outgoing.text,
            references=outgoing.references,
            extract_content=outgoing.extract_content,
        )

    return await execution.send(runtime, call, on_send=note_departure)


async def _was_received(
    runtime: Runtime, outgoing: MessageDraft, until_settled: Callable[[], Awaitable[object]]
) -> bool:
    """Return True if a message in doubt has arrived.

    False if it never will.
    """
    assert outgoing.in_doubt_since is not None
    for after in CONFIRM_DELAYS:
        await asyncio.sleep(outgoing.in_doubt_since + after - loop_time())
        if await _find_message(runtime, outgoing):
            return True
    await asyncio.sleep(outgoing.in_doubt_since + REQUEST_LIFETIME - loop_time())
    await until_settled()
    return await _find_message(runtime, outgoing)


async def _find_message(runtime: Runtime, outgoing: MessageDraft) -> bool:
    text = _normalize(outgoing.text)

    async def search() -> bool:
        page = await runtime.api.messages.list(
            outgoing.project_id, limit=PAGE_MESSAGES, after=outgoing.cursor
        )
        if any(_matches(message, text) for message in page.messages) or _hides(page, text):
            return True
        messages = runtime.api.messages.iter(outgoing.project_id, after=outgoing.cursor)
        return page.has_more is not False and any([_matches(message, text) async for message in messages])

    return await retry_transient(runtime, search)


def _matches(message: Message, text: str) -> bool:
    """Return True if a message has this text, or may have.

    A user's message without visible text may have it.
    """
    if message.role == Role.ASSISTANT:
        return False
    return _normalize(message.content) == text or (message.role == Role.USER and not message.content)


def _hides(page: MessagePage, text: str) -> bool:
    """Return True if an unreadable message has this text.

    Such a message must not be sent again.
    """
    rows = (each.value for each in page.unreadable if each.is_item and isinstance(each.value, dict))
    return any(_normalize(row["content"]) == text for row in rows if isinstance(row.get("content"), str))


def _normalize(text: str) -> str:
    """Normalize a text for comparison: servers may normalize, or escape, stored texts."""
    from html import unescape  # the module loads a large table of entities

    return " ".join(unicodedata.normalize("NFC", unescape(text)).split())
