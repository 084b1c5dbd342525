"""Unverified deliveries cost next to nothing, however many arrive at once."""

from __future__ import annotations

import array
import asyncio

import pytest

from eversince_async import ConfigurationError, WebhookReceiver
from eversince_async.webhooks import signature
from helpers.webhook_deliveries import SECRET, Client, Exchange, payload, post, signed

LIMIT = 1000


@pytest.fixture
def receiver():
    return WebhookReceiver(Client(), secret=SECRET, body_limit=LIMIT, unverified_limit=3 * LIMIT)


def held(receiver):
    return receiver._handler.buffer.held


class Body:
    """A body that arrives as the test sends it."""

    def __init__(self, receiver, headers=None):
        self.chunks = asyncio.Queue()
        headers = signed(b"other") if headers is None else headers
        self.taking = asyncio.create_task(receiver.receive_chunks(headers, self._come()))

    async def _come(self):
        while (chunk := await self.chunks.get()) is not None:
            yield chunk

    async def send(self, *chunks):
        for chunk in chunks:
            self.chunks.put_nowait(chunk)
        await asyncio.sleep(0.01)

    async def verdict(self):
        self.chunks.put_nowait(None)
        return (await self.taking).code


# -- Headers first --------------------------------------------------------------------------------------


def without(name):
    return {known: value for known, value in signed(payload()).items() if known != name}


@pytest.mark.parametrize(
    "headers",
    [
        dict,
        lambda: without("X-Eversince-Signature"),
        lambda: without("X-Eversince-Timestamp"),
        lambda: {**signed(payload()), "X-Eversince-Signature": "sha1=" + 64 * "0"},
        lambda: {**signed(payload()), "X-Eversince-Signature": "sha256=" + 63 * "0"},
        lambda: signed(payload(), age=301),
        lambda: signed(payload(), age=-301),
        lambda: signed(payload(), timestamp="yesterday"),
        lambda: signed(payload(), timestamp="9" * 5000),
    ],
    ids=["none", "no_signature", "no_time", "scheme", "length", "old", "future", "no_date", "endless"],
)
async def test_headers_that_will_not_do_are_refused_before_a_byte_is_read(receiver, headers):
    exchange = Exchange(headers(), [payload()])

    assert 401 == await exchange.with_app(receiver.asgi)
    assert 0 == exchange.reads


async def test_a_door_of_ones_own_reads_no_byte_either(receiver):
    async def chunks():
        pytest.fail("it was read")
        yield b""

    assert "unauthorized" == (await receiver.receive_chunks({}, chunks())).code


async def test_a_body_that_is_there_is_not_looked_at_if_the_headers_will_not_do(receiver, monkeypatch):
    monkeypatch.setattr(signature.SignatureCheck, "update", lambda *_: pytest.fail("it was"))

    assert "unauthorized" == receiver.receive(signed(payload(), age=301), payload()).code


async def test_a_signature_is_computed_as_the_bytes_come(receiver, monkeypatch):
    """The end of a large body then does not block the loop."""
    body, seen, update = payload(), [], signature.SignatureCheck.update

    def noticed(check, chunk):
        seen.append(bytes(chunk))
        update(check, chunk)

    monkeypatch.setattr(signature.SignatureCheck, "update", noticed)

    assert 200 == await Exchange(signed(body), [body[:9], body[9:20], body[20:]]).with_app(receiver.asgi)
    assert [body[:9], body[9:20], body[20:]] == seen


async def test_a_replay_that_dawdles_is_one_all_the_same():
    """Its headers arrive within the tolerance, its body later."""
    client = Client()
    receiver = WebhookReceiver(client, secret=SECRET)
    body, headers = payload(), signed(payload(), age=-299)
    assert 200 == await post(receiver.asgi, body, headers)
    await asyncio.sleep(598)

    again = Exchange(headers, [body[:5], body[5:]], pause=4.5)
    assert 200 == await again.with_app(receiver.asgi)
    assert 1 == receiver.statistics().duplicates
    assert ["p1"] == client.nudged


