"""Races with people in the studio: a recent observation may be outdated."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eversince_async import (
    Eversince,
    Limits,
    PollSchedule,
    ProjectCancelled,
    ProjectFailed,
    RenderProducedNothing,
    StatusChanged,
    StatusConflict,
    Timeouts,
    WaitTimedOut,
)
from eversince_async.clock import wall_seconds
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import ErrorAnswer
from eversince_async.polling.observation import url_without_query

RENDER = "/projects/*/render"
CONFLICTS = [
    ErrorAnswer(status=409, code="conflict", message="Project is already running"),
    ErrorAnswer(status=400, code="validation_error", message="Status does not allow this"),
]


@pytest.fixture(params=CONFLICTS, ids=["409", "400"])
def conflict(request):
    return request.param


async def test_a_render_that_is_refused_for_its_status_is_tried_again_after_a_look(
    emulator, eversince, conflict
):
    project = emulator.add_project()
    emulator.faults.once("POST", RENDER, conflict)

    await eversince.render(project.id)

    assert 1 == len(project.rendered)
    assert [conflict.status, 202] == [entry.status for entry in emulator.world.log if "render" in entry.path][
        :2
    ]


async def test_a_conflict_that_nothing_explains_is_raised_in_the_end(emulator, eversince, conflict):
    project = emulator.add_project()
    emulator.faults.once("POST", RENDER, conflict, times=100)

    with pytest.raises(StatusConflict):
        await eversince.render(project.id)
    assert 4 == sum(entry.path.endswith("/render") for entry in emulator.world.log)
    assert 50 == eversince.governor.quota.left("renders")


async def with_a_surprise(emulator: Emulator, project: Any, surprise: Any) -> None:
    """Change a project between its observation and the render."""
    conflict = ErrorAnswer(status=409, code="conflict")
    emulator.faults.once("POST", RENDER, conflict)
    while not any(entry.path.endswith("/render") for entry in emulator.world.log):
        await asyncio.sleep(0)
    surprise(project)


async def test_an_agent_that_somebody_set_to_work_is_waited_for(emulator, eversince):
    project = emulator.add_project()

    def work(project: Any) -> None:
        emulator.world.life.start(project, queued=False, at=wall_seconds())

    surprise = asyncio.create_task(with_a_surprise(emulator, project, work))
    await eversince.render(project.id)
    await surprise

    assert 1 == len(project.rendered)


async def test_somebody_elses_render_is_as_good_as_ours(emulator, eversince):
    project = emulator.add_project()

    def render(project: Any) -> None:
        emulator.world.life.render(project, "1080p", wall_seconds())

    surprise = asyncio.create_task(with_a_surprise(emulator, project, render))
    film = await eversince.render(project.id)
    await surprise

    assert 1 == len(project.rendered)
    assert film.assembled_url is not None


async def test_a_project_cancelled_between_look_and_render_ends_it(emulator, eversince):
    project = emulator.add_project()
    surprise = asyncio.create_task(
        with_a_surprise(emulator, project, lambda project: emulator.studio.cancel(project.id))
    )

    with pytest.raises(ProjectCancelled):
        await eversince.render(project.id)
    await surprise


async def test_a_project_cancelled_while_it_renders_ends_it(emulator, eversince):
    project = emulator.add_project()

    async with eversince.render(project.id) as workflow:
        await asyncio.sleep(10)
        emulator.studio.cancel(project.id)
        with pytest.raises(ProjectCancelled) as ended:
            await workflow

    assert project.id == ended.value.project_id
    assert 0 == eversince.governor.snapshot().slots.occupied


async def test_a_render_that_fails_tells_why():
    async with (
        Emulator(scenario=Scenario(render_failure=1.0, error_message="Out of film")) as emulator,
        Eversince(**emulator.connection) as eversince,
    ):
        project = emulator.add_project()
        with pytest.raises(ProjectFailed, match="Out of film"):
            await eversince.render(project.id)


async def test_rendering_again_needs_a_new_url_to_be_believed(emulator, eversince):
    """After an old video, only another URL shows the render's end.

    The signature of the URL does not count.
    """
    project = emulator.add_project(rendered=True)
    before = (await eversince.projects.get(project.id)).assembled_url

    film = await eversince.render(project.id, force=True)

    assert 2 == len(project.rendered)
    assert url_without_query(before) != url_without_query(film.assembled_url)


async def test_without_force_a_video_that_is_there_is_not_rendered_again(emulator, eversince):
    project = emulator.add_project(rendered=True)

    film = await eversince.render(project.id)

    assert 1 == len(project.rendered)
    assert film.assembled_url is not None


async def test_a_forced_render_that_leaves_the_old_video_produced_nothing(emulator, eversince, monkeypatch):
    project = emulator.add_project(rendered=True)
    monkeypatch.setattr(type(emulator.world.life), "_complete_render", lambda *_: None)

    with pytest.raises(RenderProducedNothing):
        await eversince.render(project.id, force=True)


async def test_an_unknown_status_is_waited_through(emulator, eversince):
    """The server may invent a status at any time.

    The events show it unchanged.
    """
    project = emulator.add_project(walks=[("running", 10), ("marinating", 100), ("running", 10)])

    async with eversince.resume(project.id, share=True) as workflow:
        seen = [str(event.status) async for event in workflow if isinstance(event, StatusChanged)]
        film = await workflow

    assert "marinating" in seen
    assert film.share_url is not None


async def test_an_unknown_status_that_lasts_ends_with_the_timeout_that_names_it(emulator, eversince):
    project = emulator.add_project(status="marinating")

    with pytest.raises(WaitTimedOut, match="last seen marinating"):
        await eversince.resume(project.id, share=True, timeouts=Timeouts(settle=3600))


@pytest.mark.parametrize("revision", ["2026-04", "2026-05"])
async def test_completed_is_settled(revision):
    async with (
        Emulator(revision=revision) as emulator,
        Eversince(**emulator.connection) as eversince,
    ):
        project = emulator.add_project(status="completed", rendered=True)

        film = await eversince.resume(project.id, share=True)

        assert film.share_url is not None


async def test_taking_up_as_many_active_projects_as_there_are_slots_waits_for_none_in_vain():
    """Five active projects fill the account.

    Resuming all five needs no sixth slot, and no hours.
    """
    async with Emulator() as emulator, Eversince(**emulator.connection) as eversince:
        projects = [emulator.add_project(walks={"running": 60}) for _ in range(5)]
        loop = asyncio.get_running_loop()

        await asyncio.gather(*(eversince.resume(project.id, share=True) for project in projects))

        assert loop.time() < 700
        assert 5 == emulator.world.most_active


async def test_those_who_resume_go_before_those_who_begin():
    async with (
        Emulator() as emulator,
        Eversince(
            **emulator.connection, limits=Limits(active_projects=1), schedule=PollSchedule(spare=0.0)
        ) as eversince,
    ):
        project = emulator.add_project(walks={"running": 60})
        resumed = eversince.resume(project.id)
        async with resumed:
            await asyncio.sleep(1)
            fresh = await eversince.produce("New")
            old = await resumed

    assert old.project.updated_at < fresh.project.created_at
