"""Finished productions: their project, their link, and the download of their video."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import attrs

from eversince_async._file_names import file_name
from eversince_async.durable.api import loop_time
from eversince_async.errors import InvalidProjectState
from eversince_async.models.content import Asset, Variation
from eversince_async.models.output import Share
from eversince_async.models.projects import Project
from eversince_async.orchestrator.events import Stage
from eversince_async.orchestrator.options import WaitPolicy
from eversince_async.orchestrator.project import ProjectOperations
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.polling.observation import Known
from eversince_async.transfers.download import NamedUrl, Progress, UrlSource, download

_PATH_SEPARATORS: Final = tuple({"/", os.sep})


@attrs.frozen(kw_only=True)
class Production:
    """A finished production.

    Attributes:
        project: The project as it stood at the end.
        share: The public link; None if no link was asked for.
        variation: The variation that this production is, if `eversince.variation` made it.
        assets: The single assets, for a project that makes nothing else (`output_type` is `assets`).
        files: The downloaded files.
        timings: The duration of each stage, in seconds.
        request_ids: The `X-Request-Id` of each write, in order, to quote to support.
    """

    project: Project
    share: Share | None = None
    variation: Variation | None = None
    assets: tuple[Asset, ...] = attrs.field(default=(), repr=False)
    files: tuple[Path, ...] = ()
    timings: Mapping[Stage, float] = attrs.field(factory=dict)
    request_ids: tuple[str, ...] = ()
    _runtime: Runtime = attrs.field(alias="runtime", repr=False, eq=False)

    @property
    def project_id(self) -> str:
        """The project's id."""
        return self.project.id

    @property
    def assembled_url(self) -> str | None:
        """The rendered video's URL; expires at `assembled_url_expires_at`."""
        return self.project.assembled_url

    @property
    def assembled_url_expires_at(self) -> datetime | None:
        """The time at which `assembled_url` expires, 24 hours after the render."""
        return self.project.assembled_url_expires_at

    @property
    def share_url(self) -> str | None:
        """The URL of the public page, which does not expire."""
        return None if self.share is None else self.share.share_url

    @property
    def video_url(self) -> str | None:
        """The URL of the video behind the public page, or `assembled_url`.

        The first does not expire; the second is returned if there is no share.
        """
        return self.project.assembled_url if self.share is None else self.share.video_url

    async def variations(self) -> list[Variation]:
        """Fetch all present variations of the project; `eversince.variation` makes another."""
        return await self._runtime.interactive.content.variations(self.project.id)

    async def refresh(self) -> "Production":
        """Return this production with its present project and an unexpired URL.

        Raises:
            InvalidProjectState: The project's video is another variation's by now.
        """
        project = await self._runtime.interactive.projects.get(self.project.id)
        check_variation(self.project, project)
        known, grace = (
            Known(project=self.project, requested_at=loop_time()),
            self._runtime.poller.schedule.grace,
        )
        return attrs.evolve(self, project=known.merge(project, loop_time(), for_seconds=grace).project)

    async def file_at(self, path: str | os.PathLike[str]) -> Path:
        """Return the file that `download` would write to for this path."""
        target = Path(path)
        if os.fspath(path).endswith(_PATH_SEPARATORS) or await asyncio.to_thread(os.path.isdir, target):
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

        The video is written to `<path>.part`, resumed if the transfer breaks, and renamed when it is
        complete. The share's URL, which does not expire, is used if there is one; otherwise the
        `assembled_url`, refreshed if it has expired or is about to.

        Cancelling leaves the `.part` file, from which the next download resumes.

        Args:
            path: The file; or a folder, which then gets `<project id>.mp4`. A path that ends in a slash is a
                folder and is created.
            render_again: Render the project once more if there is no other way to get its video: True for
                1080p, or the quality. This uses one of the day's renders.
            on_progress: Called with the bytes so far and the bytes in all (None when not known); may be
                async.

        Returns:
            The path of the file.

        Raises:
            InvalidProjectState: There is no video because nothing was rendered; or the project's video is
                another variation's by now.
            DownloadFailed: The disk is full or cannot be written, another download is writing to the same
                file, the video is not there any more, or the transfer kept breaking; what arrived is kept.
        """
        target = await self.file_at(path)
        quality = "1080p" if render_again is True else render_again or None
        urls = VideoUrlSource(self._runtime, self.project, self.share, render_again=quality)
        return await download(
            self._runtime.store,
            urls.next,
            target,
            retry=self._runtime.retry,
            on_progress=on_progress,
            last_resort=urls.last_resort,
        )


EXPIRY_MARGIN: Final = timedelta(minutes=5)
"""The shortest remaining validity of a URL that is tried."""


class VideoUrlSource:
    """The URLs to try for one production's video.

    First the share's URL, which does not expire; then the project's URL, while it is valid; then a fresh URL
    from the server. The last resort is a new render, if the caller agrees to pay for it.

    Args:
        runtime: The tools to send requests with.
        project: The project as it stood when its video was done.
        share: The project's public link; None if there is none.
        render_again: The quality of a new render; None for no new render.
    """

    def __init__(
        self, runtime: Runtime, project: Project, share: Share | None, *, render_again: str | None
    ) -> None:
        self._runtime = runtime
        self._project = project
        self._share = share
        self._quality = render_again
        self._sources: list[tuple[str, Callable[[], Awaitable[str | None]]]] = [
            ("video_url", self._from_share),
            ("assembled_url", self._from_project),
            ("assembled_url", self._refresh_url),
        ]
        self._tried = set[str]()

    async def next(self) -> NamedUrl | None:
        """Return the next untried URL and its field, or None.

        Raises:
            InvalidProjectState: There is no video at all, or only another variation's.
        """
        while self._sources:
            field, source = self._sources.pop(0)
            url = await source()
            if url is not None and url not in self._tried:
                self._tried.add(url)
                return NamedUrl(field, url)
        if not self._tried and self._quality is None:
            raise InvalidProjectState(
                "there is no video to download; render it first",
                project_id=self._project.id,
                status=self._project.status,
            )
        return None

    @property
    def last_resort(self) -> UrlSource | None:
        """The function that renders anew; None without `render_again`."""
        return None if self._quality is None else self._render_again

    async def _from_share(self) -> str | None:
        return None if self._share is None else self._share.video_url

    async def _from_project(self) -> str | None:
        expires_at = self._project.assembled_url_expires_at
        expires_soon = expires_at is not None and expires_at - self._runtime.server_time() < EXPIRY_MARGIN
        return None if expires_soon else self._project.assembled_url

    async def _refresh_url(self) -> str | None:
        """Fetch the project anew: the server may sign the URL again.

        The expiry is not checked here: the store decides it, by its own clock.
        """
        steps = self._steps()
        steps.knows(self._project, loop_time())  # a response without the video lags behind
        project = await steps.get_status()
        check_variation(self._project, project)
        return project.assembled_url

    async def _render_again(self) -> NamedUrl | None:
        assert self._quality is not None
        steps = self._steps()
        project = await steps.refresh()
        if not project.is_settled:
            project = await steps.settle()
        check_variation(self._project, project)
        async with self._runtime.attach_purchase_options(), steps.slot():
            url = (await steps.render(project, self._quality)).assembled_url
        return None if url is None else NamedUrl("assembled_url", url)

    def _steps(self) -> ProjectOperations:
        project_id = self._project.id
        return ProjectOperations(
            self._runtime, WaitPolicy(), lambda _: None, key=project_id, project_id=project_id
        )


def check_variation(before: Project, now: Project) -> None:
    """Check that the project's video is still this production's.

    A project's video is that of its active variation.

    Raises:
        InvalidProjectState: The video is another variation's by now.
    """
    ours, active = before.variation_id, now.variation_id
    if None not in {ours, active} and ours != active:
        raise InvalidProjectState(
            f"this production is of variation {ours}, and the project's video by now that of {active}; "
            "share a production to keep its video",
            project_id=now.id,
            status=now.status,
        )
