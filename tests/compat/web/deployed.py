"""An application in a process of its own, as it is deployed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from applications import real_seconds

# A process that ends by SIGTERM ends before Python looks for what was left open. uvicorn raises the signal
# again when all is done; this lets it pass, so that warnings are seen.
GENTLY = """
import runpy, signal, sys
signal.signal(signal.SIGTERM, lambda *_: None)
sys.path.insert(0, ".")
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Deployed:
    """An application in its process.

    Attributes:
        process: The process.
        url: Where it listens.
        said: What it wrote, once it has ended.
    """

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url
        self.said = ""

    async def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end as a process supervisor does; return its exit status."""
        with suppress(ProcessLookupError):
            self.process.send_signal(how)
        async with asyncio.timeout(30 * real_seconds()):
            said, _ = await self.process.communicate()
        self.said += said.decode()
        assert self.process.returncode is not None
        return self.process.returncode

    async def answer(self, http: aiohttp.ClientSession, path: str) -> aiohttp.ClientResponse:
        """An answer, as soon as there is somebody who gives one."""
        async with asyncio.timeout(20 * real_seconds()):
            while True:
                with suppress(aiohttp.ClientError):
                    answer = await http.get(f"{self.url}{path}")
                    await answer.read()
                    return answer
                if self.process.returncode is not None:
                    pytest.fail(f"the application ended: {(await self.process.communicate())[0].decode()}")
                await asyncio.sleep(0.05 * real_seconds())

    async def ordered(self, http: aiohttp.ClientSession) -> str:
        """Order a film; returns its path."""
        await self.answer(http, "/pulse")
        async with http.post(f"{self.url}/films", json={"brief": "A film"}) as answer:
            return f"/films/{(await answer.json())['id']}"

    @property
    def has_complained(self) -> bool:
        """Whether there was a warning or an error in what it wrote."""
        return any(word in self.said for word in ("Warning", "Traceback", "ERROR"))


@asynccontextmanager
async def deployed(folder: Path, *command: str, **environment: str) -> AsyncIterator[Deployed]:
    """Run `python …` with every warning an error; PORT in the command is a free port's number."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    films = str(folder / "films.jsonl")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "dev", "-W", "error", *(word.replace("PORT", port) for word in command),
        cwd=folder,
        env={**os.environ, "PORT": port, "FILMS": films, "PATIENCE": "0", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    application = Deployed(process, f"http://127.0.0.1:{port}")
    try:
        yield application
    finally:
        if process.returncode is None:
            try:
                await application.end()
            except TimeoutError:
                # uvicorn's reloader sets an event in its signal handler, and rarely holds that event's lock
                # itself at the time. Tests of how applications end call `end` themselves.
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
