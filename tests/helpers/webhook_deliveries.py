"""Webhook deliveries made by hand: signed with the standard library, not with the code under test."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
from aiohttp import web

from eversince_async import clock

SECRET = "whsec_of_the_tests"
OTHER_SECRET = "whsec_of_the_next_quarter"


def payload(project_id: str = "p1", event: str = "running", **fields: Any) -> bytes:
    return json.dumps({"id": project_id, "status": event, "event": event, **fields}).encode()


def signature(timestamp: str, body: bytes, secret: str = SECRET) -> str:
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


def signed(
    body: bytes, *, secret: str = SECRET, age: float = 0.0, timestamp: str | None = None
) -> dict[str, str]:
    """Headers of a delivery that was signed some seconds ago."""
    timestamp = str(round(clock.wall_seconds() - age)) if timestamp is None else timestamp
    return {
        "X-Eversince-Timestamp": timestamp,
        "X-Eversince-Signature": signature(timestamp, body, secret),
    }


@attrs.define
class Client:
    """Stands for the client a receiver wakes up."""

    nudged: list[str] = attrs.field(factory=list)

    def nudge(self, project_id: str, /) -> None:
        self.nudged.append(project_id)


@attrs.define
class Exchange:
    """One request to an ASGI application, without a server.

    Attributes:
        headers: Its headers.
        chunks: What arrives of its body.
        method: Its method.
        pause: Seconds before each chunk.
        hangs_up: Whether the sender goes away where the body is not over.
        is_gone: Whether it went away before the answer.
        reads: How often the application asked for more.
        sent: What the application answered.
    """

    headers: dict[str, str]
    chunks: list[bytes]
    method: str = "POST"
    pause: float = 0.0
    hangs_up: bool = False
    is_gone: bool = False
    reads: int = 0
    sent: list[dict[str, Any]] = attrs.field(factory=list)

    async def receive(self) -> dict[str, Any]:
        self.reads += 1
        if self.pause:
            await asyncio.sleep(self.pause)
        if not self.chunks:
            return {"type": "http.disconnect"}
        chunk = self.chunks.pop(0)
        more = bool(self.chunks) or self.hangs_up
        return {"type": "http.request", "body": chunk, "more_body": more}

    async def send(self, message: Any) -> None:
        if self.is_gone:
            raise OSError("the connection is closed")
        self.sent.append(message)

    async def with_app(self, app: Any) -> int | None:
        """The status of the app's answer; None if there was none."""
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        scope = {"type": "http", "method": self.method, "path": "/", "headers": headers}
        await app(scope, self.receive, self.send)
        return self.sent[0]["status"] if self.sent else None

    @property
    def answer(self) -> Any:
        return json.loads(self.sent[1]["body"])


async def post(app: Any, body: bytes, headers: dict[str, str]) -> int | None:
    """Post a delivery to an ASGI application; the status of the answer."""
    return await Exchange(headers, [body]).with_app(app)


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """The URL of an aiohttp application that runs on this machine."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
