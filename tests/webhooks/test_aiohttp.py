"""The receiver serves real HTTP with aiohttp.

It runs alone, as a sub-application or as a handler.
"""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from eversince_async import WebhookReceiver
from helpers.webhook_deliveries import OTHER_SECRET, SECRET, Client, payload, serving, signed

LIMIT = 100_000


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def receiver(client):
    return WebhookReceiver(client, secret=SECRET, body_limit=LIMIT)


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


def head(headers):
    lines = [f"{name}: {value}\r\n" for name, value in {"Host": "here", **headers}.items()]
    return "".join(["POST / HTTP/1.1\r\n", *lines]).encode()


async def raw(url, *pieces):
    """Send bytes, and return the first line of any response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    for piece in pieces:
        writer.write(piece)
    writer.write_eof()
    try:
        return await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("path", ["", "/", "/wherever/it/is"])
async def test_the_application_answers_at_every_path(receiver, client, http, path):
    async with serving(receiver.aiohttp_app()) as url:
        answer = await http.post(url + path, data=payload(), headers=signed(payload()))

        assert (200, {"received": True}) == (answer.status, await answer.json())
        assert ["p1"] == client.nudged


@pytest.mark.parametrize("path", ["/hooks", "/hooks/", "/hooks/eversince"])
async def test_it_can_be_a_sub_application(receiver, client, http, path):
    app = web.Application()
    app.add_subapp("/hooks", receiver.aiohttp_app())
    async with serving(app) as url:
        assert 200 == (await http.post(url + path, data=payload(), headers=signed(payload()))).status
        assert 404 == (await http.post(url + "/else", data=payload(), headers=signed(payload()))).status


async def test_it_can_be_a_handler_whose_limit_is_its_own(receiver, http):
    """The surrounding application may have a smaller limit."""
    app = web.Application(client_max_size=10)
    app.router.add_post("/hook", receiver.aiohttp_handler)
    async with serving(app) as url:
        body = payload(brief="x" * 2000)

        assert 200 == (await http.post(url + "/hook", data=body, headers=signed(body))).status


async def test_refusals_have_the_form_of_the_apis_errors(receiver, client, http):
    async with serving(receiver.aiohttp_app()) as url:
        answer = await http.post(url, data=payload(), headers=signed(payload(), secret=OTHER_SECRET))

        assert 401 == answer.status
        assert ("unauthorized", 401) == ((error := (await answer.json())["error"])["code"], error["status"])
        assert [] == client.nudged


async def test_only_post_is_taken(receiver, http):
    async with serving(receiver.aiohttp_app()) as url:
        answer = await http.get(url)

        assert (405, "POST") == (answer.status, answer.headers["Allow"])


async def test_a_body_over_the_limit_is_refused_announced_or_not(receiver, http):
    async def pieces():
        for _ in range(20):
            yield b"x" * 10_000

    async with serving(receiver.aiohttp_app()) as url:
        assert 413 == (await http.post(url, data=b"x" * (LIMIT + 1))).status
        assert 413 == (await http.post(url, data=pieces(), headers=signed(b"other"))).status
        assert {"payload_too_large": 2} == receiver.statistics().refused


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 500\r\n\r\nonly this",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno length\r\n",
        b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
    ],
    ids=["cut off", "chunks of no length", "not compressed"],
)
async def test_a_body_that_is_no_http_does_no_harm(receiver, client, http, body):
    async with serving(receiver.aiohttp_app()) as url:
        line = await raw(url, head(signed(b"")), body)

        assert line == b"" or b" 400 " in line
        assert 200 == (await http.post(url, data=payload(), headers=signed(payload()))).status
        assert ["p1"] == client.nudged


async def test_a_body_that_dawdles_is_given_up(receiver):
    async with serving(receiver.aiohttp_app()) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
        writer.write(head(signed(b"hello")) + b"Content-Length: 5\r\n\r\nhell")
        began = asyncio.get_running_loop().time()

        assert b" 408 " in await reader.readline()
        assert 10 == round(asyncio.get_running_loop().time() - began)
        await reader.read()
        writer.close()
        await writer.wait_closed()


async def test_shutdown_ends_events(receiver):
    async with serving(receiver.aiohttp_app()):
        events = receiver.events()

    assert [] == [event async for event in events]
