"""An application in a process of its own: stopped with a film under way, or killed; and the next one."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest
from applications import EXAMPLES, SHORT, real_seconds
from deployed import GENTLY, deployed

from eversince_async.testing import VirtualTimeLoop

pytest.importorskip("fastapi", reason="fastapi is not installed; nox -s web has it")
pytest.importorskip("uvicorn", reason="uvicorn is not installed; nox -s web has it")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="stops processes by signals")

SPEED = 60.0


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Processes live in real time, so the time of all of them passes alike: a minute a second."""
    return "asyncio", {"loop_factory": partial(VirtualTimeLoop, speed=SPEED)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The application's files, where it keeps its films, too."""
    monkeypatch.setenv("EVERSINCE_SPEED", str(SPEED))
    shutil.copytree(EXAMPLES, tmp_path / "application", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "application"


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20 * real_seconds()):
        while not condition():
            await asyncio.sleep(0.02 * real_seconds())


def statuses(emulator: Any) -> set[str]:
    """Of the projects that were ordered; there are two more of the studio's."""
    return {str(each.status) for each in emulator.world.projects.values() if each.asked["brief"] == "A film"}


@pytest.mark.parametrize(
    ("name", "how", "becomes"),
    [
        ("fastapi_app", "drain", "idle"),
        ("fastapi_app", "leave", "generating"),
        ("fastapi_app", "cancel", "cancelled"),
        ("aiohttp_app", "leave", "generating"),
    ],
)
async def test_stopped_with_a_film_under_way(name, how, becomes, folder, emulator):
    """It is seen through, left to go on, or cancelled at the server; and nothing is left open."""
    if how != "drain":  # it must not be over by the time we look
        emulator.world.life.scenario = attrs.evolve(SHORT, images=3600)
    running = ("-c", GENTLY, f"{name}.py")
    async with aiohttp.ClientSession() as http:
        async with deployed(folder, *running, ON_SHUTDOWN=how, PATIENCE="3600") as first:
            film = await first.ordered(http)
            await until(lambda: "generating" in statuses(emulator))
            assert 0 == await first.end()
        found = statuses(emulator)
        async with deployed(folder, *running) as second:
            told = await (await second.answer(http, film)).json()
            assert 0 == await second.end()

    assert {becomes} == found
    assert "A film" == told["brief"]
    assert (how == "drain") == bool(told["video_url"])
    assert 1 == emulator.world.counts["projects"]
    assert not first.has_complained, first.said
    assert not second.has_complained, second.said


async def test_killed_with_a_film_under_way(folder, emulator):
    """The next one goes on with it: nothing is ordered twice."""
    async with aiohttp.ClientSession() as http:
        async with deployed(folder, "fastapi_app.py") as first:
            film = await first.ordered(http)
            await until(lambda: "generating" in statuses(emulator))
            await first.end(signal.SIGKILL)
        async with deployed(folder, "fastapi_app.py") as second:
            await second.answer(http, "/")
            await until(lambda: "rendering" in statuses(emulator))
            told = await (await second.answer(http, film)).json()

    assert "A film" == told["brief"]
    assert 1 == emulator.world.counts["projects"]


async def test_killed_before_the_film_had_a_project(folder, emulator):
    """The order was kept before it was acknowledged."""
    theirs = emulator.studio.occupy(5)
    async with aiohttp.ClientSession() as http:
        async with deployed(folder, "fastapi_app.py") as first:
            await first.ordered(http)
            await first.end(signal.SIGKILL)
        for project in theirs:
            emulator.studio.release(project)
        async with deployed(folder, "fastapi_app.py"):
            await until(lambda: statuses(emulator))

    assert 1 == len([each for each in emulator.world.projects.values() if each.asked["brief"] == "A film"])
