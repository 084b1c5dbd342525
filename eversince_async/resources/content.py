"""Content: timeline, assets, variations, agent memory.

Source: the output page and the catalogue.
"""

from collections.abc import AsyncIterator

from eversince_async._wire.endpoints import GET_AGENT_MEMORY, GET_TIMELINE, LIST_ASSETS, LIST_VARIATIONS
from eversince_async._wire.requests import page_query
from eversince_async.limits import PAGE_ASSETS, PAGE_ASSETS_MAY
from eversince_async.models._base import ItemList
from eversince_async.models.content import AgentMemory, Asset, AssetPage, Timeline, Variation
from eversince_async.resources._base import Extra, OffsetPage, Resource, iterate_pages


class Content(Resource):
    """The methods of `eversince.content`."""

    async def timeline(
        self, project_id: str, *, variation_id: str | None = None, extra: Extra = None
    ) -> Timeline:
        """Return the timeline: scenes, audio, overlays and captions.

        Args:
            project_id: The project.
            variation_id: A variation other than the active one; reading it does not switch to it.
            extra: Query parameters this version does not know yet.
        """
        return await self._session.send(
            GET_TIMELINE,
            Timeline,
            ids={"project_id": project_id},
            query={"variation_id": variation_id},
            extra=extra,
        )

    async def assets(
        self, project_id: str, *, limit: int | None = None, offset: int | None = None, extra: Extra = None
    ) -> AssetPage:
        """Return one page of the project's generated assets.

        Args:
            project_id: The project.
            limit: 1 to 50 (May 2026: 200); the server's default is 20.
            offset: The number of assets to skip.
            extra: Query parameters this version does not know yet.
        """
        return await self._session.send(
            LIST_ASSETS,
            AssetPage,
            ids={"project_id": project_id},
            query=page_query(largest=PAGE_ASSETS_MAY, limit=limit, offset=offset),
            extra=extra,
        )

    def iter_assets(self, project_id: str, *, extra: Extra = None) -> AsyncIterator[Asset]:
        """Iterate over all of the project's assets, each once.

        The pages have 50 assets, which every revision accepts.
        """

        async def page_at(offset: int) -> OffsetPage[Asset]:
            page = await self.assets(project_id, limit=PAGE_ASSETS, offset=offset, extra=extra)
            return OffsetPage(page.assets, total=page.total, limit=page.limit, unreadable=page.unreadable)

        return iterate_pages(page_at, lambda asset: (asset.ref, asset.url), PAGE_ASSETS)

    async def variations(self, project_id: str, *, extra: Extra = None) -> ItemList[Variation]:
        """Return all variations of the project.

        Create, switch and delete them with messages to the agent.
        """
        return await self._session.send(
            LIST_VARIATIONS, ItemList[Variation], ids={"project_id": project_id}, extra=extra
        )

    async def memory(self, project_id: str, *, extra: Extra = None) -> AgentMemory:
        """Return the agent's working memory, which the project's variations share."""
        return await self._session.send(
            GET_AGENT_MEMORY, AgentMemory, ids={"project_id": project_id}, extra=extra
        )
