"""The video's URL works for 24 hours; a download finds another way afterwards, or says what it would take."""

from __future__ import annotations

import asyncio

import pytest

from eversince_async import DownloadFailed, InvalidProjectState, ProjectStatus
from eversince_async.emulator import Emulator
from eversince_async.emulator.faults import ErrorAnswer, Truncated

DAY = 86_400.0


def fetched(emulator: Emulator) -> list[tuple[str, int | None]]:
    """What was asked of the storage, by its first part, and what it answered."""
    return [(entry.path.split("/")[1], entry.status) for entry in emulator.world.log if not entry.api]


async def test_a_fresh_video_is_downloaded_without_asking_anything(emulator, eversince, tmp_path):
    film = await eversince.resume(emulator.add_project(rendered=True).id, share=False)
    emulator.world.log.clear()

    await film.download(tmp_path)

    assert [("media", 200)] == [(entry.path.split("/")[1], entry.status) for entry in emulator.world.log]


async def test_a_shared_video_does_not_expire(emulator, eversince, tmp_path):
    film = await eversince.resume(emulator.add_project(rendered=True).id, share=True)
    await asyncio.sleep(3 * DAY)

    assert (await film.download(tmp_path)).is_file()
    assert [("shared", 200)] == fetched(emulator)


async def test_a_share_that_was_taken_back_is_passed_over(emulator, eversince, tmp_path):
    film = await eversince.resume(emulator.add_project(rendered=True).id, share=True)
    emulator.world.shares.clear()

    assert (await film.download(tmp_path)).is_file()
    assert [("shared", 404), ("media", 200)] == fetched(emulator)


async def test_an_expired_video_is_refreshed(emulator, eversince, tmp_path):
    """Somebody has rendered it again meanwhile: the project knows the new URL."""
    project = emulator.add_project(rendered=True)
    film = await eversince.resume(project.id, share=False)
    await asyncio.sleep(2 * DAY)
    await eversince.render(project.id, force=True)

    assert (await film.download(tmp_path)).is_file()
    assert [("media", 200)] == fetched(emulator)


async def test_a_video_about_to_expire_is_not_begun_with(emulator, eversince, tmp_path):
    project = emulator.add_project(rendered=True)
    film = await eversince.resume(project.id, share=False)
    await asyncio.sleep(DAY - 60)
    await eversince.render(project.id, force=True)

    await film.download(tmp_path)

    assert "render-2.mp4" in next(entry.path for entry in emulator.world.log if not entry.api)


async def test_an_expired_video_that_is_nowhere_else_is_an_error(emulator, eversince, tmp_path):
    film = await eversince.resume(emulator.add_project(rendered=True).id, share=False)
    await asyncio.sleep(2 * DAY)

    with pytest.raises(DownloadFailed, match="the store answered 403"):
        await film.download(tmp_path)
    assert 1 == emulator.world.counts["renders"]


async def test_it_is_rendered_again_only_if_that_is_asked_for(emulator, eversince, tmp_path):
    film = await eversince.resume(emulator.add_project(rendered=True).id, share=False)
    await asyncio.sleep(2 * DAY)

    assert (await film.download(tmp_path, render_again=True)).is_file()
    assert 2 == emulator.world.counts["renders"]


async def test_it_is_not_rendered_again_while_there_is_a_video(emulator, eversince, tmp_path):
    film = await eversince.resume(emulator.add_project(rendered=True).id, share=False)

    await film.download(tmp_path, render_again=True)

    assert 1 == emulator.world.counts["renders"]


async def test_it_is_rendered_again_in_the_quality_that_is_asked_for(tmp_path):
    from eversince_async import Eversince

    async with Emulator(plan="pro") as emulator, Eversince(**emulator.connection) as eversince:
        project = emulator.add_project(rendered=True)
        film = await eversince.resume(project.id, share=False)
        await asyncio.sleep(2 * DAY)

        await film.download(tmp_path, render_again="4k")

        assert "4k" == project.last_render.quality


async def test_a_clock_that_is_wrong_decides_nothing(emulator, eversince, tmp_path):
    """By our clock it has expired; the server says so with the same URL, and the store gives it out."""
    project = emulator.add_project(rendered=True)
    project.rendered[0].expires_at -= 3 * DAY  # what is told; the signature holds
    film = await eversince.resume(project.id, share=False)

    assert (await film.download(tmp_path)).is_file()
    assert 0 == len(emulator.world.log.of("POST /projects/:id/render"))


async def test_a_video_that_expires_on_the_way_is_resumed_from_a_fresh_url(emulator, eversince, tmp_path):
    project = emulator.add_project(rendered=True)
    film = await eversince.resume(project.id, share=False)
    emulator.faults.once("GET", "/media/**", Truncated(keep=0.5))
    emulator.faults.once("GET", "/media/**", ErrorAnswer(status=403, code="forbidden"))
    project.rendered[0].path = emulator.world.signer.sign(
        f"/media/{project.id}/render-1.mp4", project.rendered[0].expires_at + 60, 0.0
    )

    assert (await film.download(tmp_path)).is_file()
    assert [200, 403] == [status for _, status in fetched(emulator)][:2]
    assert 3 == len(fetched(emulator))


async def test_another_variations_video_is_not_taken_for_this_one(emulator, eversince, tmp_path):
    film = await eversince.resume(emulator.add_project(rendered=True).id, share=False)
    await asyncio.sleep(2 * DAY)
    vertical = await eversince.variation(film, "Create a 9:16 version for TikTok", share=False)

    with pytest.raises(InvalidProjectState, match="variation var_001"):
        await film.download(tmp_path)
    assert (await vertical.download(tmp_path)).is_file()


async def test_what_was_never_rendered_cannot_be_downloaded(emulator, eversince, tmp_path):
    film = await eversince.resume(emulator.add_project().id, render=None, share=False)

    with pytest.raises(
        InvalidProjectState, match="there is no video to download; render it first"
    ) as refused:
        await film.download(tmp_path)
    assert ProjectStatus.IDLE == refused.value.status


async def test_what_was_rendered_later_can_be_downloaded(emulator, eversince, tmp_path):
    project = emulator.add_project()
    draft = await eversince.resume(project.id, render=None, share=False)
    await eversince.render(project.id)

    assert (await draft.download(tmp_path)).is_file()


async def test_production_downloads_by_itself_and_says_where(emulator, eversince, tmp_path):
    film = await eversince.produce("A film", download=tmp_path / "film.mp4")

    assert (tmp_path / "film.mp4",) == film.files
    assert (tmp_path / "film.mp4").stat().st_size > 0


async def test_production_downloads_into_a_folder_of_that_name(emulator, eversince, tmp_path):
    film = await eversince.produce("A film", download=f"{tmp_path}/films/")

    assert (tmp_path / "films" / f"{film.project_id}.mp4",) == film.files
