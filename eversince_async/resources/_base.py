"""The common part of all resource clients: a session and page iteration."""

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
"""Fields this version does not know yet, merged into the body, or into the query of a request without one."""


MAX_STALE_PAGES: Final = 3
"""The number of pages in a row without a new item after which a list counts as ended.

Otherwise a server that ignores `offset` would be asked for ever. One or two such pages may come from many new
items, which push all others on.
"""


class Resource:
    """A group of endpoint methods over a session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


MAX_PAGES: Final = 10_000
"""The number of pages after which a list with new items on every page is given up as endless."""


@attrs.frozen
class OffsetPage(Generic[T]):
    """A page of an offset list, for `iterate_pages`.

    Attributes:
        items: The readable items of the page.
        total: The number of items in all; None if the response does not say.
        more: True if more items follow; None if the response does not say.
        limit: The number of items that the server puts on a page; None if the response does not say.
        unreadable: The unreadable parts of the page.
    """

    items: Sequence[T]
    total: float | None = None
    more: bool | None = None
    limit: float | None = None
    unreadable: Sequence[UnreadableValue] = ()

    @property
    def length(self) -> int:
        """The number of items on the page, readable or not."""
        return len(self.items) + sum(each.is_item for each in self.unreadable)

    def ends_at(self, offset: int, size: int) -> bool:
        """Return True if no page follows this one.

        One statement of a server is not enough: a total may be that of the page, 0 or outdated. A list ends
        with an empty page, with a short page that reaches the total exactly, or when the response says that
        there are no more items and the total does not contradict it.

        Args:
            offset: The offset of the next page.
            size: The page size that was requested.
        """
        if not self.length:
            return True
        if self.more is not None:
            return not self.more and (self.total is None or offset >= self.total)
        return offset == self.total and self.length < min(size, self.limit or size)


class _OffsetWalk(Generic[T]):
    """The position of an iteration through an offset list."""

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
        """Return the new items of the next page; None after the last."""
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
    """Refuse to read a list without end.

    Raises:
        InvalidResponse: The list has more than `MAX_PAGES` pages.
    """
    if pages >= MAX_PAGES:
        raise InvalidResponse("$", f"the list has not ended after {MAX_PAGES:,} pages")


def iterate_pages(
    page_at: Callable[[int], Awaitable[OffsetPage[T]]], identity: Callable[[T], Hashable], size: int
) -> AsyncIterator[T]:
    """Yield the items of an offset list page by page.

    New items may push older ones onto the next page during the iteration, so `identity` makes sure that each
    item is yielded once. Leaving the loop early requests no further page. Cancelling a step, for example by a
    timeout around it, loses nothing: the next step continues from there.
    """
    return Pages(_OffsetWalk(page_at, identity, size).next_page)
