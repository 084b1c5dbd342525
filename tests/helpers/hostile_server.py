"""A server all of whose words and files are hostile, in a thread of its own, in front of an emulator.

What it does to a video is told by the brief, which the emulator repeats: `hostile:KIND`.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from typing import Any, Self

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

SIGNATURE = "hush0signature0of0the0store"
"""Access to what it stores; nobody may show it."""

EVIL = (
    "\x1b]52;c;cm0gLXJm\x07\x1b]8;;http://evil.example\x07click\x1b]8;;\x07\x1b]0;PWNED\x07\x1b[2J\x1b[31m\x9b31m"
    "\x9d0;x\x9c\u202e\u2066\u200f\u2028\x08\r[link=http://evil.example]x[/link][/][bold]$(id)`id`"
)
"""What steers terminals, turns them around, and is markup to rich."""

FILM = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 64

ESCAPE = "../../../escaped/"
"""What hostile ids begin with."""

STORES: dict[str, tuple[int, dict[str, str], bytes]] = {
    "page": (200, {}, f"<html>{EVIL}</html>".encode()),
    "loop": (302, {"Location": "SELF"}, b""),
    "downgrade": (302, {"Location": f"ftp://u:{SIGNATURE}@store.example/x"}, b""),
    "steers": (302, {"Location": "http://store.example/\x9b31m\u202e"}, b""),
    "short": (200, {"Content-Length": "99999999"}, FILM),
    "refuses": (403, {}, f"<Error><Code>SignatureDoesNotMatch</Code><Sig>{SIGNATURE}</Sig></Error>".encode()),
    "packed": (200, {"Content-Encoding": "gzip", "ETag": f'"{SIGNATURE}"'}, FILM),
    "nothing": (200, {}, b""),
}
"""What its store answers, by the kind of the video; the others get a film."""

PACE = {"X-Emulator-Speed", "X-Emulator-Epoch"}
HOP = {"host", "content-length", "connection", "transfer-encoding", "content-encoding"}


class HostileServer:
    """Stands between the command line and an emulator.

    Args:
        base_url: The emulator's.

    Attributes:
        base_url: Its own.
    """

    def __init__(self, base_url: str) -> None:
        self._target = base_url.removesuffix("/api/v1")
        self._kinds: dict[str, str] = {}
        self._pace: dict[str, str] = {}
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(30)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self.base_url = f"{self._origin}/api/v1"
        async with aiohttp.ClientSession(auto_decompress=False) as self._http:
            self._ready.set()
            await self._over.wait()
        await runner.cleanup()

    # -- Requests ---------------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith("/store/"):
            return await self._store(request)
        body = await request.read()
        refused = self._refused(request, body)
        if refused is not None:
            return refused
        # An id of ours is not one of the emulator's until its beginning is taken off.
        target = self._target + re.sub(r"/projects/[^/?]*(proj_\w+)", r"/projects/\1", request.raw_path)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        async with self._http.request(request.method, target, data=body, headers=headers) as answer:
            text = await answer.read()
            kept = CIMultiDict(pair for pair in answer.headers.items() if pair[0].lower() not in HOP)
            # Without the emulator's pace in all answers, whoever hears it would go on in real time.
            self._pace = {name: value for name, value in kept.items() if name in PACE}
            kept["X-Request-Id"] = "req_\x9b31m]52;c;eA==\xff"
            if request.method == "POST" and request.path.endswith("/projects"):
                self._learn(json.loads(text), body)
            found = re.search(r"proj_\w+", request.path)
            kind = None if found is None else self._kinds.get(found[0])
            changed = json.dumps(self._edited(json.loads(text), kind)).encode()
            return web.Response(body=changed, status=answer.status, headers=kept)

    def _refused(self, request: web.BaseRequest, body: bytes) -> web.Response | None:
        """Refuse to make some, in the words of an enemy."""
        if request.method != "POST" or not request.path.endswith("/projects"):
            return None
        match kind_of(json.loads(body)["brief"]):
            case "refused":
                error = {"code": "validation_error", "message": f"brief: {EVIL} {SIGNED}", "status": 400}
                return web.json_response({"error": error}, status=400, headers=self._pace)
            case "gateway":
                return web.Response(body=f"<html>{EVIL}</html>".encode(), status=400, headers=self._pace)
        return None

    def _learn(self, project: Any, body: bytes) -> None:
        kind = kind_of(json.loads(body)["brief"])
        if kind is not None and "id" in project:
            self._kinds[project["id"]] = kind

    def _edited(self, answer: Any, kind: str | None) -> Any:
        """An answer in hostile words, with all addresses of films in it replaced by our own."""
        match answer:
            case {"id": str(id_), **project} if id_ in self._kinds:
                kind = self._kinds[id_]
                project = {name: self._value(name, value, kind) for name, value in project.items()}
                return self._hostile(id_, kind, project)
            case dict():
                return {name: self._value(name, value, kind) for name, value in answer.items()}
            case list():
                return [self._edited(value, kind) for value in answer]
        return answer

    def _value(self, name: str, value: Any, kind: str | None) -> Any:
        if name == "share_url" and value and kind == "ids":
            return f"javascript:alert(1)//{EVIL}"
        if name.endswith("url") and isinstance(value, str) and kind and name != "share_url":
            return f"{self._origin}/store/{kind}.mp4?X-Amz-Signature={SIGNATURE}"
        return self._edited(value, kind)

    def _hostile(self, id_: str, kind: str, project: dict[str, Any]) -> dict[str, Any]:
        texts = {"title": f"title {EVIL}", "agent_message": EVIL, "warning": EVIL, "mode": EVIL, EVIL: EVIL}
        if project.get("status") == "idle" and kind == "failed":
            texts |= {"status": "failed", "error_message": f"{EVIL} {SIGNED}"}
        return {**project, **texts, "id": f"{ESCAPE}{id_}" if kind == "ids" else id_}

    async def _store(self, request: web.BaseRequest) -> web.StreamResponse:
        kind = request.path.removeprefix("/store/").removesuffix(".mp4")
        status, headers, body = STORES.get(kind, (200, {}, FILM))
        headers = {name: value.replace("SELF", request.raw_path) for name, value in headers.items()}
        answer = web.StreamResponse(status=status, headers=headers)
        answer.headers.setdefault("Content-Length", str(len(body)))
        await answer.prepare(request)
        await answer.write(body)
        assert request.transport is not None
        request.transport.close()  # also where more was announced
        return answer


SIGNED = f"https://store.example/v.mp4?X-Amz-Signature={SIGNATURE}"


def kind_of(brief: str) -> str | None:
    found = re.search(r"hostile:(\w+)", brief)
    return None if found is None else found[1]
