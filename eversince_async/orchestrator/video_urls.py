"""Where a finished video can be had: one URL after another, the cheaper and surer ones first."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from eversince_async.errors import NotAllowedNow
from eversince_async.models.output import Share
from eversince_async.models.projects import Project
from eversince_async.orchestrator.desk import Desk, now
from eversince_async.orchestrator.download import NamedUrl, UrlSource
from eversince_async.orchestrator.order import Terms
from eversince_async.orchestrator.steps import Steps

MARGIN: Final = timedelta(minutes=5)
"""A URL that expires sooner than this is not begun with."""


class VideoUrls:
    """The URLs to try for one production's video.

    First the share's, which does not expire; then the one the project had, while it is good; then a fresh
    one, asked of the server. The last resort is a new render, if the caller wants to pay for it.

    Args:
        desk: To ask with.
        project: The project as it stood when its video was done.
        share: Its public link; None when there is none.
        render_again: The quality of a new render; None for no such thing.
    """

    def __init__(
        self, desk: Desk, project: Project, share: Share | None, *, render_again: str | None
    ) -> None:
        self._desk = desk
        self._project = project
        self._share = share
        self._quality = render_again
        self._sources: list[tuple[str, Callable[[], Awaitable[str | None]]]] = [
            ("video_url", self._shared),
            ("assembled_url", self._known),
            ("assembled_url", self._fresh),
        ]
        self._given = set[str]()

    async def next(self) -> NamedUrl | None:
        """The next URL that was not given before, and what names it; None when there is no other.

        Raises:
            NotAllowedNow: There is no video at all, or not this variation's.
        """
        while self._sources:
            field, source = self._sources.pop(0)
            url = await source()
            if url is not None and url not in self._given:
                self._given.add(url)
                return NamedUrl(field, url)
        if not self._given and self._quality is None:
            raise NotAllowedNow(
                "there is no video to download; render it first",
                project_id=self._project.id,
                status=self._project.status,
            )
        return None

    @property
    def last_resort(self) -> UrlSource | None:
        """A new render, if the caller wants to pay for it."""
        return None if self._quality is None else self._rendered_again

    async def _shared(self) -> str | None:
        return None if self._share is None else self._share.video_url

    async def _known(self) -> str | None:
        expires_at = self._project.assembled_url_expires_at
        expires_soon = expires_at is not None and expires_at - self._desk.server_now() < MARGIN
        return None if expires_soon else self._project.assembled_url

    async def _fresh(self) -> str | None:
        """Asked again, the server may sign it anew. By whose clock it has expired, the store decides."""
        steps = self._steps()
        steps.knows(self._project, now())  # an answer without the video lags behind
        project = await steps.peek()
        need_the_same_variation(self._project, project)
        return project.assembled_url

    async def _rendered_again(self) -> NamedUrl | None:
        assert self._quality is not None
        steps = self._steps()
        project = await steps.look()
        if not project.is_settled:
            project = await steps.settle()
        need_the_same_variation(self._project, project)
        async with self._desk.helping_to_buy(), steps.slot():
            url = (await steps.render(project, self._quality)).assembled_url
        return None if url is None else NamedUrl("assembled_url", url)

    def _steps(self) -> Steps:
        project_id = self._project.id
        return Steps(self._desk, Terms(), lambda _: None, key=project_id, project_id=project_id)


def need_the_same_variation(before: Project, now: Project) -> None:
    """A project's video is that of its active variation.

    Raises:
        NotAllowedNow: That is another one by now.
    """
    ours, active = before.variation_id, now.variation_id
    if None not in {ours, active} and ours != active:
        raise NotAllowedNow(
            f"this production is of variation {ours}, and the project's video by now that of {active}; "
            "share a production to keep its video",
            project_id=now.id,
            status=now.status,
        )
