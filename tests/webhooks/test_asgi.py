"""The receiver is a well-behaved ASGI application, even with ill-behaved senders."""

from __future__ import annotations

import asyncio

import pytest

from eversince_async import ConfigurationError, WebhookReceiver
from helpers.webhook_deliveries import SECRET, Client, Exchange, payload, post, signed

LIMIT = 1000


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def receiver(client):
    return WebhookReceiver(client, secret=SECRET, body_limit=LIMIT)


async def test_a_delivery_is_answered_200(receiver, client):
    exchange = Exchange(signed(payload()), [payload()])

    assert 200 == await exchange.with_app(receiver.asgi)
    assert ["p1"] == client.nudged
    assert {"received": True} == exchange.answer
    assert [
        (b"content-type", b"application/json"),
        (b"content-length", b"17"),
    ] == exchange.sent[0]["headers"]


async def test_a_body_in_chunks_is_put_together(receiver, client):
    body = payload(brief="x" * 500)
    chunks = [body[:1], b"", body[1:300], body[300:]]

    assert 200 == await Exchange(signed(body), chunks).with_app(receiver.asgi)
    assert ["p1"] == client.nudged


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_only_post_is_taken(receiver, method):
    exchange = Exchange(signed(payload()), [payload()], method=method)

    assert 405 == await exchange.with_app(receiver.asgi)
    assert (b"allow", b"POST") in exchange.sent[0]["headers"]
    assert 0 == exchange.reads


@pytest.mark.parametrize("length", ["1001", "9" * 5000])
async def test_a_body_that_is_announced_too_large_is_not_read(receiver, length):
    exchange = Exchange({"Content-Length": length}, [b"x" * 100] * 100)

    assert 413 == await exchange.with_app(receiver.asgi)
    assert 0 == exchange.reads


@pytest.mark.parametrize("length", [None, "5", "-1", "many"])
async def test_a_body_that_gets_too_large_is_not_read_further(receiver, length):
    """This holds for any announced length."""
    headers = {} if length is None else {"Content-Length": length}
    exchange = Exchange({**signed(b"other"), **headers}, [b"x" * 100] * 100)

    assert 413 == await exchange.with_app(receiver.asgi)
    assert 11 == exchange.reads


async def test_a_body_of_just_the_limit_is_read(receiver):
    body = payload(brief="")
    body = payload(brief="x" * (LIMIT - len(body)))

    assert LIMIT == len(body)
    assert 200 == await post(receiver.asgi, body, {**signed(body), "Content-Length": str(LIMIT)})


async def test_a_sender_that_hangs_up_gets_no_answer(receiver, client):
    exchange = Exchange(signed(payload()), [payload()], hangs_up=True)

    assert None is await exchange.with_app(receiver.asgi)
    assert [] == client.nudged


async def test_a_sender_that_is_gone_before_the_answer_does_no_harm(receiver, client):
    await Exchange(signed(payload()), [payload()], is_gone=True).with_app(receiver.asgi)

    assert ["p1"] == client.nudged


async def test_a_body_that_dawdles_is_given_up_when_the_server_would_give_up(receiver):
    exchange = Exchange(signed(b"x" * 100), [b"x"] * 100, pause=3)
    began = asyncio.get_running_loop().time()

    assert 408 == await exchange.with_app(receiver.asgi)
    assert 10 == asyncio.get_running_loop().time() - began


async def test_cancelling_leaves_nothing_behind(receiver, client):
    serving = asyncio.create_task(Exchange(signed(b"x"), [b"x"], pause=5).with_app(receiver.asgi))
    await asyncio.sleep(1)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving

    assert 200 == await post(receiver.asgi, payload(), signed(payload()))


async def test_lifespan_ends_events_at_shutdown(receiver):
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []
    events = receiver.events()

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message["type"])

    await receiver.asgi({"type": "lifespan"}, receive, send)

    assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == sent
    assert [] == [event async for event in events]


async def test_a_websocket_is_closed(receiver):
    exchange = Exchange({}, [])
    await receiver.asgi({"type": "websocket"}, exchange.receive, exchange.send)

    assert [{"type": "websocket.close"}] == exchange.sent


async def test_other_protocols_are_not_supported(receiver):
    exchange = Exchange({}, [])
    with pytest.raises(NotImplementedError, match="carrier pigeons"):
        await receiver.asgi({"type": "carrier pigeons"}, exchange.receive, exchange.send)


def test_another_loop_is_a_clear_error(receiver):
    with asyncio.Runner() as first, asyncio.Runner() as second:
        assert 200 == first.run(post(receiver.asgi, payload(), signed(payload())))
        with pytest.raises(ConfigurationError, match="belongs to another event loop"):
            second.run(post(receiver.asgi, payload(), signed(payload())))
