"""The receiver as a plain ASGI application (ASGI 3.0)."""

from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import aclosing, suppress
from typing import Any

from eversince_async.webhooks.reception import Reception
from eversince_async.webhooks.verdict import Verdict

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class HungUpError(Exception):
    """The sender went away before the whole body had come."""


class AsgiDoor:
    """An ASGI application that takes webhooks: `uvicorn.run(receiver.asgi)`, or mounted in another one.

    An object rather than a function: Starlette and FastAPI then see that it is no view of theirs.
    """

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    def __repr__(self) -> str:
        return "<WebhookReceiver.asgi>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the server's."""
        match scope["type"]:
            case "http":
                await self._serve(scope, receive, send)
            case "lifespan":
                await self._live(receive, send)
            case "websocket":
                await send({"type": "websocket.close"})
            case other:  # servers take this for "not supported", as ASGI asks
                raise NotImplementedError(f"a webhook receiver serves no {other}")

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._reception.inbox.end()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._reception.bind()
        try:
            verdict = await self._verdict(scope, receive)
        except HungUpError:
            return
        headers = {**verdict.headers, "Content-Length": str(len(verdict.body))}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        with suppress(OSError):  # the sender has gone, so it never hears
            await send({"type": "http.response.start", "status": verdict.status, "headers": raw})
            await send({"type": "http.response.body", "body": verdict.body})

    async def _verdict(self, scope: Scope, receive: Receive) -> Verdict:
        if scope["method"] != "POST":
            return self._reception.not_a_post()
        async with aclosing(_chunks(receive)) as chunks:
            return await self._reception.take(scope["headers"], chunks)


async def _chunks(receive: Receive) -> AsyncGenerator[bytes, None]:
    """The body as it comes.

    Raises:
        HungUpError: The sender went away in the middle.
    """
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise HungUpError
        yield message.get("body") or b""
        if not message.get("more_body"):
            return
