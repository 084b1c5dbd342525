"""The other things that take long, cancelled at every place where they wait."""

from __future__ import annotations

import pytest

from helpers.interruptions import Scene, When, at_every_wait, open_files

EVERY = pytest.mark.parametrize("when", When, ids=lambda when: when.name.lower())


async def a_project_at_work(scene: Scene) -> None:
    scene.project_id = scene.emulator.add_project(walks={"running": 7, "generating": 5}).id


async def an_idle_project(scene: Scene) -> None:
    scene.project_id = scene.emulator.add_project().id


async def a_finished_project(scene: Scene) -> None:
    scene.project_id = scene.emulator.add_project(rendered=True).id


@EVERY
@pytest.mark.parametrize("prepare", [a_project_at_work, an_idle_project, a_finished_project])
async def test_resume(when, prepare):
    """It renders at most once, whenever it is cancelled."""

    async def act(scene: Scene) -> None:
        await scene.eversince.resume(scene.project_id)

    async for scene in at_every_wait(act, when, prepare=prepare):
        (project,) = scene.projects
        assert project.status != "cancelled"
        assert len(scene.emulator.world.log.of("POST /projects/:id/render")) <= 1


@EVERY
async def test_render(when):
    async def act(scene: Scene) -> None:
        await scene.eversince.render(scene.project_id, force=True)

    async for scene in at_every_wait(act, when, prepare=a_finished_project):
        assert len(scene.emulator.world.log.of("POST /projects/:id/render")) <= 1


@EVERY
async def test_wait_and_share(when):
    async def act(scene: Scene) -> None:
        await scene.eversince.wait(scene.project_id)

    async for scene in at_every_wait(act, when, prepare=a_project_at_work):
        assert not scene.cancelled or scene.nth


@EVERY
async def test_variation(when):
    """One message for the variation and one for the switch, at most."""

    async def act(scene: Scene) -> None:
        await scene.eversince.variation(scene.project_id, "Create a 9:16 version for TikTok")

    async for scene in at_every_wait(act, when, prepare=a_finished_project):
        assert len(scene.emulator.world.log.of("POST /projects/:id/messages")) <= 2
        if not scene.cancelled:
            (project,) = scene.projects
            assert "9:16" == project.last_render.aspect_ratio


@EVERY
@pytest.mark.parametrize("on_cancel", ["leave", "cancel"])
async def test_conversation(when, on_cancel):
    """From the create over an answer to the video; on those terms the project is cancelled, too."""

    async def act(scene: Scene) -> None:
        async with scene.eversince.converse("A film", on_cancel=on_cancel) as conversation:
            async for turn in conversation:
                if turn.number == 2:
                    break
                await turn.reply("Go on")
            await conversation.finish(share=False)

    async for scene in at_every_wait(act, when):
        assert len(scene.projects) <= 1
        for project in scene.projects:
            said = [message for message in project.messages if message["content"] == "Go on"]
            assert len(said) <= 1
            over = project.rendered or project.status == "rendering" or not scene.cancelled
            if on_cancel == "cancel" and when is not When.TWICE and not over:
                assert project.status == "cancelled", scene.nth
            if on_cancel == "leave":
                assert project.status != "cancelled"


@pytest.mark.parametrize(
    "when", [When.WAITING, When.GRANTED, When.ANYWHERE], ids=lambda when: when.name.lower()
)
async def test_a_conversation_that_is_finished_again(when, tmp_path):
    """Whatever the first try has come to: one render, one public link, one message."""

    async def prepare(scene: Scene) -> None:
        conversation = await scene.eversince.converse("A film").__aenter__()
        scene.notes += [conversation, await conversation.turn()]

    async def act(scene: Scene) -> None:
        conversation, turn = scene.notes
        if not turn.is_answered:
            await turn.reply("Go on")
        await conversation.finish(download=tmp_path / f"{scene.nth}.mp4")

    async for scene in at_every_wait(act, when, prepare=prepare, stride=3):
        if scene.cancelled:
            await act(scene)
        (project,) = scene.projects
        counts = scene.emulator.world.counts
        assert (1, 1) == (counts["renders"], counts["shares"]), scene.nth
        assert 1 == [message["content"] for message in project.messages].count("Go on"), scene.nth
        assert (tmp_path / f"{scene.nth}.mp4").exists()


@pytest.mark.parametrize(
    "when", [When.WAITING, When.GRANTED, When.ANYWHERE], ids=lambda when: when.name.lower()
)
async def test_a_conversation_that_asks_for_a_variation_again(when):
    """The agent is asked once, and paid once."""

    async def prepare(scene: Scene) -> None:
        await a_finished_project(scene)
        scene.notes.append(await scene.eversince.converse_with(scene.project_id).__aenter__())

    async def act(scene: Scene) -> None:
        await scene.notes[0].variation("Create a 9:16 version for TikTok")

    async for scene in at_every_wait(act, when, prepare=prepare):
        if scene.cancelled:
            await act(scene)
        (project,) = scene.projects
        said = [message["content"] for message in project.messages if message["role"] == "user"]
        assert 1 == said.count("Create a 9:16 version for TikTok"), scene.nth
        assert 1 == sum(text.startswith("Switch to") for text in said), scene.nth


@pytest.mark.parametrize(
    "when", [When.WAITING, When.GRANTED, When.ANYWHERE], ids=lambda when: when.name.lower()
)
async def test_a_conversation_that_is_entered_again(when):
    """It has the same project, if there was one."""

    async def prepare(scene: Scene) -> None:
        scene.notes.append(scene.eversince.converse("A film"))

    async def act(scene: Scene) -> None:
        await scene.notes[0].__aenter__()

    async for scene in at_every_wait(act, when, prepare=prepare):
        if scene.cancelled and "not begun" in repr(scene.notes[0]):
            await act(scene)
        (project,) = scene.projects
        assert project.id == scene.notes[0].project_id


@EVERY
async def test_download(when, tmp_path):
    """The file is whole or not there, nothing is open, and what arrived is resumed."""

    async def prepare(scene: Scene) -> None:
        await a_finished_project(scene)
        scene.notes.append(await scene.eversince.resume(scene.project_id, share=False))

    async def act(scene: Scene) -> None:
        await scene.notes[0].download(tmp_path / f"{scene.nth}.mp4")

    size = 0
    async for scene in at_every_wait(act, when, prepare=prepare, video_bytes=3_000_000):
        assert [] == open_files(tmp_path)
        path = tmp_path / f"{scene.nth}.mp4"
        if path.exists():
            size = path.stat().st_size
            path.unlink()
        elif scene.nth % 5 == 0:
            await scene.notes[0].download(path)
            assert 3_000_000 == path.stat().st_size
    assert 3_000_000 == size
