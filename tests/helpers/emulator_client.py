"""Calling an emulator over real HTTP with bare aiohttp: nothing of the client under test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import attrs

from eversince_async.emulator import API_KEY, Emulator

EVERYWHERE = ("X-Request-Id", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Date")
"""Headers on every answer."""


@attrs.frozen
class Reply:
    """One answer."""

    status: int
    body: Any
    headers: Any

    @property
    def code(self) -> str:
        """The error's code; the envelope is checked on the way."""
        error = self.body["error"]
        assert {"code", "message", "status"} == error.keys()
        assert self.status == error["status"]
        return str(error["code"])

    @property
    def message(self) -> str:
        return str(self.body["error"]["message"])

    @property
    def refusal(self) -> tuple[int, str]:
        return self.status, self.code


class Calls:
    """Calls one emulator."""

    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session

    async def __call__(self, method: str, path: str, key: str | None = API_KEY, **options: Any) -> Reply:
        """Call the API, or any other place by its whole URL."""
        headers = dict(options.pop("headers", {}))
        if path.startswith("/"):
            path = self.emulator.base_url + path
            if key is not None:
                headers.setdefault("Authorization", f"Bearer {key}")
        async with self.session.request(method, path, headers=headers, **options) as answer:
            body = await answer.read()
            is_json = answer.content_type == "application/json"
            return Reply(answer.status, json.loads(body) if is_json and body else body, answer.headers)

    async def create(self, brief: str = "A film", **fields: Any) -> str:
        """Create a project; give its ID."""
        reply = await self("POST", "/projects", json={"brief": brief, **fields})
        assert 202 == reply.status, reply
        return str(reply.body["id"])

    async def settled(self, project_id: str) -> dict[str, Any]:
        """Wait until a project has settled; give its status answer."""
        while True:
            reply = await self("GET", f"/projects/{project_id}")
            if reply.body["status"] not in {"queued", "running", "generating", "rendering"}:
                return dict(reply.body)
            await asyncio.sleep(30)

    async def raw(self, *pieces: bytes) -> bytes:
        """Send bytes on a connection of their own; give everything that comes back before its end."""
        host, _, port = self.emulator.places.api.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        try:
            return await asyncio.wait_for(reader.read(), 30)
        finally:
            writer.close()


@asynccontextmanager
async def calling(emulator: Emulator) -> AsyncIterator[Calls]:
    """Run an emulator and call it."""
    async with emulator, aiohttp.ClientSession(auto_decompress=True) as session:
        yield Calls(emulator, session)
