"""The poller: shared and necessary polls only, and its reactions to failures."""

import asyncio
import logging
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest

from eversince_async import (
    ConfigurationError,
    Eversince,
    Forbidden,
    InvalidResponse,
    NotFound,
    PollSchedule,
    ProjectStatus,
    ServiceUnavailable,
    TransportError,
    Unauthorized,
)
from eversince_async.emulator import Emulator, ErrorAnswer, Faults
from eversince_async.emulator import Reset as ResetFault
from eversince_async.polling.observation import Baseline, Observation, url_without_query
from eversince_async.polling.schedule import POLL_INTERVALS
from helpers.fake_server import Reset, Say, ScriptedServer, refusal

STRICT = PollSchedule(spare=0)


@pytest.fixture
async def eversince(emulator: Emulator) -> AsyncIterator[Eversince]:
    async with Eversince(**emulator.connection, schedule=STRICT) as eversince:
        yield eversince


def now() -> float:
    return asyncio.get_running_loop().time()


def sight(
    eversince: Eversince, project_id: str, status: str | None = "running", **more: Any
) -> asyncio.Task[Observation]:
    return asyncio.create_task(eversince._poller.next_observation(project_id, status=status, **more))


# -- The schedule -----------------------------------------------------------------------------------------


def test_intervals_are_the_documented_ones() -> None:
    """The documents give 30 to 60 s for a generating project."""
    assert {"queued": 5, "running": 30, "generating": 45, "rendering": 30} == POLL_INTERVALS
    assert 5 == PollSchedule().interval(None)
    assert 30 == PollSchedule().interval("brand_new")


@pytest.mark.parametrize(
    "wrong",
    [
        {"intervals": {"queued": 0}},
        {"intervals": {"queued": -1}},
        {"max_failure_time": 0},
        {"grace": -1},
        {"spare": 2},
    ],
    ids=str,
)
def test_impossible_schedules_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        PollSchedule(**wrong)


async def test_intervals_of_ones_own_are_kept(emulator: Emulator) -> None:
    project = emulator.add_project(walks={"running": 100})
    schedule = PollSchedule(intervals={"running": 7}, spare=0)
    async with Eversince(**emulator.connection, schedule=schedule) as eversince:
        await eversince.wait(project.id)

    looks = emulator.polls(project.id)
    assert {7.0} == {round(later - earlier, 3) for earlier, later in pairwise(looks)}


# -- Shared polls -----------------------------------------------------------------------------------------


