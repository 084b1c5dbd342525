"""One video's record: what was made, where it is, and how to fetch it."""

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import anyio
import attrs

from eversince_async import clock
from eversince_async.errors import NotAllowedNow
from eversince_async.models.content import Asset, Variation
from eversince_async.models.output import Share
from eversince_async.models.projects import Project
from eversince_async.orchestrator.desk import Desk
from eversince_async.orchestrator.download import Progress, download
from eversince_async.orchestrator.events import Stage

MARGIN: Final = timedelta(minutes=5)
"""A URL that expires sooner than this is refreshed before a download begins."""


@attrs.frozen(kw_only=True)
class Production:
    """A finished production.

    Attributes:
        project: The project as it stood at the end.
        share: The public link; None when none was asked for.
        variation: The variation it is, for one that `eversince.variation` made.
        assets: The single assets, for a project that makes nothing else (`output_type` is `assets`).
        files: What has been downloaded.
        timings: Seconds each stage took.
        request_ids: The `X-Request-Id` of each write, in order, to quote to support.
    """

    project: Project
    share: Share | None = None
    variation: Variation | None = None
    assets: tuple[Asset, ...] = attrs.field(default=(), repr=False)
    files: tuple[Path, ...] = ()
    timings: Mapping[Stage, float] = attrs.field(factory=dict)
    request_ids: tuple[str, ...] = ()
    _desk: Desk = attrs.field(repr=False, eq=False)

    @property
    def project_id(self) -> str:
        """The project's id."""
        return self.project.id

    @property
    def assembled_url(self) -> str | None:
        """The rendered video; expires at `assembled_url_expires_at`."""
        return self.project.assembled_url

    @property
    def assembled_url_expires_at(self) -> datetime | None:
        """When `assembled_url` stops working, 24 hours after the render."""
        return self.project.assembled_url_expires_at

    @property
    def share_url(self) -> str | None:
        """The public page, which does not expire."""
        return None if self.share is None else self.share.share_url

    @property
    def video_url(self) -> str | None:
        """The video behind the public page, which does not expire; else the `assembled_url`."""
        return self.project.assembled_url if self.share is None else self.share.video_url

    async def variations(self) -> list[Variation]:
        """All variations of the project as they are now; `eversince.variation` makes another."""
        return await self._desk.interactive.content.variations(self.project.id)

    async def download(self, path: str | os.PathLike[str], *, on_progress: Progress | None = None) -> Path:
        """Download the video.

        It is written to `<path>.part`, resumed where it breaks, and renamed when it is whole. A URL that
        has expired, or is about to, is refreshed.

        Cancelling leaves the `.part` file, from which the next download resumes.

        Args:
            path: The file, or a folder, which then gets `<project id>.mp4`.
            on_progress: Called with bytes so far and bytes in all (None when not known); may be async.

        Returns:
            Where the file is.

        Raises:
            NotAllowedNow: There is no video: nothing was rendered.
            DownloadFailed: The disk is full, or the transfer kept breaking; what arrived is kept.
        """
        target = Path(path)
        if await anyio.Path(target).is_dir():
            target /= f"{self.project.id}.mp4"
        urls = _VideoUrls(self)
        return await download(
            self._desk.store, urls.next, target, retry=self._desk.retry, on_progress=on_progress
        )


class _VideoUrls:
    """Gives the video's URL: the one known while it is good, then fresh ones."""

    def __init__(self, production: Production) -> None:
        self._production = production
        self._given = 0

    async def next(self) -> str:
        self._given += 1
        production = self._production
        if production.share is not None and production.share.video_url is not None:
            return production.share.video_url
        known = production.project.assembled_url
        if self._given == 1 and known is not None and not _about_to_expire(production.project):
            return known
        project = await production._desk.api.projects.get(production.project.id)  # noqa: SLF001 - its own record
        if project.assembled_url is None:
            raise NotAllowedNow(
                "there is no video to download; render it first", project_id=project.id, status=project.status
            )
        return project.assembled_url


def _about_to_expire(project: Project) -> bool:
    expires_at = project.assembled_url_expires_at
    return expires_at is not None and expires_at - clock.now() < MARGIN