# -- A common bound -------------------------------------------------------------------------------------


async def test_the_largest_makes_room_when_all_together_hold_too_much(receiver):
    large = Body(receiver)
    await large.send(b"x" * 900)
    others = [Body(receiver) for _ in range(4)]
    for each in others:
        await each.send(b"x" * 600)

    assert 2400 == held(receiver), "the large one is gone"
    await large.send(b"x")
    assert "service_unavailable" == (await large.taking).code
    assert ["unauthorized"] * 4 == [await each.verdict() for each in others]
    assert 0 == held(receiver)


async def test_a_small_delivery_comes_through_among_large_ones(receiver):
    large = [Body(receiver) for _ in range(20)]
    for each in large:
        await each.send(b"x" * 900)

    assert 200 == await post(receiver.asgi, payload(), signed(payload()))
    assert held(receiver) <= 3 * LIMIT
    verdicts = [await each.verdict() for each in large]
    assert {"service_unavailable", "unauthorized"} == set(verdicts)
    assert 0 == held(receiver)


async def test_one_that_was_dropped_as_it_ended_is_refused(receiver):
    """It sends no more bytes, so only its end shows the drop."""
    body = payload(brief="x" * 800)
    ending = Body(receiver, signed(body))
    await ending.send(body)
    others = [Body(receiver) for _ in range(3)]
    for each in others:
        await each.send(b"x" * 800)

    assert "service_unavailable" == await ending.verdict()
    for each in others:
        await each.verdict()


@pytest.mark.parametrize("end", ["cancelled", "hung_up", "reject_too_large", "reject_timeout"])
async def test_bytes_are_given_back_however_it_ends(receiver, end):
    chunks = [b"x" * 600, b"x" * 300] + [b"x" * 600] * (end == "reject_too_large")
    pause = {"reject_timeout": 6.0}.get(end, 0.1)
    exchange = Exchange(signed(b"other"), chunks, pause=pause, hangs_up=end == "hung_up")
    serving = asyncio.create_task(exchange.with_app(receiver.asgi))
    await asyncio.sleep(pause + 0.01)
    assert 600 == held(receiver)
    if end == "cancelled":
        serving.cancel()
    await asyncio.wait([serving])

    assert 0 == held(receiver)


VIEWS = {
    "of numbers": memoryview(array.array("i", [1] * 150)),
    "of numbers, too large": memoryview(array.array("i", [1] * 900)),
    "with gaps": memoryview(b"12" * 300)[::2],
    "in two dimensions": memoryview(b"1" * 600).cast("B", (20, 30)),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
async def test_bytes_of_any_view_are_counted_as_what_they_are(receiver, view):
    whole = view.tobytes()
    body = Body(receiver, signed(whole))
    await body.send(view)
    is_too_large = len(whole) > LIMIT
    assert (0 if is_too_large else len(whole)) == held(receiver)

    assert ("payload_too_large" if is_too_large else "validation_error") == await body.verdict()
    assert 0 == held(receiver)


async def test_what_nobody_has_to_sign_is_bounded_as_well():
    receiver = WebhookReceiver(allow_unsigned=True, body_limit=LIMIT, unverified_limit=LIMIT)
    bodies = [Body(receiver, {}) for _ in range(5)]
    for each in bodies:
        await each.send(b" " * 600)

    assert 600 == held(receiver)
    for each in bodies:
        await each.verdict()


def test_the_bound_is_no_less_than_what_one_body_may_have():
    with pytest.raises(ConfigurationError, match="body_limit, or more"):
        WebhookReceiver(secret=SECRET, body_limit=LIMIT, unverified_limit=LIMIT - 1)
    large = WebhookReceiver(secret=SECRET, body_limit=2**26)

    assert 2**26 == large._handler.buffer.limit
