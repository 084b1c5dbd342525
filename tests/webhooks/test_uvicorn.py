"""The receiver works under uvicorn, alone and within a framework."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from eversince_async import Eversince, PollSchedule, WebhookReceiver
from eversince_async.emulator import Emulator
from helpers.webhook_deliveries import OTHER_SECRET, SECRET, Client, payload, signed

uvicorn = pytest.importorskip("uvicorn", reason="uvicorn is not installed")

LIMIT = 100_000


@asynccontextmanager
async def uvicorn_serving(app: Any) -> AsyncIterator[str]:
    """Serve an ASGI application by uvicorn on this machine; yield its URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="auto"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def status_of(url: str, body: Any, headers: dict[str, str], method: str = "POST") -> int:
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, url, data=body, headers=headers) as answer,
    ):
        return answer.status


async def test_uvicorn_serves_the_receiver_alone():
    async def in_chunks(whole: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(whole), 10_000):
            yield whole[start : start + 10_000]

    receiver = WebhookReceiver(client := Client(), secret=SECRET, body_limit=LIMIT)
    long = payload("p2", brief="x" * 50_000)
    async with uvicorn_serving(receiver.asgi) as url:
        events = receiver.events()

        assert 200 == await status_of(url, payload(), signed(payload()))
        assert 200 == await status_of(url, in_chunks(long), signed(long))
        assert 401 == await status_of(url, payload(), signed(payload(), secret=OTHER_SECRET))
        assert 400 == await status_of(url, b"{}", signed(b"{}"))
        assert 405 == await status_of(url, None, {}, "GET")
        assert 413 == await status_of(url, b"x" * (LIMIT + 1), {})
        assert 413 == await status_of(url, in_chunks(b"x" * 10 * LIMIT), signed(b"other"))
        assert ["p1", "p2"] == client.nudged

    assert ["p1", "p2"] == [event.id async for event in events], "shutting down ended the iteration"


@pytest.mark.parametrize("framework", ["fastapi", "starlette.applications"])
async def test_a_framework_takes_the_receiver_for_a_route(framework):
    module = pytest.importorskip(framework, reason=f"{framework} is not installed")
    receiver = WebhookReceiver(client := Client(), secret=SECRET)
    app = module.FastAPI() if framework == "fastapi" else module.Starlette()
    app.add_route("/webhooks/eversince", receiver.asgi, methods=["POST"])
    app.mount("/mounted", receiver.asgi)
    async with uvicorn_serving(app) as url:
        assert 200 == await status_of(url + "/webhooks/eversince", payload(), signed(payload()))
        assert 200 == await status_of(url + "/mounted/", payload("p2"), signed(payload("p2")))
        assert 404 == await status_of(url + "/elsewhere", payload(), signed(payload()))
        assert ["p1", "p2"] == client.nudged


async def test_a_production_hears_through_uvicorn():
    hardly_ever = PollSchedule(
        intervals=dict.fromkeys(["queued", "running", "generating", "rendering"], 1800)
    )
    async with (
        Emulator(webhook_secret=SECRET, allow_loopback_webhooks=True) as emulator,
        Eversince(**emulator.connection, schedule=hardly_ever) as eversince,
    ):
        receiver = WebhookReceiver(eversince, secret=SECRET)
        async with uvicorn_serving(receiver.asgi) as url:
            film = await eversince.produce("A film", webhook_url=url)

        assert film.assembled_url is not None
        assert {200} == {delivery.status for delivery in emulator.deliveries}
