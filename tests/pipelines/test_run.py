"""The other operations of a run: render, share, download, cancel, converse."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from eversince_async import (
    InvalidProjectState,
    InvalidRequest,
    Production,
    Run,
    UploadRejected,
    pipeline,
)
from helpers.pipeline_runs import TIKTOK, counts, said


@pipeline
async def apart(run: Run) -> Production:
    film = await run.produce("A film", render=None, share=False)
    film = await run.render(film)
    return await run.share(film, title="Mug")


@pipeline
async def rendered_twice(run: Run, *, anew: bool) -> Production:
    film = await run.produce("A film")
    return await run.render(film, force=anew)


@pipeline
async def master_after_its_variation(run: Run) -> list[str]:
    master = await run.produce("A film")
    vertical = await run.variation(master, TIKTOK, render="1080p", share=True)
    again = await run.render_and_share(master)
    return [str(each.share_url) for each in (master, vertical, again)]


@pipeline
async def shared_unrendered(run: Run) -> Production:
    master = await run.produce("A film")
    return await run.share(await run.variation(master, TIKTOK))


@pipeline
async def downloaded(run: Run, folder: Path) -> Path:
    film = await run.produce("A film", download=folder / "first.mp4")
    file = await run.download(film, folder / "second.mp4")
    await run.sleep(3600)
    return file


@pipeline
async def cancelled(run: Run) -> str:
    project_id = await run.create("A film")
    await run.cancel(project_id)
    return project_id


@pipeline
async def conversation(run: Run) -> list[str]:
    project_id = await run.create("A film", mode="collaborative")
    project = await run.settle(project_id)
    questions = [str(project.agent_message)]
    for answer in ("Yes, go on", "Make it warmer"):
        project = await run.send(project, answer)
        questions.append(str(project.agent_message))
    film = await run.render_and_share(project)
    return [*questions, str(film.share_url)]


@pipeline
async def uploading(run: Run, path: Path) -> str:
    return (await run.upload(path)).upload_id


@pipeline
async def with_references(run: Run, path: Path) -> str:
    project = await run.create("A film", mode="collaborative")
    picture = await run.upload(path)
    await run.settle(project)
    await run.send(project, "Use this", references=[picture])
    return project


@pipeline
async def no_brief(run: Run) -> Production:
    return await run.produce("")


@pipeline
async def one_film(run: Run) -> Production:
    return await run.produce("A film")


async def test_steps_may_be_taken_apart(emulator, eversince, journal):
    film = await eversince.run(apart, key="mug", journal=journal)

    assert {"projects": 1, "renders": 1, "shares": 1} == counts(emulator)
    assert film.share_url is not None


@pytest.mark.parametrize(("anew", "renders"), [(False, 1), (True, 2)])
async def test_what_has_a_video_is_rendered_again_only_if_that_is_wished(
    emulator, eversince, journal, anew, renders
):
    await eversince.run(rendered_twice, anew=anew, key="mug", journal=journal)

    assert renders == emulator.world.counts["renders"]


async def test_a_production_is_rendered_as_what_it_is(emulator, eversince, journal):
    """Another variation has become active since; still the intended one is shared."""
    urls = await eversince.run(master_after_its_variation, key="mug", journal=journal)
    (project,) = [each for each in emulator.world.projects.values() if each.rendered]

    assert 3 == len(set(urls))
    assert ["16:9", "9:16", "16:9"] == [render.aspect_ratio for render in project.rendered]


async def test_what_was_not_rendered_is_not_shared_as_another(emulator, eversince, journal):
    with pytest.raises(InvalidProjectState, match="there is no video to share: render it first"):
        await eversince.run(shared_unrendered, key="mug", journal=journal)
    assert 1 == emulator.world.counts["shares"]


async def test_videos_are_downloaded(eversince, journal, tmp_path):
    file = await eversince.run(downloaded, tmp_path, key="mug", journal=journal)

    assert tmp_path / "second.mp4" == file
    assert (tmp_path / "first.mp4").read_bytes() == file.read_bytes()


async def test_a_project_is_cancelled(emulator, eversince, journal):
    project_id = await eversince.run(cancelled, key="mug", journal=journal)

    assert "cancelled" == emulator.world.projects[project_id].status


async def test_a_conversation_is_steps_like_any(emulator, eversince, journal):
    *questions, share_url = await eversince.run(conversation, key="mug", journal=journal)

    assert 3 == len(questions)
    assert all(questions)
    assert share_url.startswith("http")
    (project,) = [each for each in emulator.world.projects.values() if each.rendered]
    assert ["Yes, go on", "Make it warmer"] == said(emulator, project.id)


async def test_a_conversation_that_is_cut_off_says_nothing_twice(emulator, eversince, journal):
    for seconds in range(1, 60, 7):
        running = asyncio.create_task(_run(eversince, journal, conversation))
        await asyncio.sleep(seconds)
        running.cancel()
        await asyncio.wait([running])
    await _run(eversince, journal, conversation)

    (project,) = [each for each in emulator.world.projects.values() if each.rendered]
    assert ["Yes, go on", "Make it warmer"] == said(emulator, project.id)
    assert {"projects": 1, "renders": 1, "shares": 1} == counts(emulator)


async def _run(eversince: Any, journal: Any, made: Any, *args: Any) -> Any:
    return await eversince.run(made, *args, key="mug", journal=journal)


async def test_messages_take_references(emulator, eversince, journal, photo):
    await eversince.run(with_references, photo, key="mug", journal=journal)

    assert 1 == len(emulator.world.log.of("POST /projects/:id/messages"))


async def test_a_file_that_is_not_there_fails_the_run(eversince, journal, tmp_path):
    with pytest.raises(UploadRejected):
        await eversince.run(uploading, tmp_path / "none.png", key="mug", journal=journal)


async def test_a_brief_that_no_server_takes_is_refused_here(emulator, eversince, journal):
    with pytest.raises(InvalidRequest, match="brief"):
        await eversince.run(no_brief, key="mug", journal=journal)
    assert 0 == len(emulator.world.log)
