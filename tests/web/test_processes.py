"""The FastAPI application in a process of its own, as it is deployed: stopped, and reloaded."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from applications import EXAMPLES

pytest.importorskip("fastapi", reason="fastapi is not installed; nox -s web has it")
pytest.importorskip("uvicorn", reason="uvicorn is not installed; nox -s web has it")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="stops processes by signals")


@pytest.fixture
def anyio_backend() -> str:
    """Processes live in real time."""
    return "asyncio"


class Deployed:
    """An application in its process.

    Attributes:
        url: Where it listens.
        said: What it wrote, once it has ended.
    """

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url
        self.said = ""

    async def ended(self) -> int:
        """Ask it to end as a process supervisor does; return its exit status."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            said, _ = await self.process.communicate()
        self.said += said.decode()
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def deployed(folder: Path, *options: str) -> AsyncIterator[Deployed]:
    """Run uvicorn's command; leaks are shown as errors."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-m", "uvicorn", "fastapi_app:app",
        "--port", str(port), "--timeout-graceful-shutdown", "2", *options,
        cwd=folder,
        env={**os.environ, "FILMS": str(folder / "films.json"), "PATIENCE": "0.2"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    application = Deployed(process, f"http://127.0.0.1:{port}")
    try:
        yield application
    finally:
        if process.returncode is None:
            await application.ended()


async def asked(http: aiohttp.ClientSession, url: str, seconds: float = 20.0) -> aiohttp.ClientResponse:
    """An answer, as soon as there is somebody who gives one."""
    async with asyncio.timeout(seconds):
        while True:
            with suppress(aiohttp.ClientError):
                answer = await http.get(url)
                await answer.read()
                return answer
            await asyncio.sleep(0.1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The application's files, to be changed while it runs."""
    shutil.copytree(EXAMPLES, tmp_path / "application", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "application"


async def test_stopping_with_a_film_under_way_leaks_nothing_and_the_next_goes_on(folder, emulator):
    async with aiohttp.ClientSession() as http:
        async with deployed(folder) as first:
            await asked(http, first.url)
            async with http.post(f"{first.url}/films", json={"brief": "A film"}) as answer:
                film_id = (await answer.json())["id"]
            await asyncio.sleep(0.5)
            assert await first.ended() in {0, -signal.SIGTERM}
        async with deployed(folder) as second:
            answer = await asked(http, f"{second.url}/films/{film_id}")
            assert "A film" == (await answer.json())["brief"]

    for application in (first, second):
        assert "Application shutdown complete" in application.said
        assert "Warning" not in application.said
        assert "Traceback" not in application.said
    assert 1 == emulator.world.counts["projects"]


async def test_reloading_goes_on_with_the_film_under_way(folder, emulator):
    """A new process takes it up under the same address, and nothing is ordered twice."""
    async with aiohttp.ClientSession() as http, deployed(folder, "--reload") as application:
        await asked(http, application.url)
        async with http.post(f"{application.url}/films", json={"brief": "A film"}) as answer:
            film_id = (await answer.json())["id"]
        await asyncio.sleep(0.5)
        program = folder / "fastapi_app.py"
        program.write_text(program.read_text().replace("Films to order", "Films, reloaded"))

        async with asyncio.timeout(20):
            while "reloaded" not in await (await asked(http, f"{application.url}/openapi.json")).text():
                await asyncio.sleep(0.2)
        answer = await asked(http, f"{application.url}/films/{film_id}")

        assert 200 == answer.status
        assert 1 == emulator.world.counts["projects"]
