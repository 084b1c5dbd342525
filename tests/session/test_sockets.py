"""Sockets: each connection ends up in a pool or closed.

No fault may leak one, and after closing there is none.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from eversince_async import EversinceError, Limits, RetryPolicy
from eversince_async._wire.addresses import AddressPolicy
from eversince_async.errors import ConnectionFailed, TransportError
from eversince_async.transfers.store import Store
from helpers.fake_server import Reset, Say, ScriptedServer, open_sockets

pytestmark = pytest.mark.slow

CREDITS = Say(json={"credits_balance": 5})
ONCE: dict[str, Any] = {"retry": RetryPolicy(attempts=1), "limits": Limits(requests_per_minute=None)}
AT_ONCE = 8


def one_in_ten(answer: Say) -> list[Say | Reset]:
    draw = random.Random(1)
    return [Reset() if draw.random() < 0.1 else answer for _ in range(2_000)]


async def ask(call: Callable[[], Awaitable[object]], times: int) -> None:
    for _ in range(4):
        for _ in range(times // 4 // AT_ONCE):
            await asyncio.gather(*(call() for _ in range(AT_ONCE)), return_exceptions=True)
        assert open_sockets() <= AT_ONCE


# -- 800 requests, one in ten of them reset ---------------------------------------------------------------


async def test_resets_cost_the_api_no_socket(server: ScriptedServer) -> None:
    server.plays(*one_in_ten(CREDITS))
    before = open_sockets()
    async with server.client(**ONCE) as eversince:
        await ask(eversince.account.credits, 800)

    assert before == open_sockets()


async def test_resets_cost_a_borrowed_session_no_socket(server: ScriptedServer) -> None:
    server.plays(*one_in_ten(CREDITS))
    before = open_sockets()
    async with aiohttp.ClientSession() as http, server.client(http=http, **ONCE) as eversince:
        await ask(eversince.account.credits, 800)

    assert before == open_sockets()


async def test_resets_cost_downloads_no_socket(server: ScriptedServer) -> None:
    server.plays(*one_in_ten(Say(body=b"film")))
    before, store = open_sockets(), Store(AddressPolicy.of(server.base_url))

    async def download() -> None:
        async with store.get(f"{server.origin}/film.mp4", headers={}, endpoint="download") as opened:
            async for _ in opened.chunks():
                pass

    await ask(download, 800)
    await store.aclose()

    assert before == open_sockets()


async def test_resets_cost_uploads_no_socket(server: ScriptedServer) -> None:
    server.plays(*one_in_ten(Say()))
    before, store = open_sockets(), Store(AddressPolicy.of(server.base_url))

    async def upload() -> None:
        await store.put(
            f"{server.origin}/mug.png", content, size=4, content_type="image/png", endpoint="upload"
        )

    await ask(upload, 800)
    await store.aclose()

    assert before == open_sockets()


async def content() -> AsyncIterator[bytes]:
    yield b"film"


async def test_requests_cancelled_midway_cost_no_socket(server: ScriptedServer) -> None:
    """The requests are sending, waiting or reading when they are cancelled."""
    server.plays(Say(json=CREDITS.json, after=0.2))
    before = open_sockets()
    async with server.client(**ONCE) as eversince:
        for hundredths in range(40):
            with suppress(TimeoutError, EversinceError):
                async with asyncio.timeout(hundredths / 100):
                    await eversince.account.credits()
        assert open_sockets() - before <= 1

    assert before == open_sockets()


# -- Nothing is sent twice unseen -------------------------------------------------------------------------


@pytest.mark.parametrize("whose", ["own", "borrowed"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH"])
async def test_a_broken_connection_is_no_reason_to_send_again(
    server: ScriptedServer, method: str, whose: str
) -> None:
    """Each attempt is one request for the server.

    It is also one report to the observers.
    """
    server.plays(Say(status=204), Reset())
    told: list[str] = []
    async with aiohttp.ClientSession() as http:
        mine = {"http": http} if whose == "borrowed" else {}
        async with server.client(**ONCE, **mine, on_request=lambda sent: told.append(sent.method)) as client:
            await client.request(method, "/x", repeatable=True)
            with pytest.raises(ConnectionFailed):
                await client.request(method, "/x", repeatable=True)

    assert [method, method] == [seen.method for seen in server.seen]
    assert [method, method] == told


async def test_a_broken_upload_is_not_sent_again(server: ScriptedServer) -> None:
    server.plays(Say(), Reset())
    store = Store(AddressPolicy.of(server.base_url))

    async def upload() -> None:
        await store.put(f"{server.origin}/x", content, size=4, content_type="image/png", endpoint="upload")

    await upload()
    with pytest.raises(TransportError):
        await upload()
    await store.aclose()

    assert ["PUT", "PUT"] == [seen.method for seen in server.seen]


async def test_a_broken_download_is_not_sent_again(server: ScriptedServer) -> None:
    """A redirect makes no difference: the caller requests the rest."""
    server.plays(Say(status=302, headers={"Location": "/there"}), Reset())
    store = Store(AddressPolicy.of(server.base_url))
    with pytest.raises(TransportError):
        async with store.get(f"{server.origin}/here", headers={}, endpoint="download"):
            pass
    await store.aclose()

    assert ["/here", "/there"] == [seen.target for seen in server.seen]


@pytest.mark.skipif(not hasattr(aiohttp, "ClientMiddlewareType"), reason="aiohttp had none before 3.12")
async def test_middlewares_of_a_borrowed_session_stay(server: ScriptedServer) -> None:
    server.plays(CREDITS)

    async def mine(request: aiohttp.ClientRequest, send: Any) -> aiohttp.ClientResponse:
        request.headers["X-Mine"] = "yes"
        return await send(request)

    async with aiohttp.ClientSession(middlewares=(mine,)) as http, server.client(http=http) as eversince:
        await eversince.account.credits()

    assert "yes" == server.seen[0].headers["x-mine"]
