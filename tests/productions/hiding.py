"""An emulator behind a replica that does not know of new projects for a while."""

import asyncio
import json
from typing import Any, Self

import aiohttp
from aiohttp import web

from eversince_async.emulator import Emulator

UNKNOWN = {"error": {"code": "not_found", "message": "Project not found", "status": 404}}
HOP = {"host", "content-length", "connection", "transfer-encoding", "content-encoding"}


class Replica:
    """Answers as the emulator does, but shows no project that was created less than `hidden` seconds ago.

    Attributes:
        refused: Requests it answered with 404 because of that, as method and path.
        refusals: How often the emulator answered 429.
    """

    def __init__(self, emulator: Emulator, hidden: float) -> None:
        self.hidden = hidden
        self.refused: list[tuple[str, str]] = []
        self.refusals = 0
        self._emulator = emulator
        self._born: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        self._runner = web.ServerRunner(web.Server(self._handle))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port = self._runner.addresses[0][1]
        self.connection: dict[str, Any] = {
            "api_key": self._emulator.connection["api_key"],
            "base_url": f"http://127.0.0.1:{port}/api/v1",
        }
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, body = request.path.removeprefix("/api/v1"), await request.read()
        part = path.split("/")[2] if path.startswith("/projects/") else ""
        if self._is_hidden(part):
            self.refused.append((request.method, path))
            return web.json_response(UNKNOWN, status=404)
        target = self._emulator.connection["base_url"].removesuffix("/api/v1") + request.raw_path
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        async with self._http.request(request.method, target, data=body, headers=headers) as answer:
            text = self._edited(request.method, path, answer.status, await answer.read())
            self.refusals += answer.status == 429
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
            return web.Response(status=answer.status, headers=kept, body=text)

    def _edited(self, method: str, path: str, status: int, body: bytes) -> bytes:
        if status >= 300 or path not in {"/projects", "/projects/adopt"}:
            return body
        shown = json.loads(body)
        if method == "POST":
            self._born[shown["id"]] = asyncio.get_running_loop().time()
        else:
            before = len(shown["projects"])
            shown["projects"] = [each for each in shown["projects"] if not self._is_hidden(each["id"])]
            shown["total"] -= before - len(shown["projects"])
        return json.dumps(shown).encode()

    def _is_hidden(self, project_id: str) -> bool:
        born = self._born.get(project_id)
        return born is not None and asyncio.get_running_loop().time() - born < self.hidden
