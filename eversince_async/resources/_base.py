"""What all resource clients share: a session, and how to walk pages."""

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import attrs

from eversince_async.session.session import Session

T = TypeVar("T")

Extra = Mapping[str, Any] | None
"""Fields this version does not know yet; merged into the body, or the query where there is no body."""


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
    offset, seen = 0, set[Hashable]()
    while True:
        page = await page_at(offset)
        offset += len(page.items)
        for item in page.items:
            key = identity(item)
            if key not in seen:
                seen.add(key)
                yield item
        if not page.items or page.ends_at(offset, size):
            return
