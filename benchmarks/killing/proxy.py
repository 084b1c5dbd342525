"""A hostile proxy between the workers and the emulator.

It simulates what networks and gateways do to requests. It forwards whole HTTP messages, each over a separate
connection, and damages some of them: late, reset before or after the server has seen them, answered in half
or not at all, or answered by a gateway's HTML page with any status. An outage does that to all requests for
minutes. A request that has arrived is forwarded even if its client has died meanwhile, as by a real proxy.

Every request leaves a line in `proxy.jsonl`, so that refusals can be explained afterwards.
"""

import asyncio
import json
import random
import signal
import socket
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import attrs

from eversince_async import clock

Fate: TypeAlias = Literal[
    "served",
    "reset before",
    "reset after",
    "half",
    "page before",
    "page after",
    "stalled before",
    "stalled after",
]
"""The fate of a request.

"before" means instead of forwarding the request, "after" means forwarding it and withholding its response.
"""

TROUBLE: Final[tuple[Fate, ...]] = (
    "reset before",
    "reset after",
    "half",
    "page before",
    "page after",
    "stalled before",
    "stalled after",
)

PAGES: Final = (200, 302, 400, 403, 404, 405, 408, 413, 415, 421, 429, 500, 502, 503, 504, 520)
"""Statuses of a gateway's pages.

401 is left out: it pauses a batch until a person acts.
"""

STALLS_SHARE: Final = 0.2
"""Share of randomly chosen stalls that happen: each costs a minute's timeout."""

LATENCY: Final = (0.02, 1.0)
"""Seconds that a request takes on its way, and its response back."""

OUTAGE: Final = (60.0, 240.0)
"""Seconds that an outage lasts."""

OUTAGES: Final[tuple[Fate, ...]] = ("reset before", "page before", "stalled before", "page after", "half")
"""Effects of an outage on every request.

In the last two the server goes on working behind the proxy.
"""

HEAD_LIMIT: Final = 2**17


