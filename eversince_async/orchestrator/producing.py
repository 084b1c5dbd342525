"""The preset pipeline: create, settle, render, share, download."""

import asyncio
from contextlib import suppress

import attrs

from eversince_async.errors import EversinceError
from eversince_async.lifecycle import FINAL
from eversince_async.models.projects import OutputType, Project
from eversince_async.orchestrator.desk import Desk
from eversince_async.orchestrator.order import CANCEL_PATIENCE, Order
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.steps import Steps
from eversince_async.orchestrator.workflow import Emit


async def produce(desk: Desk, order: Order, emit: Emit) -> Production:
    """Go through all stages of an order.

    The slot is held from the create to the last stage that needs one, so that a production that has begun
    ends before another begins.
    """
    steps = Steps(desk, order.timeouts, emit)
    try:
        async with steps.slot(_key(order)):
            await steps.create(order.brief)
            project = await steps.settle()
            if order.render is not None and needs_render(project):
                project = await steps.render(project, order.render)
        return await _delivered(desk, order, steps, project)
    except asyncio.CancelledError:
        if order.on_cancel == "cancel":
            await _cancel_remotely(desk, steps)
        raise


def needs_render(project: Project) -> bool:
    """Whether a settled project has a video still to be rendered.

    An autonomous run may have rendered by itself, and a project of single assets has nothing to render.
    """
    return project.assembled_url is None and project.output_type != OutputType.ASSETS


async def _delivered(desk: Desk, order: Order, steps: Steps, project: Project) -> Production:
    has_video = project.assembled_url is not None
    share = await steps.share(project, order.share) if order.share is not None and has_video else None
    only_assets = project.output_type == OutputType.ASSETS
    production = Production(
        project=project,
        share=share,
        assets=await steps.assets(project) if only_assets else (),
        timings=steps.timings,
        request_ids=tuple(steps.request_ids),
        desk=desk,
    )
    if order.download is None or not has_video:
        return production
    async with steps.stage("download"):
        path = await production.download(order.download)
    return attrs.evolve(production, files=(path,))


async def _cancel_remotely(desk: Desk, steps: Steps) -> None:
    """Cancel the project while we are being cancelled ourselves: shielded, and not for long."""
    if steps.project_id is None or steps.status in FINAL:
        return
    cancelling = asyncio.create_task(_cancelled(desk, steps.project_id))
    await asyncio.wait([cancelling], timeout=CANCEL_PATIENCE)
    cancelling.cancel()


async def _cancelled(desk: Desk, project_id: str) -> None:
    with suppress(EversinceError):  # it settled by itself, or cannot be reached; the caller leaves either way
        await desk.api.projects.cancel(project_id)


def _key(order: Order) -> str:
    key = order.brief.idempotency_key
    assert isinstance(key, str)
    return key
