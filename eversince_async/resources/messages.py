"""Messages: the conversation with a project's agent.

Source: the projects page and the catalogue.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

from eversince_async._wire.endpoints import LIST_MESSAGES, SEND_MESSAGE
from eversince_async._wire.requests import page_query
from eversince_async.limits import PAGE_MESSAGES
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.messages import Message, MessageDraft, MessagePage, SentMessage
from eversince_async.models.references import Reference
from eversince_async.resources._base import Extra, Resource, check_has_end
from eversince_async.streams import Pages


class Messages(Resource):
    """The methods of `eversince.messages`."""

    async def send(
        self,
        project_id: str,
        message: str,
        *,
        references: Sequence[Reference] | Unset = UNSET,
        extract_content: bool | Unset = UNSET,
        extra: Extra = None,
    ) -> SentMessage:
        """Give the agent feedback or direction.

        The agent starts running again and spends credits. Messages also make variations: "Create a 9:16
        version for TikTok".

        Args:
            project_id: The project, which must be idle (April 2026) or settled in any way (May 2026).
            message: 1 to 8,000 characters (one page says 10,000).
            references: At most 10, of which at most 3 of type `url`.
            extract_content: False passes URLs through without fetching them.
            extra: Fields this version does not know yet.

        Raises:
            StatusConflict: The project accepts no messages in its present status.
            InsufficientCredits: The account has fewer than 10 credits.
            ProjectLimitReached: No slot is free for the project to become active again.
            OutcomeUnknown: The server may or may not have accepted the message.
        """
        body = MessageDraft(message=message, references=references, extract_content=extract_content)
        return await self._session.send(
            SEND_MESSAGE, SentMessage, ids={"project_id": project_id}, body=body, extra=extra
        )

    async def list(
        self,
        project_id: str,
        *,
        limit: int | None = None,
        before: str | None = None,
        after: str | None = None,
        extra: Extra = None,
    ) -> MessagePage:
        """Return one page of the conversation.

        The page includes internal markers, whose `content` is empty.

        Args:
            project_id: The project.
            limit: 1 to 50; the server's default is 20.
            before: A message id; the page then has only older messages.
            after: A message id; the page then has only newer messages.
            extra: Query parameters this version does not know yet.
        """
        query = {**page_query(largest=PAGE_MESSAGES, limit=limit), "before": before, "after": after}
        return await self._session.send(
            LIST_MESSAGES, MessagePage, ids={"project_id": project_id}, query=query, extra=extra
        )

    def iter(
        self, project_id: str, *, after: str | None = None, markers: bool = False, extra: Extra = None
    ) -> AsyncIterator[Message]:
        """Iterate over messages of the conversation, page by page, each once.

        With `after`, the iteration goes forward through newer messages, which is the cheap way to poll.
        Without it, the iteration covers the whole conversation, from the server's first page back to the
        beginning. The order within a page is the server's, which is not documented. Cancelling one step loses
        no message: the next step continues.

        Args:
            project_id: The project.
            after: The id of the message after which the iteration starts.
            markers: True to yield the empty messages that the agent emits for itself, too.
            extra: Query parameters this version does not know yet.
        """

        async def page_at(cursor: str | None) -> MessagePage:
            direction = {"before": cursor} if after is None else {"after": cursor}
            return await self.list(project_id, limit=PAGE_MESSAGES, extra=extra, **direction)

        return Pages(_MessageWalk(page_at, after, markers=markers).next_page)


class _MessageWalk:
    """The position of an iteration through a conversation.

    The iteration goes forward from a cursor, or back from the end.
    """

    def __init__(
        self, page_at: Callable[[str | None], Awaitable[MessagePage]], after: str | None, *, markers: bool
    ) -> None:
        self._page_at = page_at
        self._cursor = after
        self._is_forward = after is not None
        self._markers = markers
        self._seen: set[str] = set()
        self._pages = 0
        self._is_over = False

    async def next_page(self) -> Iterable[Message] | None:
        """Return the new messages of the next page; None after the last."""
        if self._is_over:
            return None
        check_has_end(self._pages)
        page = await self._page_at(self._cursor)
        self._pages += 1
        fresh = {message.id: message for message in page.messages if message.id not in self._seen}
        self._seen.update(fresh)
        messages = list(fresh.values())
        count = len(page.messages) + sum(each.is_item for each in page.unreadable)
        more = count >= PAGE_MESSAGES if page.has_more is None else page.has_more
        self._is_over = not messages or not more
        if messages:
            self._cursor = (newest(messages) if self._is_forward else oldest(messages)).id
        return [message for message in messages if message.content or self._markers]


def newest(messages: Sequence[Message]) -> Message:
    """Return the newest message by `created_at`: the next `after`.

    Among equals, it is the last one given.
    """
    latest = messages[0]
    for message in messages[1:]:
        if not _is_older(message, latest):
            latest = message
    return latest


def oldest(messages: Sequence[Message]) -> Message:
    """Return the oldest message by `created_at`: the next `before`.

    Among equals, it is the first one given.
    """
    earliest = messages[0]
    for message in messages[1:]:
        if _is_older(message, earliest):
            earliest = message
    return earliest


def _is_older(one: Message, other: Message) -> bool:
    return one.created_at is not None and other.created_at is not None and one.created_at < other.created_at
