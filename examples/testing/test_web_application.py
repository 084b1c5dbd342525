"""A test of a whole application over HTTP.

The application's own `Eversince()` uses the emulator without any change.
"""

from aiohttp import ClientTimeout
from aiohttp.test_utils import TestClient, TestServer
from film_desk import application

from eversince_async.emulator import Emulator

PATIENT = ClientTimeout(total=None)  # in virtual time ten minutes pass at once, and so do aiohttp's five


async def test_an_order_is_answered_with_a_film(emulator: Emulator) -> None:
    async with TestClient(TestServer(application()), timeout=PATIENT) as browser:
        answer = await browser.post("/films", json={"brief": "A film about a mug"})

        assert "Watch it at http" in await answer.text()
        assert emulator.world.counts["shares"] == 1
