"""The HTTP server: aiohttp's, with documented error bodies for unparsable requests."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
"""Function that responds to one request."""

BadRequest: TypeAlias = Callable[[int, str], web.StreamResponse]
"""Function that responds to unparsable input, given a status and the problem."""

_PATIENCE: Final = 16 * 2**20  # bytes read beyond the limit


class Connection(RequestHandler):
    """One connection.

    Unlike its parent class it reports when it is closed, and responds to unparsable input with the documented
    error envelope.
    """

    __slots__ = ("_answer_rubbish", "gone")

    def __init__(self, *args: Any, answer_rubbish: BadRequest, **options: Any) -> None:
        super().__init__(*args, **options)
        self.gone = asyncio.Event()
        self._answer_rubbish = answer_rubbish

    def connection_lost(self, exc: BaseException | None) -> None:
        """Notify all waiters that the connection is closed."""
        self.gone.set()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Respond to input that is not valid HTTP.

        The API handler responds to all other errors itself.
        """
        del request, exc
        answer = self._answer_rubbish(status, message or "")
        answer.force_close()
        return answer


class Server(web.Server):
    """A web server whose connections are of the class `Connection`."""

    def __init__(self, handler: Handler, answer_rubbish: BadRequest) -> None:
        # Hours of virtual time pass in moments: a keep-alive timer would cut connections that are in use.
        super().__init__(handler, access_log=None, keepalive_timeout=86_400.0)
        self._answer_rubbish = answer_rubbish

    def __call__(self) -> Connection:
        """Create a connection."""
        return Connection(self, loop=self._loop, answer_rubbish=self._answer_rubbish, **self._kwargs)


def reset(request: web.BaseRequest) -> None:
    """Reset the connection of a request.

    The client sees a reset instead of an orderly end.
    """
    transport = request.transport
    if transport is None:
        return
    sock = cast("socket.socket | None", transport.get_extra_info("socket"))
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def hang_up(request: web.BaseRequest) -> None:
    """Close a connection in the middle of a response.

    Bytes that were already written are still sent.
    """
    if request.transport is not None:
        request.transport.close()


async def until_gone(request: web.BaseRequest) -> None:
    """Wait until the client has disconnected."""
    protocol = request.protocol
    if isinstance(protocol, Connection):
        await protocol.gone.wait()


async def read_body(request: web.BaseRequest, most: int | None) -> bytes | None:
    """Return the whole body, or None if it is too large.

    The limit applies with and without a Content-Length. A body that is only somewhat too large is still read
    to its end: a client that is refused while it is sending may see a reset instead of the refusal.
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
