"""An emulator behind a proxy that changes responses.

A replica that does not know new projects yet does so.
"""

import asyncio
import json
from typing import Any, Self

import aiohttp
from aiohttp import web

from eversince_async.emulator import Emulator

UNKNOWN = {"error": {"code": "not_found", "message": "Project not found", "status": 404}}
HOP = {"host", "content-length", "connection", "transfer-encoding", "content-encoding"}


class Proxy:
    """A proxy that passes requests on, unless `refuse` or `edit` intervenes.

    Attributes:
        connection: The arguments with which a client connects to it.
        refusals: The number of 429 responses of the emulator.
    """

    def __init__(self, emulator: Emulator) -> None:
        self.refusals = 0
        self._emulator = emulator

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

    def refuse(self, method: str, path: str) -> bool:
        """Return True to respond with 404 without asking the emulator."""
        return False

    def edit(self, method: str, path: str, answer: Any) -> Any:
        """Return the changed JSON of a successful response."""
        return answer

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, body = request.path.removeprefix("/api/v1"), await request.read()
        if self.refuse(request.method, path):
            return web.json_response(UNKNOWN, status=404)
        target = self._emulator.connection["base_url"].removesuffix("/api/v1") + request.raw_path
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        async with self._http.request(request.method, target, data=body, headers=headers) as answer:
            text = await answer.read()
            if answer.status < 300 and path.startswith("/projects"):
                text = json.dumps(self.edit(request.method, path, json.loads(text))).encode()
            self.refusals += answer.status == 429
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
            return web.Response(status=answer.status, headers=kept, body=text)


class Replica(Proxy):
    """A proxy that hides projects for their first `hidden` seconds.

    The time counts from their creation or adoption.

    Attributes:
        refused: The requests refused with 404 because of that, as method and path.
    """

    def __init__(self, emulator: Emulator, hidden: float) -> None:
        super().__init__(emulator)
        self.hidden = hidden
        self.refused: list[tuple[str, str]] = []
        self._born: dict[str, float] = {}

    def refuse(self, method: str, path: str) -> bool:
        part = path.split("/")[2] if path.startswith("/projects/") else ""
        if self._is_hidden(part):
            self.refused.append((method, path))
            return True
        return False

    def edit(self, method: str, path: str, answer: Any) -> Any:
        if path not in {"/projects", "/projects/adopt"}:
            return answer
        if method == "POST":
            self._born[answer["id"]] = asyncio.get_running_loop().time()
        else:
            before = len(answer["projects"])
            answer["projects"] = [each for each in answer["projects"] if not self._is_hidden(each["id"])]
            answer["total"] -= before - len(answer["projects"])
        return answer

    def _is_hidden(self, project_id: str) -> bool:
        born = self._born.get(project_id)
        return born is not None and asyncio.get_running_loop().time() - born < self.hidden
