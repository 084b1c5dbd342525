"""The production from brief to download, new or resumed.

The stages are create, settle, render, share and download.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import attrs

from eversince_async.durable.confirm import send_once
from eversince_async.durable.executor import EffectExecutor
from eversince_async.errors import DownloadFailed, EversinceError, InvalidProjectState, StatusConflict
from eversince_async.governor import Lane
from eversince_async.journal import Json
from eversince_async.lifecycle import FINAL, ProjectStatus
from eversince_async.models.content import Variation
from eversince_async.models.projects import Brief, OutputType, Project
from eversince_async.orchestrator.options import CANCEL_TIMEOUT, DeliveryOptions, WaitPolicy
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.project import ProjectOperations, RenderedElsewhere
from eversince_async.orchestrator.runtime import Runtime, wait_then_cancel
from eversince_async.polling.observation import url_without_query
from eversince_async.polling.schedule import MIN_POLL_INTERVAL
from eversince_async.transfers.target import need_writable

CONFLICT_RETRY_DELAYS: Final = (MIN_POLL_INTERVAL, 3 * MIN_POLL_INTERVAL, 9 * MIN_POLL_INTERVAL)
"""Seconds to wait before each repetition of a refused render.

The project's status did not allow the render. Together the waits are longer than responses lag behind.
"""


async def produce(
    runtime: Runtime, steps: ProjectOperations, brief: Brief, delivery: DeliveryOptions, policy: WaitPolicy
) -> Production:
    """Create a project and complete its production.

    The slot is held from the create to the last stage that needs one, so that a production that has begun
    ends before another begins.

    Raises:
        QualityRefused: The account may not render in this quality; nothing was begun.
        DownloadFailed: The video's file could not be written; nothing was begun.
    """
    await need_place(delivery)
    runtime.entitlements.check(delivery.render)
    async with cancel_on_exit(runtime, steps, policy), steps.slot():
        runtime.entitlements.check(delivery.render)
        await steps.create(brief)
        project = await _render_if_needed(steps, await steps.settle(whole=False), delivery)
    return await deliver(runtime, steps, project, delivery)


async def resume(
    runtime: Runtime, steps: ProjectOperations, delivery: DeliveryOptions, policy: WaitPolicy
) -> Production:
    """Complete a production from its project's present state."""
    await need_place(delivery)
    async with cancel_on_exit(runtime, steps, policy):
        project = await steps.refresh()
        await steps.adopt_render(project)
        if not project.is_settled or needs_render(project, delivery):
            async with steps.slot():
                if not project.is_settled:
                    project = await steps.settle(whole=False)
                project = await _render_if_needed(steps, project, delivery)
    return await deliver(runtime, steps, project, delivery)


async def need_place(delivery: DeliveryOptions) -> None:
    """Check that the video can be written, before it is made."""
    if delivery.download is not None:
        await need_writable(delivery.download)


async def _render_if_needed(steps: ProjectOperations, project: Project, delivery: DeliveryOptions) -> Project:
    if delivery.render is None or not needs_render(project, delivery):
        return project
    return await render_with_retries(steps, project, delivery.render, whole=False)


async def render_with_retries(
    steps: ProjectOperations, project: Project, quality: str, *, whole: bool = True
) -> Project:
    """Render a settled project, also if another process or person interferes.

    The observation that showed it settled is a moment old, and people work in the studio. So if the server
    says that the project's status does not allow a render, poll the project again: a video that is there by
    now is as good as ours, an agent at work is waited for, and the end of the project ends this call.

    Raises:
        ProjectCancelled: The project was cancelled meanwhile.
        StatusConflict: The server refuses although no observation explains it.
        InvalidProjectState: Another machine renders the project again and again.
    """
    for pause in CONFLICT_RETRY_DELAYS:
        try:
            return await steps.render(project, quality, whole=whole)
        except (StatusConflict, RenderedElsewhere):
            before, project = project, await steps.refresh()
            if not project.is_settled:
                project = await steps.settle()
            if url_without_query(project.assembled_url) not in {
                None,
                url_without_query(before.assembled_url),
            }:
                return project
            await asyncio.sleep(pause)
    try:
        return await steps.render(project, quality, whole=whole)
    except RenderedElsewhere:
        raise InvalidProjectState(
            "another machine works on the project, too, and it does not come to rest; run this again later",
            project_id=project.id,
            status=project.status,
        ) from None


def needs_render(project: Project, delivery: DeliveryOptions) -> bool:
    """Return True if a settled project still needs a render.

    An autonomous run may have rendered by itself, and a project of single assets has nothing to render. A
    server may also say by an empty address that there is no video.
    """
    return (
        delivery.render is not None and not project.assembled_url and project.output_type != OutputType.ASSETS
    )


async def deliver(
    runtime: Runtime,
    steps: ProjectOperations,
    project: Project,
    delivery: DeliveryOptions,
    *,
    variation: Variation | None = None,
) -> Production:
    """Share and download the video, and return the production."""
    if project.receipt is None:  # a summary from a list, which was enough so far; this holds no slot
        project = await steps.refresh()
    only_assets = project.output_type == OutputType.ASSETS
    # An empty address may say that there is no video; after a render it is odd, but stands for a video.
    has_video = project.assembled_url is not None and not (project.assembled_url == "" and only_assets)
    share = (
        await steps.share(project.id, delivery.share) if delivery.share is not None and has_video else None
    )
    production = Production(
        project=project,
        share=share,
        variation=variation,
        assets=await steps.assets(project.id) if only_assets else (),
        timings=steps.timings,
        request_ids=tuple(steps.request_ids),
        runtime=runtime,
    )
    if delivery.download is None or not has_video:
        return production
    async with steps.stage("download"):
        path = await download_once(production, delivery.download, steps.effects, replaces=delivery.replaces)
    return attrs.evolve(production, files=(path,))


