"""The server below the door: aiohttp's, but with the documented envelope for requests it cannot parse."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
"""Answers one request."""

BadRequest: TypeAlias = Callable[[int, str], web.StreamResponse]
"""Answers what was no request, given the status and what was wrong with it."""

_PATIENCE: Final = 16 * 2**20  # bytes


class Connection(RequestHandler):
    """One connection. Unlike its parent it knows when it is gone, and answers rubbish with the envelope."""

    __slots__ = ("_answer_rubbish", "gone")

    def __init__(self, *args: Any, answer_rubbish: BadRequest, **options: Any) -> None:
        super().__init__(*args, **options)
        self.gone = asyncio.Event()
        self._answer_rubbish = answer_rubbish

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tell whoever waits for the end of this connection."""
        self.gone.set()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be parsed as HTTP. Everything else the door answers itself."""
        del request, exc
        answer = self._answer_rubbish(status, message or "")
        answer.force_close()
        return answer


class Server(web.Server):
    """Makes such connections."""

    def __init__(self, handler: Handler, answer_rubbish: BadRequest) -> None:
        # Hours of virtual time pass in moments: a keep-alive timer would only cut connections in use.
        super().__init__(handler, access_log=None, keepalive_timeout=86_400.0)
        self._answer_rubbish = answer_rubbish

    def __call__(self) -> Connection:
        """A new connection."""
        return Connection(self, loop=self._loop, answer_rubbish=self._answer_rubbish, **self._kwargs)


def reset(request: web.BaseRequest) -> None:
    """Reset the connection of a request: the client sees a reset, not an orderly end."""
    transport = request.transport
    if transport is None:
        return
    sock = cast("socket.socket | None", transport.get_extra_info("socket"))
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def hang_up(request: web.BaseRequest) -> None:
    """End a connection in the middle of an answer, once what was written has been sent."""
    if request.transport is not None:
        request.transport.close()


async def until_gone(request: web.BaseRequest) -> None:
    """Wait until the client has given up."""
    protocol = request.protocol
    if isinstance(protocol, Connection):
        await protocol.gone.wait()


async def read_body(request: web.BaseRequest, most: int | None) -> bytes | None:
    """The whole body; None if it is larger than allowed, however it comes.

    A body that is somewhat too large is still taken in: a client that is refused while it is sending may
    see a reset instead of the refusal.
    """
    length = request.content_length or 0
    if request.headers.get("Expect", "").lower() == "100-continue":
        if most is not None and length > most:
            return None
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    if not request.can_read_body:
        return b""
    body, size = bytearray(), 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if most is None or size <= most:
            body += chunk
        elif max(size, length) > most + _PATIENCE:
            return None
    return None if most is not None and size > most else bytes(body)
