"""The guard as ASGI middleware: for FastAPI, Starlette, Django, Litestar and Quart."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from guard import HEADERS, Refused, check

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guarded:
    """An application that receives only requests that pass the guard."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            check(scope["method"], scope["path"], headers)
        except Refused as refused:
            await refuse(refused, send)
            return
        await self._app(scope, receive, _adding(send))


async def refuse(refused: Refused, send: Send) -> None:
    """Respond that a request is refused."""
    body = json.dumps(refused.to_json()).encode()
    names = {"Content-Type": "application/json", "Content-Length": str(len(body)), **HEADERS}
    await send({"type": "http.response.start", "status": refused.status, "headers": _raw(names)})
    await send({"type": "http.response.body", "body": body})


def _adding(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *_raw(HEADERS)]
        await send(message)

    return sending


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