async def test_one_project_is_looked_at_alone(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project(walks={"running": 100})
    await sight(eversince, project.id)

    assert ["GET /projects/:id"] == [entry.route for entry in emulator.world.log]
    assert [30.0] == emulator.polls(project.id)


async def test_several_projects_are_looked_at_in_one_list(emulator: Emulator, eversince: Eversince) -> None:
    projects = [emulator.add_project(walks={"running": 100}) for _ in range(10)]
    await asyncio.gather(*(sight(eversince, project.id) for project in projects))

    assert ["GET /projects"] == [entry.route for entry in emulator.world.log]


async def test_several_waits_for_one_project_share_a_look(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project(walks={"running": 100})
    seen = await asyncio.gather(*(sight(eversince, project.id) for _ in range(5)))

    assert 1 == len(emulator.world.log)
    assert {"running"} == {each.status for each in seen}


async def test_a_look_serves_all_who_wait_whoever_was_due(emulator: Emulator, eversince: Eversince) -> None:
    queued, running = (
        emulator.add_project(walks={"queued": 100}),
        emulator.add_project(walks={"running": 100}),
    )
    await asyncio.gather(sight(eversince, queued.id, "queued"), sight(eversince, running.id, "running"))

    assert [5.0] == emulator.polls(running.id)


async def test_project_that_is_on_no_page_is_looked_at_alone(
    emulator: Emulator, eversince: Eversince
) -> None:
    """The project is older than the newest hundred."""
    old = emulator.add_project(walks={"running": 1000})
    for _ in range(120):
        emulator.add_project()
    young = emulator.add_project(walks={"running": 1000})
    await asyncio.gather(sight(eversince, old.id), sight(eversince, young.id))

    assert len(emulator.polls(old.id)) == 1
    assert 3 >= len(emulator.world.log)


# -- No waiters -------------------------------------------------------------------------------------------


async def test_nothing_is_sent_when_nobody_waits(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project(walks={"running": 10_000})
    waiting = sight(eversince, project.id)
    await asyncio.sleep(100)
    waiting.cancel()
    await asyncio.sleep(0)
    before = len(emulator.world.log)
    await asyncio.sleep(1000)

    assert before == len(emulator.world.log)


async def test_cancelled_wait_is_forgotten_at_once(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project(walks={"running": 10_000})
    waiting = sight(eversince, project.id)
    await asyncio.sleep(1)
    assert "<Poller of 1 projects>" == repr(eversince._poller)
    waiting.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(100)

    assert "<Poller of 0 projects>" == repr(eversince._poller)
    assert 0 == len(emulator.world.log)


async def test_closing_cancels_those_who_wait(emulator: Emulator, eversince: Eversince) -> None:
    waiting = sight(eversince, emulator.add_project(walks={"running": 1000}).id)
    await asyncio.sleep(1)
    await eversince.aclose()
    await asyncio.wait([waiting])

    assert waiting.cancelled()


# -- Nudges -----------------------------------------------------------------------------------------------


async def test_nudge_looks_now(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project(walks={"running": 1000})
    waiting = sight(eversince, project.id)
    await asyncio.sleep(3)
    eversince._poller.nudge(project.id)
    await waiting

    assert [3.0] == emulator.polls(project.id)


async def test_nudge_for_a_project_nobody_waits_for_sends_nothing(
    emulator: Emulator, eversince: Eversince
) -> None:
    eversince._poller.nudge(emulator.add_project().id)
    await asyncio.sleep(10)

    assert 0 == len(emulator.world.log)


async def chatter(eversince: Eversince, *project_ids: str, seconds: float = 60, every: float = 0.1) -> None:
    """Nudge the projects again and again for some time."""
    until = now() + seconds
    while now() < until:
        for project_id in project_ids:
            eversince._poller.nudge(project_id)
        await asyncio.sleep(every)


async def keep_waiting(eversince: Eversince, project_id: str) -> None:
    while True:
        await sight(eversince, project_id)


@pytest.fixture(params=[0, 0.5], ids=["at once", "slowly"])
async def emulator_that_answers(request: pytest.FixtureRequest) -> AsyncIterator[Emulator]:
    async with Emulator(faults=Faults(latency=request.param)) as emulator:
        yield emulator


@pytest.mark.parametrize("awaited", [1, 4])
async def test_a_storm_of_nudges_leaves_the_budget_to_others(
    emulator_that_answers: Emulator, awaited: int
) -> None:
    """Webhooks may be genuine and still too many.

    The polls of one project keep apart, and so do all polls together.
    """
    emulator = emulator_that_answers
    projects = [emulator.add_project(walks={"running": 10_000}) for _ in range(awaited)]
    async with Eversince(**emulator.connection, schedule=STRICT) as eversince:
        waiting = [asyncio.create_task(keep_waiting(eversince, project.id)) for project in projects]
        await asyncio.sleep(1)
        await chatter(eversince, *(project.id for project in projects))
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)

    looks = emulator.polls(projects[0].id)
    assert min(later - earlier for earlier, later in pairwise(looks)) > 1.9
    assert 10 <= len(emulator.world.log) <= 17


async def test_nudges_of_many_projects_are_looked_into_together(
    emulator: Emulator, eversince: Eversince
) -> None:
    """They may come at once, or one after the other."""
    projects = [emulator.add_project(walks={"running": 10_000}) for _ in range(40)]
    waiting = [asyncio.create_task(keep_waiting(eversince, project.id)) for project in projects]
    await asyncio.sleep(0.1)
    for project in projects:
        eversince._poller.nudge(project.id)
        await asyncio.sleep(0.5)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)

    assert len(emulator.world.log) <= 10


async def test_what_was_nudged_last_in_a_storm_is_seen(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project(walks={"running": 10_000})
    waiting = asyncio.create_task(keep_waiting(eversince, project.id))
    await asyncio.sleep(0.1)
    await chatter(eversince, project.id, seconds=30)
    last = now() - 0.1 - emulator.world.projects[project.id].created_at
    await asyncio.sleep(6)
    waiting.cancel()
    await asyncio.wait([waiting])

    assert last <= max(emulator.polls(project.id))


# -- Failures ---------------------------------------------------------------------------------------------


async def test_project_that_is_not_there_ends_the_wait(emulator: Emulator, eversince: Eversince) -> None:
    with pytest.raises(NotFound):
        await sight(eversince, "proj_none")

    assert 1 == len(emulator.world.log)


async def test_new_project_may_be_missing_for_a_while(emulator: Emulator, eversince: Eversince) -> None:
    eversince._session.newborn.note("proj_late")  # type: ignore[union-attr]
    waiting = sight(eversince, "proj_late", None)
    await asyncio.sleep(20)
    project = emulator.add_project(walks={"running": 1000})
    project.id = "proj_late"
    emulator.world.projects["proj_late"] = project

    assert "running" == (await waiting).status


async def test_new_project_that_stays_missing_is_not_there(eversince: Eversince) -> None:
    eversince._session.newborn.note("proj_late")  # type: ignore[union-attr]
    with pytest.raises(NotFound):
        await sight(eversince, "proj_late", None)

    assert 60 <= now() < 70


async def test_missing_one_does_not_harm_the_others(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project(walks={"running": 1000})
    good, bad = sight(eversince, project.id), sight(eversince, "proj_none")
    await asyncio.wait([good, bad])

    assert "running" == good.result().status
    assert isinstance(bad.exception(), NotFound)


async def test_wrong_key_ends_all_waits_at_once(emulator: Emulator) -> None:
    projects = [emulator.add_project(walks={"running": 1000}) for _ in range(3)]
    async with Eversince("es_live_wrong", base_url=emulator.base_url, schedule=STRICT) as stranger:
        waits = [sight(stranger, project.id) for project in projects]
        await asyncio.wait(waits)

    assert {Unauthorized} == {type(wait.exception()) for wait in waits}
    assert 1 == len(emulator.world.log)


@pytest.mark.parametrize(
    "fault", [ErrorAnswer(status=503, code="service_unavailable"), ErrorAnswer(), ResetFault()], ids=str
)
async def test_trouble_that_passes_is_absorbed(emulator: Emulator, eversince: Eversince, fault: Any) -> None:
    """There may be more of it than one call would retry."""
    project = emulator.add_project(walks={"running": 100})
    emulator.faults.once("GET", "/projects/*", fault, times=9)
    settled = await eversince.wait(project.id)

    assert "idle" == settled.status


async def test_trouble_that_stays_ends_the_wait_when_patience_does(emulator: Emulator) -> None:
    project = emulator.add_project(walks={"running": 10_000})
    emulator.faults.once("GET", "/projects/*", ErrorAnswer(status=503, code="service_unavailable"), times=999)
    schedule = PollSchedule(spare=0, max_failure_time=120)
    async with Eversince(**emulator.connection, schedule=schedule) as eversince:
        with pytest.raises(ServiceUnavailable):
            await sight(eversince, project.id)

    assert 120 <= now() < 300


async def test_streak_that_breaks_begins_anew(emulator: Emulator) -> None:
    """Two failing minutes do not add up if polls succeeded between them."""
    project = emulator.add_project(walks={"running": 10_000})
    async with Eversince(
        **emulator.connection, schedule=PollSchedule(spare=0, max_failure_time=100)
    ) as eversince:
        for _ in range(3):
            emulator.faults.once("GET", "/projects/*", ErrorAnswer(), times=12)
            assert "running" == (await sight(eversince, project.id)).status


async def test_server_that_is_gone_ends_the_wait_when_patience_does(server: ScriptedServer) -> None:
    server.plays(Reset())
    async with server.client(schedule=PollSchedule(spare=0, max_failure_time=100)) as eversince:
        with pytest.raises(TransportError):
            await sight(eversince, "proj_1")

    assert 100 <= now() < 300


async def test_answer_of_the_wrong_shape_ends_the_wait_when_patience_does(server: ScriptedServer) -> None:
    server.plays(Say(json={"id": "proj_1", "status": 7}))
    async with server.client(schedule=PollSchedule(spare=0, max_failure_time=100)) as eversince:
        with pytest.raises(InvalidResponse):
            await sight(eversince, "proj_1")


async def test_refusal_for_good_ends_the_wait(server: ScriptedServer) -> None:
    server.plays(refusal(403, "forbidden"))
    async with server.client(schedule=STRICT) as eversince:
        with pytest.raises(Forbidden):
            await sight(eversince, "proj_1")

    assert 1 == len(server.seen)


async def test_watcher_works_again_after_a_failure(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project(walks={"running": 1000})
    with pytest.raises(NotFound):
        await sight(eversince, "proj_none")

    assert "running" == (await sight(eversince, project.id)).status


# -- Statuses ---------------------------------------------------------------------------------------------


async def test_unknown_status_is_polled_on_and_told_once(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    def project(status: str) -> Say:
        return Say(json={"id": "proj_1", "status": status})

    server.plays(project("pondering"), project("pondering"), project("pondering"), project("idle"))
    async with server.client(schedule=STRICT) as eversince:
        settled = await eversince.wait("proj_1")

    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "idle" == settled.status
    assert [30, 30, 30] == [round(later.at - earlier.at) for earlier, later in pairwise(server.seen)]
    assert 1 == len(warned)


@pytest.mark.parametrize("status", ["idle", "completed"])
async def test_settled_project_needs_one_look(emulator: Emulator, eversince: Eversince, status: str) -> None:
    project = emulator.add_project(status=status)

    assert status == (await eversince.wait(project.id)).status
    assert 1 == len(emulator.world.log)


# -- Evidence ---------------------------------------------------------------------------------------------


def seen(status: str, url: str | None = None) -> Observation:
    return Observation(project_id="proj_1", status=status, requested_at=0.0, assembled_url=url)


def test_same_video_with_another_signature_is_the_same() -> None:
    before = Baseline(video=url_without_query("https://r2/a.mp4?sig=1"), updated_at=None, requested_at=0.0)

    assert not before.differs_from(seen("idle", "https://r2/a.mp4?sig=2"))
    assert before.differs_from(seen("idle", "https://r2/b.mp4?sig=1"))
    assert before.differs_from(seen("idle"))


def test_first_video_is_a_change() -> None:
    before = Baseline(video=None, updated_at=None, requested_at=0.0)

    assert not before.differs_from(seen("idle"))
    assert before.differs_from(seen("idle", "https://r2/a.mp4"))


@pytest.mark.parametrize("status", list(ProjectStatus))
def test_settled_statuses(status: ProjectStatus) -> None:
    assert seen(status).is_settled is (status in {"idle", "completed", "failed", "cancelled"})


def test_unknown_status_is_not_settled() -> None:
    assert not seen("pondering").is_settled
