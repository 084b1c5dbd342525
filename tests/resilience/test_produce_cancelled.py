"""A production cancelled at every place where it waits, and in every round of the event loop."""

from __future__ import annotations

import asyncio

import pytest

from eversince_async import Eversince, Limits
from eversince_async.clock import wall_seconds
from eversince_async.emulator import Emulator, Faults
from eversince_async.emulator.faults import Latency
from helpers.interruptions import Scene, When, at_every_wait

pytestmark = pytest.mark.slow

EVERY = pytest.mark.parametrize("when", When, ids=lambda when: when.name.lower())


@EVERY
async def test_a_cancelled_production_leaves_its_project_alone_and_nothing_behind(when):
    """With `on_cancel="leave"` no project is ever cancelled, and nothing here is left."""

    async def act(scene: Scene) -> None:
        await scene.eversince.produce("A film", on_cancel="leave")

    runs = 0
    async for scene in at_every_wait(act, when):
        runs += 1
        assert len(scene.projects) <= 1
        assert "cancelled" not in {project.status for project in scene.projects}
    assert runs >= 9


@EVERY
async def test_a_production_on_those_terms_cancels_its_project_exactly_when_there_is_one(when):
    """With `on_cancel="cancel"` a project that was created, and is not done, is cancelled."""

    async def act(scene: Scene) -> None:
        await scene.eversince.produce("A film", on_cancel="cancel")

    cancelled = 0
    async for scene in at_every_wait(act, when):
        cancels = len(scene.emulator.world.log.of("POST /projects/:id/cancel"))
        if when is not When.TWICE:  # who cancels twice does not wait for anything
            for project in scene.projects:
                is_over = bool(project.rendered) or project.status == "rendering"  # not to be cancelled
                assert is_over or project.status == "cancelled", scene.nth
        cancelled += bool(cancels)
        assert cancels <= len(scene.projects)
    assert cancelled >= 3


@EVERY
async def test_cancelled_while_the_create_is_under_way_for_long(when):
    """The project's id is learned before leaving, and the project is cancelled, wherever that falls."""

    async def act(scene: Scene) -> None:
        for after_commit in (False, True):
            scene.emulator.faults.once("POST", "/projects", Latency(seconds=2, after_commit=after_commit))
        scene.notes.append(scene.eversince.produce("A film", render=None, on_cancel="cancel"))
        await scene.notes[0]

    async for scene in at_every_wait(act, when, faults=Faults(latency=0.5)):
        if when is When.TWICE:
            continue
        await asyncio.sleep(5)
        for project in scene.projects:
            is_over = not scene.cancelled or not scene.notes[0]._task.cancelled()  # in the very instant
            assert project.status == ("idle" if is_over else "cancelled"), scene.nth


@EVERY
async def test_a_production_that_waits_for_a_slot_gives_its_place_in_line_back(when):
    """Two that share one slot: whichever place the second is cancelled at, the first gets through."""

    async def prepare(scene: Scene) -> None:
        scene.notes.append(scene.eversince.start("The first"))
        await asyncio.sleep(1)

    async def act(scene: Scene) -> None:
        await scene.eversince.produce("The second")

    async for scene in at_every_wait(act, when, prepare=prepare, limits=Limits(active_projects=1)):
        await scene.notes[0]
        assert scene.projects[0].rendered


@pytest.mark.parametrize("when", [When.WAITING, When.GRANTED], ids=["waiting", "granted"])
async def test_a_production_that_waits_for_tomorrows_renders_is_out_of_line_at_once(when):
    """A day's last render is taken; the one that waits for the next day can leave at any moment."""

    async def prepare(scene: Scene) -> None:
        await scene.eversince.produce("The first")

    async def act(scene: Scene) -> None:
        await scene.eversince.produce("The second")

    async for scene in at_every_wait(act, when, prepare=prepare, limits=Limits(renders_per_day=1)):
        quota, account = scene.eversince.governor.quota, scene.emulator.account
        assert quota.left("renders") <= 1 - account.rendered_today.today(wall_seconds(), "rolling")
        await asyncio.sleep(2 * 86_400)
        assert 1 == quota.left("renders"), "a render of the day is lost"


@EVERY
async def test_a_production_that_waits_for_the_request_budget_gives_its_place_back(when):
    """With six requests a minute most of the time is spent waiting at the door."""

    async def act(scene: Scene) -> None:
        await scene.eversince.produce("A film", share=False)

    async for _ in at_every_wait(act, when, limits=Limits(requests_per_minute=6)):
        pass


@pytest.mark.parametrize("on_cancel", ["leave", "cancel"])
async def test_a_create_cancelled_without_an_answer_says_how_to_find_the_project(caplog, on_cancel):
    """Else it would go on spending, known to nobody."""
    faults = Faults()
    faults.once("POST", "/projects", Latency(seconds=50, after_commit=True))
    async with Emulator(faults=faults) as emulator, Eversince(**emulator.connection) as eversince:
        workflow = eversince.produce("A film", on_cancel=on_cancel)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20):
                await workflow
        (warning,) = caplog.records
        film = await eversince.resume(workflow.handle)

        assert "WARNING" == warning.levelname
        assert warning.idempotency_key == workflow.handle.key
        assert workflow.handle.key in warning.getMessage()
        assert [film.project_id] == [each.id for each in emulator.world.projects.values() if not each.studio]


async def test_a_create_cancelled_before_it_leaves_warns_of_nothing(caplog):
    async with Emulator() as emulator, Eversince(**emulator.connection) as eversince:
        eversince.governor.pause(60)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20):
                await eversince.produce("A film")

        assert [] == caplog.records
        assert 0 == emulator.world.counts["projects"]
