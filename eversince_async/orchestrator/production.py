"""One video's record: what was made, where it is, and how to fetch it."""

import asyncio
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import attrs

from eversince_async._file_names import file_name
from eversince_async.models.content import Asset, Variation
from eversince_async.models.output import Share
from eversince_async.models.projects import Project
from eversince_async.orchestrator.desk import Desk, now
from eversince_async.orchestrator.download import Progress, download
from eversince_async.orchestrator.events import Stage
from eversince_async.orchestrator.sighting import Known
from eversince_async.orchestrator.video_urls import VideoUrls, need_the_same_variation

_SLASHES: Final = tuple({"/", os.sep})


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
    _desk: Desk = attrs.field(alias="desk", repr=False, eq=False)

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

    async def refreshed(self) -> "Production":
        """This production with its project as it is now, and a URL that has not expired.

        Raises:
            NotAllowedNow: The project's video is another variation's by now.
        """
        project = await self._desk.interactive.projects.get(self.project.id)
        need_the_same_variation(self.project, project)
        known, grace = Known(project=self.project, asked_at=now()), self._desk.watcher.schedule.grace
        return attrs.evolve(self, project=known.grown(project, now(), for_seconds=grace).project)

    async def file_at(self, path: str | os.PathLike[str]) -> Path:
        """The file that `download` would write to, if it is given this path."""
        target = Path(path)
        if os.fspath(path).endswith(_SLASHES) or await asyncio.to_thread(os.path.isdir, target):
            target /= file_name(self.project.id, ".mp4")
        return target

    async def download(
        self,
        path: str | os.PathLike[str],
        *,
        render_again: bool | str = False,
        on_progress: Progress | None = None,
    ) -> Path:
        """Download the video.

        It is written to `<path>.part`, resumed where it breaks, and renamed when it is whole. The share's
        URL, which does not expire, is taken if there is one; else the `assembled_url`, refreshed if it has
        expired or is about to.

        Cancelling leaves the `.part` file, from which the next download resumes.

        Args:
            path: The file; or a folder, which then gets `<project id>.mp4`. What ends in a slash is a folder
                and is made.
            render_again: Render the project once more when its video cannot be had any other way: True for
                1080p, or the quality. It is one of the day's renders.
            on_progress: Called with bytes so far and bytes in all (None when not known); may be async.

        Returns:
            Where the file is.

        Raises:
            NotAllowedNow: There is no video: nothing was rendered; or the project's video is another
                variation's by now.
            DownloadFailed: The disk is full or cannot be written, another download is writing to the same
                file, the video is not there any more, or the transfer kept breaking; what arrived is kept.
        """
        target = await self.file_at(path)
        quality = "1080p" if render_again is True else render_again or None
        urls = VideoUrls(self._desk, self.project, self.share, render_again=quality)
        return await download(
            self._desk.store,
            urls.next,
            target,
            retry=self._desk.retry,
            on_progress=on_progress,
            last_resort=urls.last_resort,
        )
