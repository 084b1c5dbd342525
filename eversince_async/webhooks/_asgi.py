"""The receiver as a plain ASGI application (ASGI 3.0)."""

from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import aclosing, suppress
from typing import Any

from eversince_async.webhooks.handler import DeliveryHandler
from eversince_async.webhooks.result import DeliveryResult

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ClientDisconnected(Exception):
    """The sender disconnected before the whole body arrived."""


class AsgiApp:
    """An ASGI application that accepts webhooks.

    Run it by `uvicorn.run(receiver.asgi)`, or mount it in another application. It is an object rather than a
    function, so that Starlette and FastAPI do not take it for a view.
    """

    def __init__(self, delivery_handler: DeliveryHandler) -> None:
        self._handler = delivery_handler

    def __repr__(self) -> str:
        return "<WebhookReceiver.asgi>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        match scope["type"]:
            case "http":
                await self._serve(scope, receive, send)
            case "lifespan":
                await self._lifespan(receive, send)
            case "websocket":
                await send({"type": "websocket.close"})
            case other:  # servers take this for "not supported", as ASGI asks
                raise NotImplementedError(f"a webhook receiver serves no {other}")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._handler.inbox.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._handler.bind()
        try:
            verdict = await self._respond(scope, receive)
        except ClientDisconnected:
            return
        headers = {**verdict.headers, "Content-Length": str(len(verdict.body))}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        with suppress(OSError):  # the sender has disconnected, and gets no response
            await send({"type": "http.response.start", "status": verdict.status, "headers": raw})
            await send({"type": "http.response.body", "body": verdict.body})

    async def _respond(self, scope: Scope, receive: Receive) -> DeliveryResult:
        if scope["method"] != "POST":
            return self._handler.reject_method()
        async with aclosing(_chunks(receive)) as chunks:
            return await self._handler.take(scope["headers"], chunks)


async def _chunks(receive: Receive) -> AsyncGenerator[bytes, None]:
    """Yield the body as it arrives.

    Raises:
        ClientDisconnected: The sender disconnected before the end of the body.
    """
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnected
        yield message.get("body") or b""
        if not message.get("more_body"):
            return
