"""The preset pipeline: create, settle, render, share, download; begun anew or taken up where it stands."""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import attrs

from eversince_async.errors import DownloadFailed, EversinceError, NotAllowedNow, StatusConflict
from eversince_async.governor import Lane
from eversince_async.journal import Json
from eversince_async.lifecycle import FINAL, ProjectStatus
from eversince_async.models.content import Variation
from eversince_async.models.projects import Brief, OutputType, Project
from eversince_async.orchestrator.desk import Desk, last_words
from eversince_async.orchestrator.effects import Effects
from eversince_async.orchestrator.observing import once
from eversince_async.orchestrator.order import CANCEL_PATIENCE, Terms, Wishes
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.schedule import CLOSEST
from eversince_async.orchestrator.sighting import place
from eversince_async.orchestrator.steps import RenderedElsewhere, Steps
from eversince_async.orchestrator.targets import need_writable

RACES: Final = (CLOSEST, 3 * CLOSEST, 9 * CLOSEST)
"""Seconds after which a render is tried again that the project's status did not allow: longer in all than
answers lag behind."""


async def produce(desk: Desk, steps: Steps, brief: Brief, wishes: Wishes, terms: Terms) -> Production:
    """Create a project and see it through.

    The slot is held from the create to the last stage that needs one, so that a production that has begun
    ends before another begins.

    Raises:
        QualityRefused: It could not be rendered as is wished; nothing was begun.
        DownloadFailed: Its video could not be written; nothing was begun.
    """
    await need_place(wishes)
    desk.entitlements.check(wishes.render)
    async with cancelled_too(desk, steps, terms), steps.slot():
        desk.entitlements.check(wishes.render)
        await steps.create(brief)
        project = await _rendered(steps, await steps.settle(whole=False), wishes)
    return await delivered(desk, steps, project, wishes)


async def resume(desk: Desk, steps: Steps, wishes: Wishes, terms: Terms) -> Production:
    """See a project through from where the server says it stands."""
    await need_place(wishes)
    async with cancelled_too(desk, steps, terms):
        project = await steps.look()
        await steps.saw_render(project)
        if not project.is_settled or needs_render(project, wishes):
            async with steps.slot():
                if not project.is_settled:
                    project = await steps.settle(whole=False)
                project = await _rendered(steps, project, wishes)
    return await delivered(desk, steps, project, wishes)


async def need_place(wishes: Wishes) -> None:
    """Make sure that the video can be written before it is made."""
    if wishes.download is not None:
        await need_writable(wishes.download)


async def _rendered(steps: Steps, project: Project, wishes: Wishes) -> Project:
    if wishes.render is None or not needs_render(project, wishes):
        return project
    return await rendered(steps, project, wishes.render, whole=False)


async def rendered(steps: Steps, project: Project, quality: str, *, whole: bool = True) -> Project:
    """Render a settled project, also when somebody else gets in between.

    The look that showed it settled is a moment old, and people work in the studio. So when the server says
    that its status does not allow a render, we look again: a video that is there by now is as good as ours,
    an agent at work is waited for, and the end of the project is the end of this.

    Raises:
        ProjectCancelled: It was cancelled meanwhile.
        StatusConflict: The server refuses although nothing is to be seen that would explain it.
    """
    for pause in RACES:
        try:
            return await steps.render(project, quality, whole=whole)
        except (StatusConflict, RenderedElsewhere):
            before, project = project, await steps.look()
            if not project.is_settled:
                project = await steps.settle()
            if place(project.assembled_url) not in {None, place(before.assembled_url)}:
                return project
            await asyncio.sleep(pause)
    try:
        return await steps.render(project, quality, whole=whole)
    except RenderedElsewhere:
        raise NotAllowedNow(
            "another machine sees to it as well, and it does not come to rest; run this again later",
            project_id=project.id,
            status=project.status,
        ) from None


def needs_render(project: Project, wishes: Wishes) -> bool:
    """Whether a settled project has a video still to be rendered.

    An autonomous run may have rendered by itself, and a project of single assets has nothing to render. A
    server may say that there is none by an empty address, too.
    """
    return (
        wishes.render is not None and not project.assembled_url and project.output_type != OutputType.ASSETS
    )


async def delivered(
    desk: Desk, steps: Steps, project: Project, wishes: Wishes, *, variation: Variation | None = None
) -> Production:
    """Share and download what there is, and gather it all."""
    if project.receipt is None:  # an outline from a list, which was enough to go on; this holds no slot
        project = await steps.look()
    only_assets = project.output_type == OutputType.ASSETS
    # An empty address may say that there is none; after a render it is odd, but a video.
    has_video = project.assembled_url is not None and not (project.assembled_url == "" and only_assets)
    share = await steps.share(project.id, wishes.share) if wishes.share is not None and has_video else None
    production = Production(
        project=project,
        share=share,
        variation=variation,
        assets=await steps.assets(project.id) if only_assets else (),
        timings=steps.timings,
        request_ids=tuple(steps.request_ids),
        desk=desk,
    )
    if wishes.download is None or not has_video:
        return production
    async with steps.stage("download"):
        path = await downloaded_once(production, wishes.download, steps.effects, replaces=wishes.replaces)
    return attrs.evolve(production, files=(path,))