async def refetch(runtime: Runtime, steps: ProjectOperations, target: Path) -> Production:
    """Download a finished production's file again; render and share nothing."""
    production = Production(
        project=await steps.refresh(),
        share=await steps.share_made(),
        timings=steps.timings,
        request_ids=tuple(steps.request_ids),
        runtime=runtime,
    )
    is_empty = await asyncio.to_thread(_file_size, target) == 0
    async with steps.stage("download"):
        path = await download_once(production, os.fspath(target), steps.effects, replaces=is_empty)
    return attrs.evolve(production, files=(path,))


async def download_once(
    production: Production, target: str, effects: EffectExecutor, *, replaces: bool = True
) -> Path:
    """Download the video, unless its file is recorded and present.

    A download in doubt is simply repeated: the file is either complete or not there.

    Raises:
        DownloadFailed: As `Production.download`; or there is a file that is not to be replaced.
    """
    request = {"project_id": production.project_id, "path": target}
    async with effects.begin("download", request) as execution:
        if execution.is_done:
            result = execution.field("result")
            path, size = Path(result["path"].text()), result.get("size")
            if size is not None and await asyncio.to_thread(_file_size, path) == size.count():
                return path
        is_ours = (
            execution.record is not None
            and not execution.is_done
            and _is_same(execution.record.request, request)
        )
        if not (replaces or is_ours):
            await need_free(await production.file_at(target))
        if execution.is_done:
            return await production.download(target)
        await execution.record_intent()
        path = await production.download(target)
        await execution.record_done(
            {"path": os.fspath(path), "size": await asyncio.to_thread(_file_size, path)}
        )
    return path


def _is_same(request: Json, other: Mapping[str, str]) -> bool:
    """Return True if two downloads have the same video and path."""
    return (
        isinstance(request, Mapping)
        and request.get("project_id") == other["project_id"]
        and isinstance(path := request.get("path"), str)
        and os.path.abspath(path) == os.path.abspath(other["path"])
    )


async def need_free(path: Path) -> None:
    """Check that a video would replace no file.

    Raises:
        DownloadFailed: There is a file.
    """
    if await asyncio.to_thread(is_file_there, path):
        raise DownloadFailed(os.fspath(path), OCCUPIED)


def is_file_there(path: str | os.PathLike[str]) -> bool:
    """Return True if the path exists and is no folder.

    A broken link counts as a file.
    """
    return os.path.lexists(path) and not os.path.isdir(path)


OCCUPIED: Final = "there is a file already, which this journal did not write; move it away, or name another"
"""The problem of a file that a video would replace."""


def _file_size(path: Path) -> int | None:
    """Return a file's size in bytes.

    None if the file is missing or not accessible.
    """
    try:
        return path.stat().st_size if path.is_file() else None
    except (OSError, ValueError):
        return None


@asynccontextmanager
async def cancel_on_exit(
    runtime: Runtime, steps: ProjectOperations, policy: WaitPolicy
) -> AsyncGenerator[None, None]:
    """Cancel the project with the block, if the policy says so.

    The stages after this block (sharing, downloading) leave a finished project alone.
    """
    try:
        yield
    except asyncio.CancelledError:
        await cancel_if_requested(runtime, steps, policy)
        raise


async def cancel_if_requested(runtime: Runtime, steps: ProjectOperations, policy: WaitPolicy) -> None:
    """Cancel an unfinished project if the policy says so."""
    if policy.on_cancel == "cancel" and steps.project_id is not None and steps.status not in FINAL:
        await cancel_project(runtime, steps.project_id, steps.effects)


async def cancel_project(runtime: Runtime, project_id: str, effects: EffectExecutor) -> None:
    """Cancel a project while the caller is being cancelled: shielded, and briefly."""
    cancelling = asyncio.create_task(_try_cancel(runtime, project_id, effects))
    await wait_then_cancel(cancelling, seconds=CANCEL_TIMEOUT)


async def _try_cancel(runtime: Runtime, project_id: str, effects: EffectExecutor) -> None:
    with suppress(EversinceError):  # the project settled or is out of reach; the caller leaves either way
        await cancel_once(runtime, project_id, effects)


async def cancel_once(runtime: Runtime, project_id: str, effects: EffectExecutor) -> None:
    """Cancel a project, unless an earlier cancel is recorded or has arrived.

    Raises:
        StatusConflict: The project cannot be cancelled any more.
    """
    async with effects.begin("cancel", {"project_id": project_id}) as execution:
        if execution.is_done:
            return

        async def send() -> str:
            call = execution.send(runtime, lambda api: api.projects.cancel(project_id), lane=Lane.INTERACTIVE)
            return (await call).status or ProjectStatus.CANCELLED

        async def final() -> str | None:
            status = (await runtime.interactive.projects.get(project_id)).status
            return status if status in FINAL else None

        found = await final() if execution.in_doubt_since is not None else None
        # Cancelling twice does no harm: so there is no need to wait until a lost request must have arrived.
        status = found or await send_once(runtime, send, final, delays=(0.0, MIN_POLL_INTERVAL))
        if status is not None:
            runtime.governor.observed(project_id, status)  # which frees its slot
        await execution.record_done({"status": status})
