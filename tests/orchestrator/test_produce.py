"""Productions from end to end, over real HTTP, in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from eversince_async import (
    ConfigurationError,
    CreditsWarning,
    Event,
    Eversince,
    InsufficientCredits,
    InvalidRequest,
    OutcomeUnknown,
    PollSchedule,
    Production,
    ProjectCancelled,
    ProjectFailed,
    ProjectLimitReached,
    QuotaExhausted,
    RenderProducedNothing,
    ShareOptions,
    StageCompleted,
    StageStarted,
    StatusChanged,
    Timeouts,
    Unauthorized,
    Waiting,
    WaitTimedOut,
)
from eversince_async.emulator import Emulator, ErrorAnswer, Faults, Limits, NotJson, Reset, Scenario, Stall
from eversince_async.governor import WaitKind

WALK = Scenario(walk={"queued": 12, "running": 60}, rendering=90)
"""A walk of a project that is idle after 72 s, and of a render that takes 90."""


def now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def studio(
    scenario: Scenario = WALK, *, schedule: PollSchedule | None = None, **options: Any
) -> AsyncIterator[tuple[Emulator, Eversince]]:
    """Open an emulator, and a client with the documented intervals only."""
    strict = schedule or PollSchedule(spare=0)
    async with (
        Emulator(scenario=scenario, **options) as emulator,
        Eversince(**emulator.connection, schedule=strict) as eversince,
    ):
        yield emulator, eversince


def made(emulator: Emulator) -> tuple[int, int, int]:
    """Return the numbers of projects, renders and shares."""
    counts = emulator.world.counts
    return counts["projects"], counts["renders"], counts["shares"]


async def followed(workflow: Any) -> tuple[Production, list[Event]]:
    async with workflow:
        events = [event async for event in workflow]
        return await workflow, events


# -- The normal course ------------------------------------------------------------------------------------


async def test_creates_waits_renders_waits_and_shares() -> None:
    """Each write is sent once.

    The two idle statuses are told apart.
    """
    async with studio() as (emulator, eversince):
        film = await eversince.produce("A film", aspect_ratio="9:16", title="Mug")

        assert (1, 1, 1) == made(emulator)
    assert ("idle", "assembled") == (film.project.status, film.project.output_type)
    assert film.share_url is not None
    assert film.share_url.startswith("http")
    assert film.video_url != film.assembled_url
    assert film.assembled_url is not None
    assert 3 == len(film.request_ids) == len(set(film.request_ids))


async def test_looks_at_the_documented_pace() -> None:
    """A queued project is polled every 5 s.

    A running or rendering one is polled every 30 s.
    """
    async with studio() as (emulator, eversince):
        film = await eversince.produce("A film")

        assert [5, 10, 15, 45, 75, 105, 135, 165] == emulator.polls(film.project_id)


async def test_spare_requests_find_ends_sooner() -> None:
    """By default the client takes the same steps, and never later."""
    async with studio() as (_, eversince):
        strict = now()
        await eversince.produce("A film")
        strict = now() - strict
    async with studio(schedule=PollSchedule()) as (emulator, eversince):
        eager = now()
        film = await eversince.produce("A film")
        eager = now() - eager

        looks = emulator.polls(film.project_id)
        assert eager <= strict
        assert all(later - earlier >= 4.999 for earlier, later in pairwise(looks))


async def test_timings_tell_how_long_each_stage_took() -> None:
    async with studio() as (_, eversince):
        film = await eversince.produce("A film")

    assert {"create", "settle", "render", "share"} == set(film.timings)
    assert (75.0, 90.0) == pytest.approx((film.timings["settle"], film.timings["render"]))


async def test_events_tell_the_whole_story() -> None:
    async with studio() as (_, eversince):
        film, events = await followed(eversince.produce("A film"))

    stages = [
        (type(event), event.stage) for event in events if isinstance(event, StageStarted | StageCompleted)
    ]
    statuses = [(event.before, event.status) for event in events if isinstance(event, StatusChanged)]
    assert [
        (kind, stage)
        for stage in ("create", "settle", "render", "share")
        for kind in (StageStarted, StageCompleted)
    ] == stages
    assert [
        (None, "queued"),
        ("queued", "running"),
        ("running", "idle"),
        ("idle", "rendering"),
        ("rendering", "idle"),
    ] == statuses
    assert sorted(event.at for event in events) == [event.at for event in events]
    assert {None, film.project_id} == {event.project_id for event in events}


async def test_downloads(tmp_path: Path) -> None:
    async with studio() as (_, eversince):
        film = await eversince.produce("A film", download=tmp_path / "mug.mp4")

    assert (tmp_path / "mug.mp4",) == film.files
    assert b"ftyp" == (tmp_path / "mug.mp4").read_bytes()[4:8]
    assert ["mug.mp4"] == [path.name for path in tmp_path.iterdir()]


async def test_share_may_have_words_of_its_own() -> None:
    async with studio() as (_, eversince):
        await eversince.produce("A film", share=ShareOptions(title="The mug"))

        assert "The mug" == (await eversince.account.shares()).shares[0].title


async def test_no_share_and_no_render_if_not_wanted() -> None:
    async with studio() as (emulator, eversince):
        film = await eversince.produce("A film", render=None)

        assert (1, 0, 0) == made(emulator)
    assert (None, None, None) == (film.assembled_url, film.share, film.video_url)


async def test_completed_is_as_good_as_idle() -> None:
    """The documents of May name it as a settled status."""
    async with studio(Scenario(walk={"running": 30}, settles_as="completed"), revision="2026-05") as (
        _,
        eversince,
    ):
        film = await eversince.produce("A film")

    assert "completed" == film.project.status
    assert film.share_url is not None


# -- Other courses ----------------------------------------------------------------------------------------


async def test_autonomous_run_that_rendered_itself_is_not_rendered_again() -> None:
    async with studio(Scenario(self_render=1.0)) as (emulator, eversince):
        film = await eversince.produce("A film")

        assert (1, 1, 1) == made(emulator)
        assert [] == emulator.world.log.of("POST /projects/:id/render")
    assert film.assembled_url is not None
    assert "render" not in film.timings


async def test_project_of_single_assets_is_not_rendered() -> None:
    async with studio(Scenario(output="assets")) as (emulator, eversince):
        film = await eversince.produce("Three stills of a mug")

        assert (1, 0, 0) == made(emulator)
    assert "assets" == film.project.output_type
    assert len(film.assets) >= 1
    assert {"image"} == {asset.type for asset in film.assets}


async def test_failed_project_tells_why() -> None:
    async with studio(Scenario(failure=1.0, error_message="The provider refused")) as (emulator, eversince):
        with pytest.raises(ProjectFailed) as raised:
            await eversince.produce("A film")

        (project_id,) = (entry.project_id for entry in emulator.world.log.of("POST /projects"))
    error = raised.value
    assert (project_id, "failed", "The provider refused") == (
        error.project_id,
        error.status,
        error.error_message,
    )
    assert error.request_id is not None


async def test_failed_render_tells_why() -> None:
    async with studio(Scenario(render_failure=1.0, error_message="No room")) as (emulator, eversince):
        with pytest.raises(ProjectFailed, match="No room"):
            await eversince.produce("A film")

        assert 0 == emulator.world.counts["shares"]


async def test_project_cancelled_in_the_studio() -> None:
    async with studio() as (emulator, eversince):
        producing = asyncio.ensure_future(eversince.produce("A film"))
        await asyncio.sleep(30)
        (entry,) = emulator.world.log.of("POST /projects")
        emulator.studio.cancel(entry.project_id or "")
        with pytest.raises(ProjectCancelled) as raised:
            await producing

    assert (entry.project_id, "cancelled") == (raised.value.project_id, raised.value.status)


async def test_render_that_produces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with studio() as (emulator, eversince):
        monkeypatch.setattr(type(emulator.world.life), "_complete_render", lambda *_: None)
        with pytest.raises(RenderProducedNothing) as raised:
            await eversince.produce("A film")

        assert 0 == emulator.world.counts["shares"]
    assert "idle" == raised.value.status


async def test_idle_from_before_the_render_is_not_taken_for_its_end() -> None:
    """Reads lag by twenty seconds.

    So the first poll after the render's 202 still shows the first idle status.
    """
    faults = Faults(stale_reads=40)
    async with studio(Scenario(walk={"running": 60}, rendering=90), faults=faults) as (emulator, eversince):
        film = await eversince.produce("A film")

        assert 1 == emulator.world.counts["renders"]
    assert film.assembled_url is not None


async def test_project_that_cannot_be_seen_yet_is_waited_for() -> None:
    async with studio(faults=Faults(stale_reads=20)) as (emulator, eversince):
        await eversince.produce("A film")

        assert 404 in emulator.world.log.statuses()


async def test_low_credits_are_told() -> None:
    async with studio(credits=99) as (_, eversince):
        _, events = await followed(eversince.produce("A film"))

    warnings = [event.warning for event in events if isinstance(event, CreditsWarning)]
    assert len(warnings) >= 1
    assert len(warnings) == len(set(warnings))


async def test_too_few_credits_come_with_what_can_be_bought() -> None:
    async with studio(credits=7) as (_, eversince):
        with pytest.raises(InsufficientCredits) as raised:
            await eversince.produce("A film")

    assert 7 == raised.value.balance
    assert len(raised.value.packages) > 0
    assert all(package.purchase_url for package in raised.value.packages)


# -- Timeouts ---------------------------------------------------------------------------------------------


async def test_run_that_takes_too_long_times_out_with_its_id() -> None:
    async with studio() as (emulator, eversince):
        with pytest.raises(WaitTimedOut, match="the agent's run took longer than 40 s") as raised:
            await eversince.produce("A film", timeouts=Timeouts(settle=40))

        (entry,) = emulator.world.log.of("POST /projects")
        assert "running" == emulator.world.projects[entry.project_id or ""].status
    error = raised.value
    assert isinstance(error, TimeoutError)
    assert (entry.project_id, "running") == (error.project_id, error.status)
    assert str(entry.project_id) in str(error)
    assert error.handle is not None
    assert entry.project_id == error.handle["project_id"]


async def test_render_that_takes_too_long_times_out() -> None:
    async with studio() as (_, eversince):
        with pytest.raises(WaitTimedOut, match="the render took longer than 40 s") as raised:
            await eversince.produce("A film", timeouts=Timeouts(render=40))

    assert "rendering" == raised.value.status


async def test_production_that_timed_out_is_resumed_by_its_handle() -> None:
    """No write is sent twice."""
    async with studio() as (emulator, eversince):
        with pytest.raises(WaitTimedOut) as raised:
            await eversince.produce("A film", timeouts=Timeouts(settle=40))
        assert raised.value.handle is not None
        film = await eversince.resume(raised.value.handle)

        assert (1, 1, 1) == made(emulator)
    assert film.share_url is not None


async def test_waiting_for_a_slot_is_not_counted_by_timeouts() -> None:
    async with studio(limits=Limits(active_projects=1)) as (_, eversince):
        films = await asyncio.gather(
            *(eversince.produce(f"Film {n}", timeouts=Timeouts(settle=100)) for n in range(3))
        )

    assert 3 == len(films)


async def test_callers_timeout_leaves_the_project_alone() -> None:
    async with studio() as (emulator, eversince):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await eversince.produce("A film")
        await asyncio.sleep(100)

        assert ["idle"] == [
            project.status for project in emulator.world.projects.values() if not project.studio
        ]


async def test_callers_timeout_may_cancel_the_project_too() -> None:
    async with studio() as (emulator, eversince):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await eversince.produce("A film", on_cancel="cancel")

        statuses = [project.status for project in emulator.world.projects.values() if not project.studio]
        assert ["cancelled"] == statuses


# -- Immediate refusals -----------------------------------------------------------------------------------


async def test_impossible_orders_are_refused(emulator: Emulator, eversince: Eversince) -> None:
    with pytest.raises(ConfigurationError, match="on_cancel"):
        eversince.produce("A film", on_cancel="explode")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ConfigurationError, match="positive"):
        Timeouts(settle=0)
    with pytest.raises(TypeError):
        eversince.produce("A film", aspect="9:16")  # type: ignore[call-arg]  # that is the point

    assert 0 == len(emulator.world.log)


async def test_impossible_brief_is_refused_unsent(emulator: Emulator, eversince: Eversince) -> None:
    with pytest.raises(InvalidRequest, match="brief"):
        await eversince.produce("")

    assert 0 == len(emulator.world.log)


async def test_wrong_key_is_raised_at_once(emulator: Emulator) -> None:
    async with Eversince("es_live_wrong", base_url=emulator.base_url) as stranger:
        with pytest.raises(Unauthorized):
            await stranger.produce("A film")

    assert 1 == len(emulator.world.log)


# -- On a bad network -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Reset(after_commit=True),
        ErrorAnswer(after_commit=True),
        NotJson(after_commit=True),
        Stall(after_commit=True),
    ],
    ids=lambda fault: type(fault).__name__,
)
@pytest.mark.parametrize("path", ["/projects", "/projects/*/render", "/projects/*/share"])
async def test_write_whose_answer_is_lost_happens_once(path: str, fault: Any) -> None:
    """The server carried out the write, but its response was lost.

    The production finds out, and goes on.
    """
    faults = Faults()
    faults.once("POST", path, fault)
    async with studio(faults=faults) as (emulator, eversince):
        film = await eversince.produce("A film")

        assert (1, 1, 1) == made(emulator)
    assert 0 == faults.pending
    assert film.share_url is not None


async def test_a_bad_hour_is_survived() -> None:
    """One request in ten fails in some way.

    Every production ends, with one project each.
    """
    faults = Faults(
        error_503=0.03, rate_limited=0.02, reset_before_commit=0.02, error_500=0.02, not_json=0.01, seed=5
    )
    async with studio(faults=faults) as (emulator, eversince):
        outcomes = await asyncio.gather(
            *(eversince.produce(f"Film {n}") for n in range(5)), return_exceptions=True
        )

        assert 5 == emulator.world.counts["projects"]
    assert {Production, OutcomeUnknown} >= {type(outcome) for outcome in outcomes}
    assert sum(isinstance(outcome, Production) for outcome in outcomes) >= 3


# -- Many at once -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("spare", [0.0, 0.5])
async def test_eight_at_once_are_never_refused(spare: float) -> None:
    """Five slots and thirty requests a minute suffice for eight productions.

    There is not one 429, and never a sixth active project.
    """
    async with studio(Scenario(), schedule=PollSchedule(spare=spare)) as (emulator, eversince):
        films = await asyncio.gather(*(eversince.produce(f"Film {n}") for n in range(8)))

        statuses = emulator.world.log.statuses()
        assert (8, 8, 8) == made(emulator)
        assert 0 == statuses[429]
        assert {200, 201, 202} == set(statuses)
        assert 5 == emulator.world.most_active
        assert emulator.world.log.most_requests_in_window() <= 30
    assert 8 == len({film.project_id for film in films}) == len({film.share_url for film in films})


async def test_those_who_wait_for_a_slot_are_told(emulator: Emulator) -> None:
    async with studio(Scenario(), limits=Limits(active_projects=1)) as (_, eversince):
        first, second = eversince.produce("Film 1"), eversince.produce("Film 2")
        (_, told), (_, also) = await asyncio.gather(followed(first), followed(second))

    waits = [event.reason for event in told + also if isinstance(event, Waiting)]
    assert {WaitKind.SLOT} == {wait.kind for wait in waits}
    assert all(wait.who is not None and wait.who in str(wait) for wait in waits)


async def test_slots_that_others_hold_are_waited_for() -> None:
    """A person in the studio uses all five slots.

    The production waits until one is free.
    """
    async with studio() as (emulator, eversince):
        others = emulator.studio.occupy(5)
        producing = asyncio.ensure_future(eversince.produce("A film"))
        await asyncio.sleep(300)
        assert not producing.done()
        emulator.studio.release(others[0])
        film = await producing

        assert film.share_url is not None
        assert 5 == emulator.world.most_active


async def test_daily_projects_may_be_raised_instead_of_waited_for() -> None:
    async with studio(limits=Limits(projects_per_day=1)) as (_, eversince):
        await eversince.produce("Film 1", render=None)
        with pytest.raises((QuotaExhausted, ProjectLimitReached)):
            await eversince.produce("Film 2", render=None, wait_for_quota=False)