async def refetched(desk: Desk, steps: Steps, target: Path) -> Production:
    """Download the file of a finished production again; nothing is rendered or shared for it."""
    production = Production(
        project=await steps.look(),
        share=await steps.share_made(),
        timings=steps.timings,
        request_ids=tuple(steps.request_ids),
        desk=desk,
    )
    is_empty = await asyncio.to_thread(_size, target) == 0
    async with steps.stage("download"):
        path = await downloaded_once(production, os.fspath(target), steps.effects, replaces=is_empty)
    return attrs.evolve(production, files=(path,))


async def downloaded_once(
    production: Production, target: str, effects: Effects, *, replaces: bool = True
) -> Path:
    """Download the video, unless that is done and the file is there.

    A download in doubt is just done again: the file is either whole or not there.

    Raises:
        DownloadFailed: As `Production.download`; or there is a file that is not to be replaced.
    """
    request = {"project_id": production.project_id, "path": target}
    async with effects.doing("download", request) as deed:
        if deed.is_over:
            made = deed.field("result")
            path, size = Path(made["path"].text()), made.get("size")
            if size is not None and await asyncio.to_thread(_size, path) == size.count():
                return path
        is_ours = deed.entry is not None and not deed.is_over and _is_same(deed.entry.request, request)
        if not (replaces or is_ours):
            await need_free(await production.file_at(target))
        if deed.is_over:
            return await production.download(target)
        await deed.departs()
        path = await production.download(target)
        await deed.ended({"path": os.fspath(path), "size": await asyncio.to_thread(_size, path)})
    return path


def _is_same(request: Json, other: Mapping[str, str]) -> bool:
    """Whether two downloads bring the same video to the same place."""
    return (
        isinstance(request, Mapping)
        and request.get("project_id") == other["project_id"]
        and isinstance(path := request.get("path"), str)
        and os.path.abspath(path) == os.path.abspath(other["path"])
    )


async def need_free(path: Path) -> None:
    """Make sure that a video replaces no file.

    Raises:
        DownloadFailed: There is one.
    """
    if await asyncio.to_thread(is_file_there, path):
        raise DownloadFailed(os.fspath(path), OCCUPIED)


def is_file_there(path: str | os.PathLike[str]) -> bool:
    """Whether something has this name that is no folder, a broken link included."""
    return os.path.lexists(path) and not os.path.isdir(path)


OCCUPIED: Final = "there is a file already, which this journal did not write; move it away, or name another"
"""What is wrong with a file that a video would replace."""


def _size(path: Path) -> int | None:
    """Bytes in a file; None: there is none, or none that can be looked at."""
    try:
        return path.stat().st_size if path.is_file() else None
    except (OSError, ValueError):
        return None


@asynccontextmanager
async def cancelled_too(desk: Desk, steps: Steps, terms: Terms) -> AsyncGenerator[None, None]:
    """Cancel the project, too, when the workflow is cancelled, if these are the terms.

    What comes after this block (sharing, downloading) leaves a finished project alone.
    """
    try:
        yield
    except asyncio.CancelledError:
        await cancel_as_agreed(desk, steps, terms)
        raise


async def cancel_as_agreed(desk: Desk, steps: Steps, terms: Terms) -> None:
    """Cancel the project if it exists, may still do something, and these are the terms."""
    if terms.on_cancel == "cancel" and steps.project_id is not None and steps.status not in FINAL:
        await cancel_remotely(desk, steps.project_id, steps.effects)


async def cancel_remotely(desk: Desk, project_id: str, effects: Effects) -> None:
    """Cancel a project while we are being cancelled ourselves: shielded, and not for long."""
    cancelling = asyncio.create_task(_cancelled(desk, project_id, effects))
    await last_words(cancelling, seconds=CANCEL_PATIENCE)


async def _cancelled(desk: Desk, project_id: str, effects: Effects) -> None:
    with suppress(EversinceError):  # it settled by itself, or cannot be reached; the caller leaves either way
        await cancelled_once(desk, project_id, effects)


async def cancelled_once(desk: Desk, project_id: str, effects: Effects) -> None:
    """Cancel a project, unless that is done, or an earlier cancel turns out to have arrived.

    Raises:
        StatusConflict: It cannot be cancelled any more.
    """
    async with effects.doing("cancel", {"project_id": project_id}) as deed:
        if deed.is_over:
            return

        async def send() -> str:
            call = deed.send(desk, lambda api: api.projects.cancel(project_id), lane=Lane.INTERACTIVE)
            return (await call).status or ProjectStatus.CANCELLED

        async def final() -> str | None:
            status = (await desk.interactive.projects.get(project_id)).status
            return status if status in FINAL else None

        found = await final() if deed.in_doubt_since is not None else None
        # Twice does no harm: so there is no need to wait until one that nothing is seen of must have arrived.
        status = found or await once(desk, send, final, looks_after=(0.0, CLOSEST))
        if status is not None:
            desk.governor.observed(project_id, status)  # which frees its slot
        await deed.ended({"status": status})
