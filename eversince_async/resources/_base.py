"""What all resource clients share: a session, and how to walk pages."""

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

import attrs

from eversince_async.errors import InvalidResponse
from eversince_async.models._base import UnreadableValue
from eversince_async.session.hooks import logger
from eversince_async.session.session import Session
from eversince_async.streams import Pages

T = TypeVar("T")

Extra = Mapping[str, Any] | None
"""Fields this version does not know yet; merged into the body, or the query where there is no body."""


MAX_STALE_PAGES: Final = 3
"""Pages in a row without a new item after which a list has ended, whatever it says: a server that ignores
`offset` would be asked for ever. One or two may come of many new items that push all others on."""


class Resource:
    """A group of verbs over a session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


MAX_PAGES: Final = 10_000
"""Pages after which a list is given up that has new items on each of them, and so no end."""


@attrs.frozen
class OffsetPage(Generic[T]):
    """A page of an offset list as `walk` needs it.

    Attributes:
        items: What is on the page and can be read.
        total: How many there are in all; None when the answer does not say.
        more: Whether there are more, where the answer says that instead.
        limit: How many the server puts on a page, if it says so.
        unreadable: What cannot be read of it.
    """

    items: Sequence[T]
    total: float | None = None
    more: bool | None = None
    limit: float | None = None
    unreadable: Sequence[UnreadableValue] = ()

    @property
    def length(self) -> int:
        """How many items are on the page, whether they can be read or not."""
        return len(self.items) + sum(each.is_item for each in self.unreadable)

    def ends_at(self, offset: int, size: int) -> bool:
        """Whether nothing follows this page, which ends before `offset`; `size` was asked for.

        One word of a server is not enough: a total may be that of the page, 0 or outdated. A list ends with
        an empty page, with a short one that reaches the total exactly, or where it says that there are no
        more and the total does not say otherwise.
        """
        if not self.length:
            return True
        if self.more is not None:
            return not self.more and (self.total is None or offset >= self.total)
        return offset == self.total and self.length < min(size, self.limit or size)


class _OffsetWalk(Generic[T]):
    """Where a walk through an offset list is."""

    def __init__(
        self,
        page_at: Callable[[int], Awaitable[OffsetPage[T]]],
        identity: Callable[[T], Hashable],
        size: int,
    ) -> None:
        self._page_at = page_at
        self._identity = identity
        self._size = size
        self._offset = self._stale = self._pages = 0
        self._seen: set[Hashable] = set()
        self._is_over = False

    async def next_page(self) -> Iterable[T] | None:
        """The new items of the next page; None when there is none."""
        if self._is_over:
            return None
        check_has_end(self._pages)
        page = await self._page_at(self._offset)
        self._pages += 1
        self._offset += page.length
        known = len(self._seen)
        fresh = {key: item for item in page.items if (key := self._identity(item)) not in self._seen}
        self._seen.update(fresh)
        self._seen.update((each.path, each.id) for each in page.unreadable if each.id is not None)
        self._stale = 0 if len(self._seen) > known else self._stale + 1
        self._is_over = page.ends_at(self._offset, self._size)
        if self._stale == MAX_STALE_PAGES and not self._is_over:
            logger.warning(
                "a list ended early: %d pages in a row had nothing new, after %d items of %s",
                MAX_STALE_PAGES,
                len(self._seen),
                "more" if page.total is None else page.total,
            )
            self._is_over = True
        return fresh.values()


def check_has_end(pages: int) -> None:
    """Give up on a list that goes on and on.

    Raises:
        InvalidResponse: There were too many pages.
    """
    if pages >= MAX_PAGES:
        raise InvalidResponse("$", f"the list has not ended after {MAX_PAGES:,} pages")


def iterate_pages(
    page_at: Callable[[int], Awaitable[OffsetPage[T]]], identity: Callable[[T], Hashable], size: int
) -> AsyncIterator[T]:
    """Yield the items of an offset list page by page.

    New items push older ones onto the next page while we walk, so each item is yielded once, by its
    identity. Leaving the loop early asks for no further page. A step that is cancelled, as by a timeout
    around it, loses nothing: the next one goes on from there.
    """
    return Pages(_OffsetWalk(page_at, identity, size).next_page)
