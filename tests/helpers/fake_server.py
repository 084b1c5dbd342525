"""A server that plays a script: for each request one answer, good, or broken in the way a test wants."""

from __future__ import annotations

import asyncio
import gc
import json as _json
import socket
import struct
from typing import TYPE_CHECKING, Any, Self

import attrs
import pytest
from aiohttp.client_proto import ResponseHandler

from eversince_async import Eversince

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

KEY = "es_live_scripted-secret"


@attrs.frozen(kw_only=True)
class Say:
    """An HTTP answer.

    Attributes:
        status: Its status.
        json: Its body, as JSON.
        body: Its body, as it is.
        headers: Its headers; Content-Length comes by itself.
        after: Seconds until it is said.
        cut: Bytes of the body after which the connection ends, although more were announced.
        lingers: Seconds between the last of these and the end: aiohttp drops what nobody has read by then.
    """

    status: int = 200
    json: Any = None
    body: bytes | None = None
    headers: Mapping[str, str] = {}
    after: float = 0.0
    cut: int | None = None
    lingers: float = 0.0

    def content(self) -> bytes:
        if self.body is not None:
            return self.body
        return b"" if self.json is None else _json.dumps(self.json).encode()


@attrs.frozen
class Reset:
    """The connection is reset when the request has been read."""


@attrs.frozen
class ResetUnread:
    """The connection is reset before the request has been read."""


@attrs.frozen
class Hang:
    """Nothing ever comes."""


Play = Say | Reset | ResetUnread | Hang


@attrs.frozen
class Seen:
    """A request as it arrived; header names are in lower case."""

    at: float
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return _json.loads(self.body)


def refusal(status: int, code: str, message: str = "no", **more: Any) -> Say:
    """An error in the documented envelope."""
    return Say(status=status, json={"error": {"code": code, "message": message, "status": status}}, **more)


class ScriptedServer:
    """Plays `script`, one item for each request; the last item is played for ever.

    Attributes:
        script: What is still to be played.
        seen: The requests so far.
    """

    def __init__(self) -> None:
        self.script: list[Play] = []
        self.seen: list[Seen] = []
        self._listening = socket.socket()
        self._listening.bind(("127.0.0.1", 0))  # bound, but not listening yet: connecting is refused
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}/api/v1"

    def plays(self, *script: Play) -> Self:
        self.script[:] = script
        return self

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._listening)

    async def aclose(self) -> None:
        if self._server is not None:
            self._server.close()
        self._listening.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    def client(self, **options: Any) -> Eversince:
        return Eversince(**{"api_key": KEY, "base_url": self.base_url, **options})

    # -- One connection ---------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        try:
            while True:
                if self.script and isinstance(self.script[0], ResetUnread):
                    self._next()
                    return reset(writer)
                seen = await self._read(reader)
                if seen is None:
                    return None
                self.seen.append(seen)
                if not await self._play(self._next(), writer):
                    return None
        except (ConnectionError, asyncio.CancelledError):  # the client has gone, or the test is over
            return None
        finally:
            writer.close()

    def _next(self) -> Play:
        assert self.script, "there is one request more than the script has answers"
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    @staticmethod
    async def _read(reader: asyncio.StreamReader) -> Seen | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.split("\r\n")[:-2]
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return Seen(asyncio.get_running_loop().time(), method, target, headers, body)

    @staticmethod
    async def _play(play: Play, writer: asyncio.StreamWriter) -> bool:
        """Answer; return whether the connection goes on."""
        match play:
            case Say():
                await asyncio.sleep(play.after)
                content = play.content()
                lines = [f"HTTP/1.1 {play.status} Said", f"Content-Length: {len(content)}"]
                lines += [f"{name}: {value}" for name, value in play.headers.items()]
                head = "\r\n".join(lines).encode() + b"\r\n\r\n"
                writer.write(head + (content if play.cut is None else content[: play.cut]))
                await writer.drain()
                if play.cut is not None:
                    await asyncio.sleep(play.lingers)
                return play.cut is None
            case Reset() | ResetUnread():
                reset(writer)
            case Hang():
                await asyncio.Event().wait()
        return False


def reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def everything_behind(error: BaseException) -> str:
    """All that an error, and whatever hangs on it, can tell to somebody who looks."""
    told: list[str] = []
    left, seen = [error], set[int]()
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        told += [str(each), repr(each), repr(vars(each)), repr(each.args)]
        left += [other for other in (each.__cause__, each.__context__) if other is not None]
    return "\n".join(told)


def open_sockets() -> int:
    """The connections that clients of this process have open, in a pool or out of it."""
    gc.collect()
    handlers = [thing for thing in gc.get_objects() if type(thing) is ResponseHandler]
    return sum(each.transport is not None and not each.transport.is_closing() for each in handlers)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """A scripted server of its own for each test."""
    server = ScriptedServer()
    await server.start()
    yield server
    await server.aclose()


@pytest.fixture
async def sleeping_server() -> AsyncIterator[ScriptedServer]:
    """The same, but connections are refused until it is started."""
    server = ScriptedServer()
    yield server
    await server.aclose()
