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
    """`eversince.account`."""

    async def credits(self, *, extra: Extra = None) -> Credits:
        """The credit balance."""
        return await self._session.send(GET_CREDITS, Credits, extra=extra)

    async def credit_packages(self, *, extra: Extra = None) -> CreditPackages:
        """The balance and what can be bought, with purchase links."""
        return await self._session.send(LIST_PACKAGES, CreditPackages, extra=extra)

    async def learned_preferences(self, *, extra: Extra = None) -> LearnedPreferences:
        """The patterns the agent has picked up over all projects."""
        return await self._session.send(GET_PREFERENCES, LearnedPreferences, extra=extra)

    async def update_learned_preferences(
        self, *, content: str | Unset = UNSET, enabled: bool | Unset = UNSET, extra: Extra = None
    ) -> LearnedPreferences:
        """Change the learned preferences, or switch them on or off; what is not given stays.

        Args:
            content: The new text; how long it may be is not documented since May 2026, 4,000 before.
            enabled: Whether the agent goes on learning.
            extra: Fields this version does not know yet.
        """
        body = PreferencesChange(content=content, enabled=enabled, extra=dict(extra or {}))
        return await self._session.send(PUT_PREFERENCES, LearnedPreferences, body=body)

    async def shares(
        self, *, limit: int | None = None, offset: int | None = None, extra: Extra = None
    ) -> SharePage:
        """One page of the public links.

        Args:
            limit: 1 to 50; the server's default here is 10, not 20.
            offset: How many to skip.
            extra: Query parameters this version does not know yet.
        """
        query = page_query(largest=PAGE_SHARES, limit=limit, offset=offset)
        return await self._session.send(LIST_SHARES, SharePage, query=query, extra=extra)

    def iter_shares(self, *, extra: Extra = None) -> AsyncIterator[SharedVideo]:
        """All public links, in pages of 50; each appears once."""

        async def page_at(offset: int) -> OffsetPage[SharedVideo]:
            page = await self.shares(limit=PAGE_SHARES, offset=offset, extra=extra)
            return OffsetPage(page.shares, total=page.total, more=page.has_more, unreadable=page.unreadable)

        return iterate_pages(page_at, lambda share: share.share_url, PAGE_SHARES)
