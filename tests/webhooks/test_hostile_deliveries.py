"""Ten thousand deliveries reach the ASGI application, most of them hostile.

They are forged, replayed, stale, too big or rubbish. Only the genuine and new ones have an effect, and none
makes the receiver raise an error.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from random import Random

import attrs
import pytest

from eversince_async import WebhookReceiver, clock
from eversince_async._wire import json_codec
from eversince_async.webhooks import parsing
from helpers.webhook_deliveries import OTHER_SECRET, SECRET, Client, Exchange, payload, signature, signed

LIMIT = 3000
RUBBISH = [
    b"",
    b"\x00",
    b"null",
    b"[]",
    b"7",
    b'{"id":',
    b"\xff" * 20,
    b"[" * 2000,
    b'{"event":"idle"}',
    b'"\\ud800"',
]


@attrs.define
class World:
    """A source of deliveries that knows the effect each should have."""

    rng: Random
    number: int = 0
    delivered: list[Exchange] = attrs.field(factory=list)
    held_back: list[tuple[str, Exchange]] = attrs.field(factory=list)
    genuine: list[str] = attrs.field(factory=list)

    def next(self) -> tuple[int | None, Exchange]:
        """Return the next delivery, and the status of its response.

        The status is None if there is no response.
        """
        genuine = [self.new, self.new, self.late, self.replayed]
        others = [self.forged, self.stale, self.headless, self.oversized, self.rubbish]
        return self.rng.choice([*genuine, *others, self.broken_off, self.not_posted])()

    def body(self) -> tuple[str, bytes]:
        self.number += 1
        project_id = f"p{self.number}"
        event = self.rng.choice(["running", "generating", "rendering", "idle", "failed", "upscaling"])
        return project_id, payload(project_id, event, brief="x" * self.rng.randrange(500))

    def exchange(self, headers: dict[str, str], body: bytes, **options: object) -> Exchange:
        cuts = sorted(self.rng.randrange(len(body) + 1) for _ in range(self.rng.randrange(3)))
        edges = [0, *cuts, len(body)]
        chunks = [body[start:end] for start, end in itertools.pairwise(edges)]
        if self.rng.random() < 0.5:
            headers = {**headers, "Content-Length": str(len(body))}
        return Exchange(headers, chunks, **options)  # type: ignore[arg-type]  # as given

    def passes(self, project_id: str, exchange: Exchange) -> tuple[int, Exchange]:
        self.genuine.append(project_id)
        self.delivered.append(Exchange(exchange.headers, list(exchange.chunks)))
        return 200, exchange

    # -- Kinds of deliveries ----------------------------------------------------------------------------

    def new(self) -> tuple[int, Exchange]:
        project_id, body = self.body()
        age = self.rng.uniform(-250, 250)
        exchange = self.exchange(signed(body, secret=self.rng.choice([SECRET, OTHER_SECRET]), age=age), body)
        if self.rng.random() < 0.2:  # to arrive out of order
            self.held_back.append((project_id, self.exchange(signed(body), body)))
            return self.forged()
        return self.passes(project_id, exchange)

    def late(self) -> tuple[int, Exchange]:
        if not self.held_back:
            return self.forged()
        project_id, exchange = self.held_back.pop(self.rng.randrange(len(self.held_back)))
        age = clock.wall_seconds() - float(exchange.headers["X-Eversince-Timestamp"])
        return self.passes(project_id, exchange) if age < 300 else (401, exchange)

    def replayed(self) -> tuple[int, Exchange]:
        if not self.delivered:
            return self.forged()
        before = self.rng.choice(self.delivered[-100:])
        age = abs(clock.wall_seconds() - float(before.headers["X-Eversince-Timestamp"]))
        return (200 if age <= 300 else 401), Exchange(before.headers, list(before.chunks))

    def forged(self) -> tuple[int, Exchange]:
        _, body = self.body()
        headers = signed(body)
        right = headers["X-Eversince-Signature"]
        match self.rng.randrange(5):
            case 0:
                headers = signed(body, secret="guessed")
            case 1:
                body = body.replace(b"p", b"q", 1)
            case 2:
                headers["X-Eversince-Timestamp"] += "0"
            case 3:
                position = self.rng.randrange(len(right))
                headers["X-Eversince-Signature"] = right[:position] + "g" + right[position + 1 :]
            case 4:
                headers["X-Eversince-Signature"] = "".join(map(chr, self.rng.choices(range(256), k=70)))
        return 401, self.exchange(headers, body)

    def stale(self) -> tuple[int, Exchange]:
        _, body = self.body()
        age = self.rng.choice([-1, 1]) * self.rng.uniform(302, 1e9)
        return 401, self.exchange(signed(body, age=age), body)

    def oversized(self) -> tuple[int, Exchange]:
        body = payload(brief="x" * self.rng.randrange(LIMIT, 3 * LIMIT))
        return 413, self.exchange(signed(body), body)

    def rubbish(self) -> tuple[int, Exchange]:
        body = self.rng.choice(RUBBISH)
        body += b" " * self.number  # to make each delivery new
        if len(body) > LIMIT:
            return self.forged()
        self.number += 1
        return 400, self.exchange(signed(body), body)

    def headless(self) -> tuple[int, Exchange]:
        _, body = self.body()
        headers = signed(body)
        for name in self.rng.choice([["X-Eversince-Signature"], ["X-Eversince-Timestamp"], list(headers)]):
            del headers[name]
        return 401, self.exchange(headers, body)

    def broken_off(self) -> tuple[None, Exchange]:
        _, body = self.body()
        return None, self.exchange(signed(body), body, hangs_up=True)

    def not_posted(self) -> tuple[int, Exchange]:
        _, body = self.body()
        return 405, self.exchange(signed(body), body, method=self.rng.choice(["GET", "PUT", "HEAD"]))


@pytest.mark.parametrize("seed", range(4))
async def test_only_genuine_deliveries_have_effect(seed):
    world, client = World(Random(seed)), Client()
    receiver = WebhookReceiver(client, secret=[SECRET, OTHER_SECRET], body_limit=LIMIT, queue_size=10_000)
    events = receiver.events()
    statuses = Counter[int | None]()
    for _ in range(2500):
        expected, exchange = world.next()
        assert expected == await exchange.with_app(receiver.asgi)
        statuses[expected] += 1
        await asyncio.sleep(world.rng.random())
    receiver.close()

    assert world.genuine == client.nudged
    assert world.genuine == [event.id async for event in events]
    assert len(world.genuine) > 300
    assert {None, 200, 400, 401, 405, 413} == statuses.keys()
    assert min(statuses.values()) > 100, "each kind had its chance"


@pytest.mark.parametrize("loads", [json_codec.loads, json_codec.read_with_json])
async def test_whatever_is_signed_is_answered(loads, monkeypatch):
    """A genuine delivery may hold anything, even bytes swapped at random."""
    monkeypatch.setattr(parsing, "loads", loads)
    rng = Random(5)
    receiver = WebhookReceiver(Client(), secret=SECRET)
    timeline = {"scenes": [{"id": "s1", "duration": 5.5, "ref": "x7y8z9a0"}], "captions": None}
    asset = {"ref": "x7y8z9a0", "url": "https://cdn.test/a", "created_at": "2026-05-16T10:00:00Z"}
    whole = payload(timeline=timeline, assets=[asset], created_at="2026-05-16T10:00:00Z")
    statuses = set()
    for _ in range(2000):
        body = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            position = rng.randrange(len(body))
            body[position : position + rng.randrange(3)] = rng.choice(
                [b"", b'"', b"{", b"]", b"null", b"-1e999", b"\\ud800", b"\xf0", b"9" * 400, rng.randbytes(2)]
            )
        headers = {
            "X-Eversince-Timestamp": (now := str(round(clock.wall_seconds()))),
            "X-Eversince-Signature": signature(now, bytes(body)),
        }
        statuses.add(await Exchange(headers, [bytes(body)]).with_app(receiver.asgi))

    assert {200, 400} == statuses
