"""Messages: the conversation with a project's agent. Source: the projects page and the catalogue."""

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
    """`eversince.messages`."""

    async def send(
        self,
        project_id: str,
        message: str,
        *,
        references: Sequence[Reference] | Unset = UNSET,
        extract_content: bool | Unset = UNSET,
        extra: Extra = None,
    ) -> SentMessage:
        """Give the agent feedback or direction; it starts running again and spends credits.

        Variations are made this way, too: "Create a 9:16 version for TikTok".

        Args:
            project_id: The project; idle (April 2026) or settled in any way (May 2026).
            message: 1 to 8,000 characters (one page says 10,000).
            references: At most 10, of which 3 of type `url`.
            extract_content: False passes URLs through without fetching them.
            extra: Fields this version does not know yet.

        Raises:
            StatusConflict: The project takes no messages in its present status.
            InsufficientCredits: Fewer than 10 credits.
            ProjectLimitReached: No slot is free for the project to become active again.
            OutcomeUnknown: The message may or may not have been taken.
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
        """One page of the conversation, internal markers (empty `content`) included.

        Args:
            project_id: The project.
            limit: 1 to 50; the server's default is 20.
            before: A message id: only older ones.
            after: A message id: only newer ones.
            extra: Query parameters this version does not know yet.
        """
        query = {**page_query(largest=PAGE_MESSAGES, limit=limit), "before": before, "after": after}
        return await self._session.send(
            LIST_MESSAGES, MessagePage, ids={"project_id": project_id}, query=query, extra=extra
        )

    def iter(
        self, project_id: str, *, after: str | None = None, markers: bool = False, extra: Extra = None
    ) -> AsyncIterator[Message]:
        """Messages of the conversation, page by page, each once.

        With `after`, the newer ones, going forward: the way to poll cheaply. Without it the whole
        conversation, from the page the server gives first back to the beginning. The order within a page is
        the server's, which is not documented. Cancelling one step loses no message: the next goes on.

        Args:
            project_id: The project.
            after: A message id to go on from.
            markers: Also yield the empty messages that the agent emits for itself.
            extra: Query parameters this version does not know yet.
        """

        async def page_at(cursor: str | None) -> MessagePage:
            direction = {"before": cursor} if after is None else {"after": cursor}
            return await self.list(project_id, limit=PAGE_MESSAGES, extra=extra, **direction)

        return Pages(_MessageWalk(page_at, after, markers=markers).next_page)


class _MessageWalk:
    """Where a walk through a conversation is: forward from a cursor, or back from its end."""

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
        """The new messages of the next page; None when there is none."""
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
    """The newest of some messages by `created_at`, the last given among equals: the next `after`."""
    latest = messages[0]
    for message in messages[1:]:
        if not _is_older(message, latest):
            latest = message
    return latest


def oldest(messages: Sequence[Message]) -> Message:
    """The oldest of some messages by `created_at`, the first given among equals: the next `before`."""
    earliest = messages[0]
    for message in messages[1:]:
        if _is_older(message, earliest):
            earliest = message
    return earliest


def _is_older(one: Message, other: Message) -> bool:
    return one.created_at is not None and other.created_at is not None and one.created_at < other.created_at
