"""Account: credits, packages, learned preferences, shares. Source: the account page."""

from collections.abc import AsyncIterator

from eversince_async._wire.endpoints import (
    GET_CREDITS,
    GET_PREFERENCES,
    LIST_PACKAGES,
    LIST_SHARES,
    PUT_PREFERENCES,
)
from eversince_async._wire.requests import page_query
from eversince_async.limits import PAGE_SHARES
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.account import (
    CreditPackages,
    Credits,
    LearnedPreferences,
    PreferencesChange,
    SharedVideo,
    SharePage,
)
from eversince_async.resources._base import Extra, OffsetPage, Resource, iterate_pages


class Account(Resource):
    """The methods of `eversince.account`."""

    async def credits(self, *, extra: Extra = None) -> Credits:
        """Return the credit balance."""
        return await self._session.send(GET_CREDITS, Credits, extra=extra)

    async def credit_packages(self, *, extra: Extra = None) -> CreditPackages:
        """Return the balance and the credit packages, with purchase links."""
        return await self._session.send(LIST_PACKAGES, CreditPackages, extra=extra)

    async def learned_preferences(self, *, extra: Extra = None) -> LearnedPreferences:
        """Return the patterns the agent has learned over all projects."""
        return await self._session.send(GET_PREFERENCES, LearnedPreferences, extra=extra)

    async def update_learned_preferences(
        self, *, content: str | Unset = UNSET, enabled: bool | Unset = UNSET, extra: Extra = None
    ) -> LearnedPreferences:
        """Change the learned preferences, or switch them on or off.

        Values that are not given stay unchanged.

        Args:
            content: The new text. Its greatest length is not documented since May 2026; it was 4,000
                characters before.
            enabled: True if the agent goes on learning.
            extra: Fields this version does not know yet.
        """
        body = PreferencesChange(content=content, enabled=enabled, extra=dict(extra or {}))
        return await self._session.send(PUT_PREFERENCES, LearnedPreferences, body=body)

    async def shares(
        self, *, limit: int | None = None, offset: int | None = None, extra: Extra = None
    ) -> SharePage:
        """Return one page of the public links.

        Args:
            limit: 1 to 50; the server's default here is 10, not 20.
            offset: The number of links to skip.
            extra: Query parameters this version does not know yet.
        """
        query = page_query(largest=PAGE_SHARES, limit=limit, offset=offset)
        return await self._session.send(LIST_SHARES, SharePage, query=query, extra=extra)

    def iter_shares(self, *, extra: Extra = None) -> AsyncIterator[SharedVideo]:
        """Iterate over all public links, in pages of 50, each once."""

        async def page_at(offset: int) -> OffsetPage[SharedVideo]:
            page = await self.shares(limit=PAGE_SHARES, offset=offset, extra=extra)
            return OffsetPage(page.shares, total=page.total, more=page.has_more, unreadable=page.unreadable)

        return iterate_pages(page_at, lambda share: share.share_url, PAGE_SHARES)
