"""Whatever is posted where webhooks are taken, it is answered, and only what is genuine has an effect."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async import WebhookError, WebhookReceiver, clock
from eversince_async.testing import VirtualTimeLoop
from eversince_async.webhooks.parsing import parse_event, project_id_of
from eversince_async.webhooks.signature import verify_signature
from helpers.fuzz_data import bounded, damaged, documents, fuzzed, odd_text

pytestmark = pytest.mark.slow

SECRET = "whsec_of_the_tests"
SIGNATURE, TIMESTAMP = "X-Eversince-Signature", "X-Eversince-Timestamp"
names = st.sampled_from(
    ["id", "status", "event", "brief", "assembled_url", "timeline", "assets", "created_at"]
)
bodies = (
    st.binary(max_size=100)
    | documents(names).map(lambda value: json.dumps(value).encode())
    | damaged(json.dumps({"id": "p1", "status": "idle", "event": "idle", "brief": "b"}).encode())
)


def sign(timestamp: str, body: bytes) -> str:
    text = timestamp.encode("utf-8", "surrogatepass") + b"." + body
    return "sha256=" + hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()


class Client:
    def __init__(self) -> None:
        self.nudged: list[str] = []

    def nudge(self, project_id: str, /) -> None:
        self.nudged.append(project_id)


async def post(
    receiver: WebhookReceiver, headers: list[tuple[bytes, bytes]], chunks: list[bytes]
) -> int | None:
    """The status of the answer to a delivery; None for none."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not chunks:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    async def send(message: Any) -> None:
        sent.append(message)

    await receiver.asgi({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive, send)
    return sent[0]["status"] if sent else None


def raw(text: str) -> bytes:
    return text.encode("latin-1", "replace")


fields = st.lists(
    st.tuples(
        st.sampled_from([SIGNATURE, TIMESTAMP, SIGNATURE.lower(), "Content-Length", "Content-Type"])
        | odd_text,
        odd_text | st.sampled_from(["sha256=" + "0" * 64, "sha256=zz", "SHA256=", "1700000000", "5", "-5"]),
    ),
    max_size=6,
)


@fuzzed(60)
@given(fields, bodies, st.integers(1, 4))
def test_what_nobody_signed_is_refused_and_has_no_effect(
    headers: list[tuple[str, str]], body: bytes, pieces: int
) -> None:
    client = Client()
    step = -(-len(body) // pieces) or 1
    chunks = [body[at : at + step] for at in range(0, len(body), step)] or [b""]

    async def deliver() -> int | None:
        receiver = WebhookReceiver(client, secret=SECRET)
        return await post(receiver, [(raw(name).lower(), raw(value)) for name, value in headers], chunks)

    with bounded(len(body)), asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        status = runner.run(deliver())
    assert status is None or 400 <= status < 500
    assert [] == client.nudged


@fuzzed(60)
@given(bodies)
def test_what_is_signed_is_taken_or_refused(body: bytes) -> None:
    async def deliver() -> int | None:
        timestamp = str(round(clock.wall_seconds()))
        headers = [
            (TIMESTAMP.lower().encode(), raw(timestamp)),
            (SIGNATURE.lower().encode(), raw(sign(timestamp, body))),
        ]
        return await post(WebhookReceiver(Client(), secret=SECRET), headers, [body])

    with bounded(len(body)), asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(deliver()) in {200, 400}


@fuzzed(60)
@given(st.none() | odd_text, st.none() | odd_text, st.binary(max_size=50))
def test_no_signature_is_genuine_by_chance(timestamp: str | None, signature: str | None, body: bytes) -> None:
    with bounded(1000):
        for given_ in (signature, None if timestamp is None else sign(timestamp, body + b"!")):
            refused = False
            try:
                verify_signature(SECRET, timestamp, body, given_)
            except WebhookError:
                refused = True
            assert refused


@fuzzed(60)
@given(odd_text, st.binary(max_size=50))
def test_any_timestamp_that_was_signed_is_fresh_or_refused(timestamp: str, body: bytes) -> None:
    with bounded(1000), suppress(WebhookError):
        verify_signature(SECRET, timestamp, body, sign(timestamp, body))


@fuzzed(60)
@given(bodies)
def test_any_body_is_an_event_or_refused(body: bytes) -> None:
    with bounded(len(body)):
        project = project_id_of(body)
        with suppress(WebhookError):
            event = parse_event(body)
            assert event.id == project
            assert repr(event)
