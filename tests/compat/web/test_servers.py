"""Servers that start processes of their own: uvicorn, as it reloads, and gunicorn, which forks."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import aiohttp
import pytest
from applications import EXAMPLES
from deployed import deployed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="stops processes by signals")


@pytest.fixture
def anyio_backend() -> str:
    """Processes live in real time."""
    return "asyncio"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The application's files, to be changed while it runs."""
    shutil.copytree(EXAMPLES, tmp_path / "application", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "application"


async def test_reloading_goes_on_with_the_film_under_way(folder, emulator):
    """A new process takes it up under the same address, and nothing is ordered twice."""
    pytest.importorskip("fastapi", reason="fastapi is not installed; nox -s web has it")
    pytest.importorskip("uvicorn", reason="uvicorn is not installed; nox -s web has it")
    uvicorn = ("-m", "uvicorn", "fastapi_app:app", "--port", "PORT", "--timeout-graceful-shutdown", "2")
    async with aiohttp.ClientSession() as http, deployed(folder, *uvicorn, "--reload") as application:
        film = await application.ordered(http)
        await asyncio.sleep(0.5)
        program = folder / "fastapi_app.py"
        program.write_text(program.read_text().replace("Films to order", "Films, reloaded"))

        async with asyncio.timeout(20):
            while "reloaded" not in await (await application.answer(http, "/openapi.json")).text():
                await asyncio.sleep(0.1)
        told = await application.answer(http, film)

        assert 200 == told.status
        assert 1 == emulator.world.counts["projects"]


async def test_gunicorn_may_load_the_application_before_it_forks(folder, emulator):
    """Importing opens nothing, and the client is made in the worker."""
    pytest.importorskip("gunicorn", reason="gunicorn is not installed; nox -s web has it")
    gunicorn = (
        "-W", "default", "-m", "gunicorn", "aiohttp_app:application()", "--preload",
        "--bind", "127.0.0.1:PORT", "--worker-class", "aiohttp.GunicornWebWorker", "--graceful-timeout", "5",
    )  # fmt: skip
    async with aiohttp.ClientSession() as http, deployed(folder, *gunicorn) as application:
        film = await application.ordered(http)
        told = await (await application.answer(http, film)).json()
        await asyncio.sleep(0.3)
        assert 0 == await application.end()

    assert "A film" == told["brief"]
    assert 1 == emulator.world.counts["projects"]
    assert "Traceback" not in application.said
    assert "ResourceWarning" not in application.said
