"""What is followed, and what is sent, cancelled at every place where it waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from eversince_async import WebhookReceiver
from helpers.interruptions import Scene, When, at_every_wait, open_files

if TYPE_CHECKING:
    from pathlib import Path

EVERY = pytest.mark.parametrize("when", When, ids=lambda when: when.name.lower())


@EVERY
async def test_watching(when: When) -> None:
    async def prepare(scene: Scene) -> None:
        scene.project_id = scene.emulator.add_project(walks={"running": 7, "generating": 5}).id

    async def act(scene: Scene) -> None:
        async with scene.eversince.watch(scene.project_id) as watch:
            async for event in watch:
                scene.notes.append(event)

    async for _ in at_every_wait(act, when, prepare=prepare):
        pass


@EVERY
async def test_an_upload(when: When, tmp_path: Path) -> None:
    """No file stays open, whether it is sent from a path or a stream."""
    photo = tmp_path / "mug.png"
    photo.write_bytes(b"\x89PNG" + bytes(3_000_000))

    async def act(scene: Scene) -> None:
        await scene.eversince.uploads.upload(photo)

    async for _ in at_every_wait(act, when, stride=2):
        assert [] == open_files(tmp_path)


@EVERY
async def test_walking_pages(when: When) -> None:
    async def prepare(scene: Scene) -> None:
        for _ in range(3):
            scene.emulator.add_project()

    async def act(scene: Scene) -> None:
        scene.notes.extend([project async for project in scene.eversince.projects.iter()])

    async for _ in at_every_wait(act, when, prepare=prepare):
        pass


@EVERY
async def test_events_of_a_receiver(when: When) -> None:
    async def act(scene: Scene) -> None:
        receiver = WebhookReceiver(scene.eversince, allow_unsigned=True)
        events = receiver.events()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await anext(events)
        receiver.close()
        scene.notes.extend([event async for event in events])

    async for _ in at_every_wait(act, when):
        pass


@EVERY
async def test_closing_itself(when: When) -> None:
    """Beside a production that is cancelled at the server by it."""

    async def prepare(scene: Scene) -> None:
        scene.notes.append(scene.eversince.start("A film"))
        await asyncio.sleep(3)

    async def act(scene: Scene) -> None:
        scene.notes.append("begun")
        await scene.eversince.aclose(productions="cancel")

    async for scene in at_every_wait(act, when, prepare=prepare):
        if "begun" not in scene.notes:  # cancelled before its first step
            await scene.eversince.aclose()
        assert scene.notes[0]._task.done()
        assert not scene.eversince._transport.is_open, scene.nth
