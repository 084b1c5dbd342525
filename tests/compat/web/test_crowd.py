"""Five hundred customers at once, each in a request of their own that awaits a production."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed; nox -s web has it")
pytest.importorskip("uvicorn", reason="uvicorn is not installed; nox -s web has it")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="stops processes by signals")

CUSTOMERS = 500


@pytest.fixture
def anyio_backend() -> str:
    """Customers live in real time."""
    return "asyncio"


class Town:
    """The application in its process.

    Attributes:
        url: Where it listens.
        counts: What there was, once it has ended.
        complaints: What it wrote to stderr, once it has ended: warnings, tracebacks.
        status: Its exit status.
    """

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self.url = url
        self.counts: dict[str, Any] = {}
        self.complaints = ""
        self.status: int | None = None

    async def end(self) -> None:
        """Stop it as a supervisor does."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        said, complaints = await asyncio.wait_for(self._process.communicate(), 180)
        self.status, self.complaints = self._process.returncode, complaints.decode()
        self.counts = json.loads(said) if said else {}


@asynccontextmanager
async def town() -> AsyncIterator[Town]:
    """An application and its server, where every warning is an error; ended when the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "dev", "-W", "error", str(Path(__file__).with_name("town.py")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    port = (await process.stdout.readline()).decode().strip()
    assert port, (await process.communicate())[1].decode()
    town = Town(process, f"http://127.0.0.1:{port}")
    try:
        yield town
    finally:
        await town.end()


@asynccontextmanager
async def customers() -> AsyncIterator[aiohttp.ClientSession]:
    """A browser for each: as many connections as there are customers, and all the patience in the world."""
    connector, patience = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=patience) as http:
        yield http


async def test_five_hundred_requests_each_await_a_production() -> None:
    """All are answered, all limits are kept, and shutting down leaves nothing."""
    async with town() as application, customers() as http:

        async def customer(number: int) -> tuple[int, str]:
            async with http.post(f"{application.url}/produce", json={"brief": f"Film {number}"}) as answer:
                told = await answer.json()
                return answer.status, told.get("project_id") or told["error"]

        told = await asyncio.gather(*(customer(number) for number in range(CUSTOMERS)))

    assert Counter({200: CUSTOMERS}) == Counter(status for status, _ in told)
    assert CUSTOMERS == len({project_id for _, project_id in told}) == application.counts["projects"]
    assert 0 == application.counts["refused"]
    assert 5 == application.counts["most active"]
    assert application.counts["most requests a minute"] <= 30
    assert "" == application.complaints
    assert nothing_left(application)


async def test_shutting_down_with_customers_waiting_leaves_nothing() -> None:
    """Those who wait hear of it at once; what was ordered goes on at the server."""
    async with customers() as http:

        async def customer(number: int) -> int:
            async with http.post(f"{application.url}/produce", json={"brief": f"Film {number}"}) as answer:
                return answer.status

        async with town() as application:
            waiting = [asyncio.create_task(customer(number)) for number in range(50)]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        told = await asyncio.gather(*waiting)

    assert {200, 500} == set(told)
    assert 0 == application.counts["refused"]
    # uvicorn says so at length; who reads on finds nothing of ours in it.
    assert "timeout graceful shutdown exceeded" in application.complaints
    assert nothing_left(application)


def nothing_left(application: Town) -> bool:
    """Whether it ended well, with nothing open and no warning."""
    assert 0 == application.status, application.complaints
    assert "Warning" not in application.complaints
    return 0 == application.counts["sockets left"] == application.counts["tasks left"]