@attrs.define
class Proxy:
    """Forwards requests from two ports to the emulator's two ports.

    Attributes:
        ports: The emulator's port for each port of the proxy.
        share: Share of requests that are damaged.
        chance: Source of randomness for times and fates.
        log: File of the request lines.
        outages: Number of outages so far.
    """

    ports: dict[int, int]
    share: float
    chance: random.Random
    log: Path
    outages: int = 0
    _outage: tuple[Fate, float] = ("served", 0.0)
    _servers: list[asyncio.Server] = attrs.field(factory=list, init=False)
    _exchanges: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)

    async def start(self) -> None:
        """Listen on the proxy's ports."""
        for ours, theirs in self.ports.items():

            async def serve(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, theirs: int = theirs
            ) -> None:
                await self._serve(Client(reader, writer), theirs)

            self._servers.append(await asyncio.start_server(serve, "127.0.0.1", ours, limit=HEAD_LIMIT))

    async def stop(self) -> None:
        """Stop listening, and drop the exchanges under way."""
        for server in self._servers:
            server.close()
        for task in self._exchanges:
            task.cancel()
        if self._exchanges:
            await asyncio.wait(self._exchanges)

    def begin_outage(self) -> None:
        """Damage every request for some minutes."""
        self.outages += 1
        ends_at = asyncio.get_running_loop().time() + self.chance.uniform(*OUTAGE)
        self._outage = (self.chance.choice(OUTAGES), ends_at)

    async def _serve(self, client: "Client", port: int) -> None:
        """Respond to the requests of one connection, one after the other."""
        task = asyncio.current_task()
        assert task is not None
        self._exchanges.add(task)
        try:
            while (message := await client.read()) is not None:
                if not await self._exchange(client, message, port):
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._exchanges.discard(task)
            client.close()

    def _fate(self) -> Fate:
        kind, ends_at = self._outage
        if asyncio.get_running_loop().time() < ends_at:
            return kind
        if self.chance.random() >= self.share:
            return "served"
        fate = self.chance.choice(TROUBLE)
        stalls = fate.startswith("stalled")
        return "served" if stalls and self.chance.random() >= STALLS_SHARE else fate

    async def _exchange(self, client: "Client", message: "Message", port: int) -> bool:
        """Apply a fate to one request; return True if the connection survives."""
        fate = self._fate()
        line: dict[str, Any] = {"at": clock.wall_seconds(), "request": message.start, "fate": fate}
        answer = None
        try:
            await asyncio.sleep(self.chance.uniform(*LATENCY))
            if not fate.endswith("before"):
                line |= {"forwarded": clock.wall_seconds(), "orphan": client.is_gone}
                answer = await forward(message, port)
                if answer is not None:
                    line |= {"status": answer.status, "code": answer.code}
                await asyncio.sleep(self.chance.uniform(*LATENCY))
        finally:
            self._write(line)
        if fate.startswith("stalled"):
            await client.gone()
        elif fate.startswith("page"):
            client.write(page(self.chance.choice(PAGES), self.chance))
            return True
        elif fate == "half" and answer is not None:
            client.write(answer.readdressed(self.ports)[: -max(1, len(answer.body) // 2)])
        elif fate == "served" and answer is not None:
            client.write(answer.readdressed(self.ports))
            return True
        elif fate == "served":  # the emulator is down, or it reset the connection
            client.write(page(502, self.chance))
            return True
        else:
            client.reset()
        return False

    def _write(self, line: dict[str, Any]) -> None:
        with self.log.open("a") as file:
            file.write(json.dumps(line) + "\n")


@attrs.frozen
class Message:
    """A request or a response as received.

    Attributes:
        head: Start line and headers, with the blank line.
        body: The body.
    """

    head: bytes
    body: bytes

    @property
    def start(self) -> str:
        """The start line without the HTTP version."""
        return self.head.split(b"\r\n", 1)[0].decode("latin-1").removesuffix(" HTTP/1.1")

    @property
    def status(self) -> int:
        """The status of a response."""
        return int(self.head.split(b" ", 2)[1])

    @property
    def code(self) -> str | None:
        """The code of the API's own error; None for any other response."""
        try:
            return str(json.loads(self.body)["error"]["code"])
        except (ValueError, TypeError, KeyError):
            return None

    def readdressed(self, ports: dict[int, int]) -> bytes:
        """Return a response whose addresses point to the proxy's ports.

        All ports have five digits, so no length changes.
        """
        whole = self.head + self.body
        if b"application/json" in self.head:
            for ours, theirs in ports.items():
                whole = whole.replace(b"127.0.0.1:%d" % theirs, b"127.0.0.1:%d" % ours)
        return whole


@attrs.define(eq=False)
class Client:
    """A connection from a worker."""

    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    async def read(self) -> Message | None:
        """Return the next request; None at the end of the connection."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        body = await self._reader.readexactly(length_in(head))
        return Message(head, body)

    @property
    def is_gone(self) -> bool:
        """True if the other side has closed the connection or died."""
        return self._reader.at_eof() or self._writer.transport.is_closing()

    async def gone(self) -> None:
        """Wait until the other side has closed the connection."""
        await self._reader.read()

    def write(self, answer: bytes) -> None:
        self._writer.write(answer)

    def reset(self) -> None:
        """End the connection with a reset instead of an orderly close."""
        linger = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()


def length_in(head: bytes) -> int:
    """Return the number of body bytes that a head announces."""
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    return 0


async def forward(request: Message, port: int) -> Message | None:
    """Send a request to the emulator and return the response.

    Returns:
        The response; None if none comes.
    """
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=HEAD_LIMIT)
    except OSError:
        return None
    try:
        writer.write(request.head[:-2] + b"Connection: close\r\n\r\n" + request.body)
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(0 if request.start.startswith("HEAD") else length_in(head))
    except (OSError, asyncio.IncompleteReadError):
        return None
    finally:
        writer.close()
    lines = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return Message(b"\r\n".join(lines) + b"\r\n\r\n", body)


def page(status: int, chance: random.Random) -> bytes:
    """Build a gateway's page."""
    body = b"<html><head><title>%d</title></head><body><h1>%d</h1>gateway</body></html>" % (status, status)
    lines = [b"HTTP/1.1 %d Gateway" % status, b"Content-Type: text/html", b"Content-Length: %d" % len(body)]
    if status == 302:
        lines.append(b"Location: https://login.invalid/?next=%2F")
    if status in {429, 503} and chance.random() < 0.5:
        lines.append(b"Retry-After: %d" % chance.randrange(1, 20))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def refusals(log: Path) -> list[dict[str, Any]]:
    """Return the API's own refusals for a limit, with their explanations.

    `orphans` lists the requests of dead clients that explain a refusal. No client accounts for a request that
    was forwarded after its client had died: it spends one of a minute's requests, and a write may hold a slot
    for as long as a project lives.
    """
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    orphans = [line for line in lines if line.get("orphan")]
    refused = [line for line in lines if line.get("status") == 429]
    for line in refused:
        line["orphans"] = [orphan["request"] for orphan in orphans if _explains(orphan, line)]
    return refused


def _explains(orphan: dict[str, Any], refusal: dict[str, Any]) -> bool:
    is_of_the_minute = refusal["code"] == "rate_limited"
    ago = refusal["forwarded"] - orphan["forwarded"]
    return bool(0 <= ago <= (61 if is_of_the_minute else 900)) and (
        is_of_the_minute or str(orphan["request"]).startswith("POST")
    )


async def run(proxy: Proxy, say: Any) -> None:
    """Serve until SIGTERM; SIGUSR1 starts an outage."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGUSR1, proxy.begin_outage)
    await proxy.start()
    say("up")
    await ended.wait()
    await proxy.stop()
    say(json.dumps({"outages": proxy.outages}))


def fates(log: Path) -> Sequence[tuple[str, int]]:
    """Count how often each fate occurred."""
    counts = dict[str, int]()
    for line in log.read_text().splitlines():
        fate = json.loads(line)["fate"]
        counts[fate] = counts.get(fate, 0) + 1
    return sorted(counts.items())
