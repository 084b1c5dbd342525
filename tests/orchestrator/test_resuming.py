"""Productions that are resumed from any place they were left at."""

from __future__ import annotations

import asyncio
import json

import pytest

from eversince_async import (
    ClientClosed,
    Eversince,
    InvalidRequest,
    ShareOptions,
    Timeouts,
    UploadReference,
    UrlReference,
    WaitTimedOut,
)
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import Stall
from eversince_async.orchestrator.handle import Handle

STEADY = Scenario(queued=10, running=20, images=30, videos=40, rendering=50, cycles=2)
MOMENTS = [0.0, 5.0, 15.0, 40.0, 70.0, 120.0, 160.0, 190.0, 230.0, 10_000.0]


@pytest.fixture
async def emulator():
    async with Emulator(scenario=STEADY) as emulator:
        yield emulator


def projects(emulator):
    return [project for project in emulator.world.projects.values() if not project.studio]


@pytest.mark.parametrize("seconds", MOMENTS)
async def test_a_handle_taken_at_any_moment_brings_one_project_to_its_end(emulator, seconds, tmp_path):
    """The first process dies at that moment.

    Another process has only the JSON of the handle.
    """
    target = tmp_path / "film.mp4"
    async with (
        Eversince(**emulator.connection) as first,
        first.produce("A film", share=False, download=target) as workflow,
    ):
        await asyncio.sleep(seconds)
        kept = json.dumps(workflow.handle.to_json())
    target.unlink(missing_ok=True)
    await asyncio.sleep(30)

    async with Eversince(**emulator.connection) as second:
        film = await second.resume(json.loads(kept))

    (project,) = projects(emulator)
    assert project.id == film.project_id
    assert 1 == len(project.rendered)
    assert (target,) == film.files


def test_a_handle_knows_whether_a_file_may_be_replaced():
    kept = Handle.from_json({**HANDLE, "replaces": False}).to_json()

    assert Handle.from_json(kept).delivery.replaces is False


async def test_a_handle_from_before_the_project_was_known_makes_no_second_project(emulator):
    """The create was carried out, but its response was never read."""
    emulator.faults.once("POST", "/projects", Stall(after_commit=True))
    async with Eversince(**emulator.connection) as first, first.produce("A film") as workflow:
        await asyncio.sleep(1)
        handle = workflow.handle
    assert handle.project_id is None

    async with Eversince(**emulator.connection) as second:
        film = await second.resume(handle)

    (project,) = projects(emulator)
    assert project.id == film.project_id


async def test_a_handle_of_a_workflow_that_never_began_begins_it(emulator):
    async with Eversince(**emulator.connection) as eversince:
        workflow = eversince.produce("A film")
        handle = workflow.handle
        film = await eversince.resume(handle)
        same = await workflow

    assert film.project_id == same.project_id
    assert 1 == len(projects(emulator))


async def test_a_handle_survives_json_whole(emulator):
    async with Eversince(**emulator.connection) as eversince:
        workflow = eversince.produce(
            "A film",
            title="Crumbs",
            mode="autonomous",
            aspect_ratio="9:16",
            references=(UploadReference(upload_id="up_1"), UrlReference(url="https://x.example", type="url")),
            extra={"future_field": [1, {"two": 3}]},
            render="4k",
            share=ShareOptions(title="Crumbs", description="A film"),
            download="films/",
        )
        plain = json.loads(json.dumps(workflow.handle.to_json()))

        assert workflow.handle == Handle.from_json(plain)
        assert plain == Handle.from_json(plain).to_json()
        workflow.start().cancel()


async def test_a_handle_holds_no_key(emulator):
    async with Eversince(**emulator.connection) as eversince:
        workflow = eversince.produce("A film")

        assert "es_live" not in json.dumps(workflow.handle.to_json())
        workflow.start().cancel()


HANDLE = {
    "key": "k",
    "project_id": "p",
    "brief": None,
    "render": None,
    "share": None,
    "download": None,
    "replaces": True,
}


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"key": "k"},
        {"key": 5, "project_id": [], "brief": None},
        {**HANDLE, "key": None},
        {**HANDLE, "project_id": 7},
        {**HANDLE, "project_id": ""},
        {**HANDLE, "render": True},
        {**HANDLE, "download": ["a.mp4"]},
        {**HANDLE, "replaces": "no"},
        {**HANDLE, "share": {"title": None}},
        {**HANDLE, "share": {"titel": "A mug"}},
        {**HANDLE, "share": "A mug"},
        {**HANDLE, "project_id": None, "brief": {"brief": 7}},
        [],
        7,
    ],
    ids=str,
)
async def test_what_is_no_handle_is_refused(emulator, plain):
    async with Eversince(**emulator.connection) as eversince:
        with pytest.raises(InvalidRequest):
            await eversince.resume(plain)
    assert 0 == len(emulator.world.log)


async def test_a_timed_out_wait_carries_its_handle(emulator):
    async with Eversince(**emulator.connection) as eversince:
        with pytest.raises(WaitTimedOut) as late:
            await eversince.produce("A film", timeouts=Timeouts(settle=20))
        film = await eversince.resume(late.value.handle)

    assert late.value.project_id == film.project_id
    assert 1 == len(projects(emulator))


async def test_resuming_twice_at_once_renders_once(emulator):
    """Two processes resume the same production.

    The second render is refused, and turns out to be needless.
    """
    project = emulator.add_project()
    async with Eversince(**emulator.connection) as one, Eversince(**emulator.connection) as other:
        films = await asyncio.gather(one.resume(project.id), other.resume(project.id))

    assert 1 == len(project.rendered)
    assert {project.id} == {film.project_id for film in films}


async def test_what_was_started_ends_with_the_client_and_leaves_its_project(emulator):
    async with Eversince(**emulator.connection) as eversince:
        workflow = eversince.start("A film")
        await asyncio.sleep(30)
        handle = workflow.handle

    with pytest.raises(ClientClosed):
        await workflow
    (project,) = projects(emulator)
    assert project.status not in {"cancelled", "failed"}
    async with Eversince(**emulator.connection) as again:
        assert project.id == (await again.resume(handle)).project_id


async def test_what_was_started_on_those_terms_is_cancelled_with_the_client(emulator):
    async with Eversince(**emulator.connection) as eversince:
        eversince.start("A film", on_cancel="cancel")
        await asyncio.sleep(30)

    assert ["cancelled"] == [project.status for project in projects(emulator)]


async def test_what_was_started_and_has_ended_is_there_after_the_client(emulator):
    async with Eversince(**emulator.connection) as eversince:
        workflow = eversince.start("A film")
        await asyncio.sleep(1000)

    assert (await workflow).share_url is not None


async def test_many_that_were_started_all_end_with_the_client(emulator):
    async with Eversince(**emulator.connection) as eversince:
        for number in range(30):
            eversince.start(f"Film {number}")
        await asyncio.sleep(45)

    assert len(projects(emulator)) <= 5
