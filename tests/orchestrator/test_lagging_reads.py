"""Lagging reads: they cause no second render and no failure."""

from __future__ import annotations

import asyncio

import pytest

from eversince_async import DownloadFailed, ProjectFailed, RenderProducedNothing
from eversince_async.emulator import Emulator, Scenario
from eversince_async.pipelines import Run, pipeline
from helpers.lagging_reads import Replica, edited, losing_videos

STEADY = Scenario(queued=2, running=5, images=5, videos=5, rendering=30, cycles=1, scenes=(1, 1), reviews=1)


@pytest.fixture
async def emulator():
    async with Emulator(scenario=STEADY) as emulator:
        yield emulator


def made(emulator: Emulator) -> tuple[int, int, int]:
    counts = emulator.world.counts
    return counts["projects"], counts["renders"], counts["shares"]


@pytest.mark.parametrize("answers", [1, 3])
async def test_an_idle_from_before_the_render_is_not_its_end(emulator, eversince, answers):
    """It may come while the render runs, or right after it."""
    replica = Replica()
    edited(eversince, replica.edit)
    project = emulator.add_project()
    for after in (1, 35):
        await eversince.projects.get(project.id)

        async def lag(after: float = after) -> None:
            await asyncio.sleep(after)
            replica.left = answers

        lagging = asyncio.create_task(lag())
        film = await eversince.render(project.id, force=True)
        await lagging

        assert film.assembled_url
    assert 2 == made(emulator)[1]


async def test_an_old_answer_right_after_the_render_is_looked_at_again(emulator, eversince):
    """The response has no time of change.

    Nothing else in it shows its age, either.
    """
    seen, left = [], 2

    def edit(path, plain):
        nonlocal left
        if path.count("/") == 2 and path.startswith("/projects/"):
            plain["updated_at"] = None
            if plain["assembled_url"] and left:
                left -= 1
                plain |= {"assembled_url": None, "assembled_url_expires_at": None, "output_type": "pending"}
            seen.append(plain["status"])
        return plain

    edited(eversince, edit)
    project = emulator.add_project()

    assert (await eversince.render(project.id)).assembled_url
    assert left == 0


async def test_a_render_that_left_nothing_is_told_as_such(emulator, eversince):
    def edit(path, plain):
        if path.count("/") == 2 and path.startswith("/projects/"):
            plain |= {"assembled_url": None, "assembled_url_expires_at": None}
        return plain

    edited(eversince, edit)
    project = emulator.add_project()

    with pytest.raises(RenderProducedNothing):
        await eversince.render(project.id)
    assert 1 == made(emulator)[1]


async def test_a_failure_that_a_list_has_shown_is_not_lost_in_a_read_that_lags(emulator, eversince):
    emulator.scenario = STEADY
    shown = set()

    def edit(path, plain):
        if path == "/projects":
            shown.update(each["id"] for each in plain["projects"] if each["status"] == "failed")
        elif plain.get("id") in shown:
            plain |= {"status": "running"}
            plain.pop("error_message", None)
        return plain

    edited(eversince, edit)
    async with Emulator(scenario=Scenario(queued=2, running=5, failure=1.0)) as failing:
        eversince = type(eversince)(**failing.connection)
        edited(eversince, edit)
        async with eversince:
            report = await eversince.batch(["One", "Two"])

    assert {"failed": 2} == report.counts
    assert all(isinstance(outcome.error, ProjectFailed) for outcome in report.outcomes)


async def test_finishing_a_conversation_renders_nothing_that_was_seen_rendered(emulator, eversince):
    film = await eversince.produce("A film", share=False)
    async with eversince.converse_with(film.project_id) as talk:
        await talk.turn()
        edited(eversince, losing_videos("idle", times=100))
        await eversince.projects.list()

        assert (await talk.finish()).share_url
    assert (1, 1, 1) == made(emulator)


async def test_a_pipeline_renders_nothing_that_a_step_has_seen_rendered(emulator, eversince, tmp_path):
    @pipeline
    async def campaign(run: Run) -> str | None:
        film = await run.produce("A film", share=False)
        edited(eversince, losing_videos("idle", times=100))
        await eversince.projects.list()
        return (await run.render_and_share(film)).share_url

    assert await eversince.run(campaign, key="a", journal=tmp_path / "a.db")
    assert (1, 1, 1) == made(emulator)


@pytest.mark.parametrize("answers", [1, 2])
async def test_a_variation_is_found_in_a_list_that_lags(emulator, eversince, answers):
    film, old, left = await eversince.produce("A film"), None, 0

    def edit(path, plain):
        nonlocal old, left
        if path.endswith("/variations"):
            old = old or plain
            if len(plain["variations"]) > 1 and left < answers:
                left += 1
                return old
        return plain

    edited(eversince, edit)
    vertical = await eversince.variation(film, "Create a 9:16 version for TikTok")

    assert vertical.share_url
    assert answers == left
    assert (1, 2, 2) == made(emulator)


async def test_a_refreshed_production_keeps_its_video(eversince):
    film = await eversince.produce("A film")
    edited(eversince, losing_videos("generating", times=100))
    await eversince.projects.list()

    assert film.assembled_url == (await film.refresh()).assembled_url


async def test_a_fresh_address_is_asked_for_until_the_answer_shows_one(emulator, eversince, tmp_path):
    film = await eversince.produce("A film", share=False)
    await asyncio.sleep(25 * 3600)
    edited(eversince, losing_videos("idle", times=1))
    await eversince.projects.list()
    before = sum(entry.path.endswith(film.project_id) for entry in emulator.world.log)

    with pytest.raises(DownloadFailed):
        await film.download(tmp_path / "film.mp4")

    looks = sum(entry.path.endswith(film.project_id) for entry in emulator.world.log)
    assert 2 == looks - before, "it was asked for once more"
