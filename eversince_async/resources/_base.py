"""What all resource clients share: a session, and how to walk pages."""

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

import attrs

from eversince_async.session.session import Session

T = TypeVar("T")

Extra = Mapping[str, Any] | None
"""Fields this version does not know yet; merged into the body, or the query where there is no body."""


STALE: Final = 3
"""Pages in a row without a new item after which a list has ended, whatever it says: a server that ignores
`offset` would be asked for ever. One or two may come of many new items that push all others on."""


class Resource:
    """A group of verbs over a session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


@attrs.frozen
class Stretch(Generic[T]):
    """A page of an offset list as `walk` needs it.

    Attributes:
        items: What is on the page.
        total: How many there are in all; None when the answer does not say.
        more: Whether there are more, where the answer says that instead.
    """

    items: Sequence[T]
    total: float | None = None
    more: bool | None = None

    def ends_at(self, offset: int, size: int) -> bool:
        """Whether nothing follows this page, which ends before `offset`; `size` was asked for."""
        if self.more is not None:
            return not self.more
        if self.total is not None:
            return offset >= self.total
        return len(self.items) < size


async def walk(
    page_at: Callable[[int], Awaitable[Stretch[T]]], identity: Callable[[T], Hashable], size: int
) -> AsyncIterator[T]:
    """Yield the items of an offset list page by page.

    New items push older ones onto the next page while we walk, so each item is yielded once, by its
    identity. No request is spent on finding out that there is no more. Cancelling, or leaving the loop
    early, asks for no further page.
    """
    offset, seen, stale = 0, set[Hashable](), 0
    while True:
        page = await page_at(offset)
        offset += len(page.items)
        known = len(seen)
        for item in page.items:
            key = identity(item)
            if key not in seen:
                seen.add(key)
                yield item
        stale = stale + 1 if len(seen) == known else 0
        if not page.items or stale == STALE or page.ends_at(offset, size):
            return
