"""A crowd of strangers takes little memory of a real server.

The server has real sockets.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers.webhook_deliveries import SECRET, payload, signed

STATUS = Path("/proc/self/status")
CROWD = 80
SIZE = 10_000_000
MIB = 2**20

SERVER = """
import asyncio, socket, sys
from eversince_async import WebhookReceiver

receiver = WebhookReceiver(secret=sys.argv[2])
listening = socket.create_server(("127.0.0.1", 0), backlog=200)

async def with_aiohttp():
    from aiohttp import web
    runner = web.AppRunner(receiver.aiohttp_app(), access_log=None)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    print(listening.getsockname()[1], flush=True)
    await asyncio.Event().wait()

async def with_uvicorn():
    import uvicorn
    print(listening.getsockname()[1], flush=True)
    await uvicorn.Server(uvicorn.Config(receiver.asgi, log_config=None)).serve([listening])

asyncio.run({"aiohttp": with_aiohttp, "uvicorn": with_uvicorn}[sys.argv[1]]())
"""

pytestmark = [
    pytest.mark.skipif(not STATUS.exists(), reason="only Linux says how much a process has had"),
    pytest.mark.slow,
]


@pytest.fixture
def anyio_backend() -> str:
    """Use real time, since the server is another process."""
    return "asyncio"


@contextmanager
def serving(server: str) -> Iterator[tuple[int, int]]:
    """Run a receiver in another process; yield its process id and port."""
    if server == "uvicorn":
        pytest.importorskip("uvicorn", reason="uvicorn is not installed")
    command = [sys.executable, "-c", SERVER, server, SECRET]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()


def peak(pid: int) -> int:
    """Return the most memory a process has used, in bytes."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024


async def send(port: int, headers: dict[str, str], *, size: int, announced: bool) -> int | None:
    """Send a body until it ends or the response arrives.

    Returns the status; None if the server hung up.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    length = f"Content-Length: {size}" if announced else "Transfer-Encoding: chunked"
    lines = ["POST / HTTP/1.1", "Host: here", length, *itertools.starmap("{}: {}".format, headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    block = b" " * 50_000
    piece = block if announced else b"%x\r\n%b\r\n" % (len(block), block)

    async def stream() -> None:
        for _ in range(size // len(block)):
            writer.write(piece)
            await writer.drain()

    streaming = asyncio.create_task(stream())
    try:
        line = await asyncio.wait_for(reader.readline(), 30)
        return int(line.split()[1]) if line else None
    except ConnectionError:
        return None
    finally:
        streaming.cancel()
        await asyncio.wait([streaming])
        assert streaming.cancelled() or isinstance(streaming.exception(), ConnectionError | type(None))
        writer.close()


async def genuine(port: int) -> int | None:
    body = payload(brief="x" * 60_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = itertools.starmap("{}: {}".format, signed(body).items())
    head = "\r\n".join(["POST / HTTP/1.1", "Host: here", f"Content-Length: {len(body)}", *lines, "", ""])
    writer.write(head.encode() + body)
    line = await asyncio.wait_for(reader.readline(), 30)
    writer.close()
    return int(line.split()[1])


@pytest.mark.parametrize("server", ["aiohttp", "uvicorn"])
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
@pytest.mark.parametrize("kind", ["unsigned", "forged"])
async def test_eighty_large_deliveries_of_strangers_take_little_memory(server, announced, kind):
    """A genuine delivery among them is accepted."""
    headers = {} if kind == "unsigned" else signed(b"another body")
    most = 32 * MIB if kind == "unsigned" else 96 * MIB  # up to 256 KiB of each are asyncio's own
    with serving(server) as (pid, port):
        assert 200 == await genuine(port)
        before = peak(pid)
        crowd = [
            asyncio.create_task(send(port, headers, size=SIZE, announced=announced)) for _ in range(CROWD)
        ]
        await asyncio.sleep(0.1)
        taken = await genuine(port)
        statuses = Counter(await asyncio.gather(*crowd))
        grown = peak(pid) - before

    assert 200 == taken
    assert statuses.keys() <= {401, 413, 503, None}
    assert grown < most
