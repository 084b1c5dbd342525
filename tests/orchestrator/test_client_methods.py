"""Single steps (wait, watch, render, share, adopt, estimate) and resuming."""

import asyncio

import pytest

from eversince_async import (
    Eversince,
    NotFound,
    Operation,
    ProjectCancelled,
    ProjectFailed,
    StatusChanged,
    StatusConflict,
    WaitTimedOut,
)
from eversince_async.emulator import Emulator


def now() -> float:
    return asyncio.get_running_loop().time()


def renders(emulator: Emulator) -> int:
    return emulator.world.counts["renders"]


async def test_wait_ends_when_the_project_has_settled(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project(walks={"running": 100})
    settled = await eversince.wait(project.id)

    assert ("idle", project.id) == (settled.status, settled.id)
    assert 100 <= now() <= 130


async def test_wait_for_what_has_settled_is_over_at_once(emulator: Emulator, eversince: Eversince) -> None:
    await eversince.wait(emulator.add_project().id)

    assert 0.0 == now()


async def test_wait_times_out(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project(walks={"running": 1000})
    with pytest.raises(WaitTimedOut) as raised:
        await eversince.wait(project.id, timeout=100)

    assert (project.id, "running") == (raised.value.project_id, raised.value.status)
    assert 100.0 == pytest.approx(now())


@pytest.mark.parametrize(("status", "error"), [("failed", ProjectFailed), ("cancelled", ProjectCancelled)])
async def test_wait_for_what_ended_badly(
    emulator: Emulator, eversince: Eversince, status: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await eversince.wait(emulator.add_project(status=status).id)


async def test_wait_for_nothing(eversince: Eversince) -> None:
    with pytest.raises(NotFound):
        await eversince.wait("proj_none")


async def test_watch_tells_each_status(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project(
        walks=[("queued", 10), ("running", 60), ("generating", 90), ("running", 60)]
    )
    async with eversince.watch(project.id) as watching:
        statuses = [event.status async for event in watching if isinstance(event, StatusChanged)]

    assert ["queued", "running", "generating", "running", "idle"] == statuses


async def test_render_waits_for_the_agent_first(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project(walks={"running": 100})
    film = await eversince.render(project.id)

    assert film.assembled_url is not None
    assert 1 == renders(emulator)


async def test_render_does_not_render_again(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project(rendered=True)
    film = await eversince.render(project.id)

    assert film.assembled_url is not None
    assert [] == emulator.world.log.of("POST /projects/:id/render")


async def test_render_again_by_force_gives_the_new_video(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project(rendered=True)
    before = (await eversince.projects.get(project.id)).assembled_url
    film = await eversince.render(project.id, force=True)

    assert before != film.assembled_url
    assert 1 == len(emulator.world.log.of("POST /projects/:id/render"))


async def test_render_times_out(emulator: Emulator, eversince: Eversince) -> None:
    with pytest.raises(WaitTimedOut, match="the render"):
        await eversince.render(emulator.add_project().id, timeout=10)


async def test_share_needs_a_render(emulator: Emulator, eversince: Eversince) -> None:
    with pytest.raises(StatusConflict):
        await eversince.share(emulator.add_project().id)


async def test_share_waits_for_a_render_under_way(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project()
    await eversince.output.render(project.id)
    share = await eversince.share(project.id, title="Mug")

    assert share.share_url
    assert "Mug" == (await eversince.account.shares()).shares[0].title


@pytest.mark.parametrize("status", ["queued", "running", "generating"])
async def test_resume_from_where_the_server_says_it_stands(
    emulator: Emulator, eversince: Eversince, status: str
) -> None:
    project = emulator.add_project(walks={status: 100})
    film = await eversince.resume(project.id)

    assert film.assembled_url is not None
    assert 1 == renders(emulator)


async def test_resume_makes_no_public_page_unless_it_is_asked_for(
    emulator: Emulator, eversince: Eversince
) -> None:
    """The caller may not know whether the project was shared before."""
    project = emulator.add_project(rendered=True)
    film = await eversince.resume(project.id)

    assert film.share is None
    assert 0 == emulator.world.counts["shares"]


async def test_resume_of_what_is_rendered_only_shares(emulator: Emulator, eversince: Eversince) -> None:
    film = await eversince.resume(emulator.add_project(rendered=True).id, share=True)

    assert {"share"} == set(film.timings)


async def test_resume_of_what_renders_waits_for_it(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project()
    await eversince.output.render(project.id)
    film = await eversince.resume(project.id)

    assert film.assembled_url is not None
    assert 1 == renders(emulator)


async def test_resume_without_wishes(emulator: Emulator, eversince: Eversince) -> None:
    film = await eversince.resume(emulator.add_project().id, render=None, share=False)

    assert (None, None) == (film.assembled_url, film.share)


async def test_adopted_project_can_be_resumed(emulator: Emulator, eversince: Eversince) -> None:
    studio = (await eversince.projects.discover()).projects[0]
    adopted = await eversince.adopt(studio.project_id)
    film = await eversince.resume(adopted.id, share=True)

    assert film.share_url is not None


async def test_estimate(eversince: Eversince) -> None:
    estimate = await eversince.estimate(
        Operation(tool="generate_image", count=3), Operation(tool="generate_audio")
    )

    assert 2 == len(estimate.items)
    assert estimate.total_credits > 0
