"""A whole application over HTTP. Its own `Eversince()` talks to the emulator, without a change to it."""

from aiohttp import ClientTimeout
from aiohttp.test_utils import TestClient, TestServer
from film_desk import application

from eversince_async.emulator import Emulator

PATIENT = ClientTimeout(total=None)  # the ten minutes of a film are over at once, and so are aiohttp's five


async def test_an_order_is_answered_with_a_film(emulator: Emulator) -> None:
    async with TestClient(TestServer(application()), timeout=PATIENT) as browser:
        answer = await browser.post("/films", json={"brief": "A film about a mug"})

        assert "Watch it at http" in await answer.text()
        assert emulator.world.counts["shares"] == 1
