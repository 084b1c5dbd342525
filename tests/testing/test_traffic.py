"""Time does not jump while bytes are under way, however slowly."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eversince_async.testing._traffic import ANSWER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is under way")

A_MINUTE = 60.0
AN_HOUR = 3600.0
SLOW_LOOPBACK = Path(__file__).with_name("slow_loopback.py")


def now() -> float:
    return asyncio.get_running_loop().time()


@contextlib.asynccontextmanager
async def pair(*, send_buffer: int | None = None):
    """The streams at both ends of a connection.

    They are (reader, writer) of the client, then of the server.
    """
    accepted: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Future()
    async with await asyncio.start_server(
        lambda *streams: accepted.set_result(streams), "127.0.0.1", 0
    ) as server:
        sock = socket.socket()
        if send_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, server.sockets[0].getsockname())
        client = await asyncio.open_connection(sock=sock)
        served = await accepted
        try:
            yield client, served
        finally:
            for _, writer in (client, served):
                writer.transport.abort()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()


@pytest.fixture
def crowded_machine() -> Iterator[None]:
    """Keep every core busy several times over with other processes."""
    context = multiprocessing.get_context("spawn")
    burning = [context.Process(target=burn, args=(60.0,), daemon=True) for _ in range(6)]
    for process in burning:
        process.start()
    yield
    for process in burning:
        process.kill()
        process.join()


def burn(seconds: float) -> None:
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        sum(range(100_000))


# Between two sockets of the loop


async def test_bytes_that_wait_in_a_small_buffer_cost_no_virtual_second():
    """A small send buffer makes the kernel deliver in bursts.

    The pauses between the bursts last up to 40 ms.
    """
    async with pair(send_buffer=2048) as ((_, writer), (reader, _)):
        async with asyncio.timeout(A_MINUTE):
            writer.write(bytes(2_000_000))
            await reader.readexactly(2_000_000)

    assert now() == 0


def has_slow_loopback() -> bool:
    if not (shutil.which("unshare") and shutil.which("tc") and shutil.which("ip")):
        return False
    tried = subprocess.run(["unshare", "-Urn", "sh", "-c", LOOPBACK], capture_output=True, check=False)
    return tried.returncode == 0


LOOPBACK = "ip link set lo up mtu 1500 && tc qdisc add dev lo root tbf rate {rate}mbit burst 20k latency 50ms"
LOOPBACK = LOOPBACK.format(rate=40)


def test_a_slow_network_costs_no_virtual_second():
    """Bytes wait in the network, and the end of them arrives late.

    Some bytes are lost and sent again after 0.2 s.
    """
    if not has_slow_loopback():
        pytest.skip("takes Linux with user namespaces, ip and tc")
    script = f"{LOOPBACK} && exec {sys.executable} {SLOW_LOOPBACK}"

    ended = subprocess.run(
        ["unshare", "-Urn", "sh", "-c", script], capture_output=True, text=True, check=True
    )

    assert 0 == float(ended.stdout)


@pytest.mark.usefixtures("crowded_machine")
async def test_a_transfer_on_a_crowded_machine_meets_no_timeout():
    async with pair() as ((_, writer), (reader, _)):

        async def send() -> None:
            for _ in range(100):
                writer.write(bytes(1_000_000))
                await writer.drain()

        async with asyncio.timeout(A_MINUTE):
            sending = asyncio.create_task(send())
            for _ in range(100):
                await reader.readexactly(1_000_000)
            await sending

    assert now() == 0


async def test_a_receiver_that_does_not_read_holds_no_time():
    """Full buffers do not move.

    A timeout around a stalled upload therefore fires at once.
    """
    began = time.monotonic()

    async with pair() as ((_, writer), (_, peer)):
        peer.transport.pause_reading()
        writer.write(bytes(20_000_000))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(AN_HOUR):
                await writer.drain()

    assert time.monotonic() - began < A_MINUTE


async def test_of_many_connections_to_one_server_each_counts_for_itself():
    """The connections share the server's address.

    A connection whose receiver stalls does not hold the time; one that moves does.
    """
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    received = loop.create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            if await reader.readexactly(1) == b"!":
                await reader.readexactly(2_000_000)
                received.set_result(loop.time())

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        address = server.sockets[0].getsockname()
        writers = []
        for first in (b".", b"!", b"."):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
            _, writer = await asyncio.open_connection(sock=sock)
            writers.append((writer, await accepted.get()))
            writer.write(first)
        writers[2][1].transport.pause_reading()
        for writer, _ in writers[1:]:
            writer.write(bytes(2_000_000))
        assert await received == 0
        began = time.monotonic()
        for _ in range(10):
            await asyncio.sleep(AN_HOUR)
        took = time.monotonic() - began
        for each in writers:
            for writer in each:
                writer.transport.abort()

    assert took < A_MINUTE


async def test_connections_that_are_idle_hold_no_time():
    async with pair() as ((reader, writer), (peer_reader, peer_writer)):
        for _ in range(100):
            writer.write(b"ping")
            await peer_reader.readexactly(4)
            peer_writer.write(b"pong")
            await reader.readexactly(4)
        began = time.monotonic()
        for _ in range(100):
            await asyncio.sleep(AN_HOUR)

    assert time.monotonic() - began < A_MINUTE


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="takes sockets for both versions of IP")
async def test_both_ends_are_known_however_their_addresses_are_spelled():
    """A dual-stack socket calls a peer ::ffff:127.0.0.1 that calls itself 127.0.0.1."""
    listening = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.Future()
    async with await asyncio.start_server(lambda _, writer: accepted.set_result(writer), sock=listening):
        _, writer = await asyncio.open_connection("127.0.0.1", listening.getsockname()[1])
        peer = await accepted
        began = time.monotonic()
        for _ in range(5):
            writer.write(b"what is never answered")
            await asyncio.sleep(AN_HOUR)
        took = time.monotonic() - began
        for each in (writer, peer):
            each.close()
            await each.wait_closed()

    assert took < 4 * ANSWER_SECONDS, "as with a peer that the loop cannot see"


async def test_sockets_without_a_transport_count_too():
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
        client.setblocking(False)
        async with asyncio.timeout(A_MINUTE):
            await loop.sock_connect(client, server.getsockname())
            served, _ = await loop.sock_accept(server)
            sending = asyncio.create_task(loop.sock_sendall(client, bytes(2_000_000)))
            left = 2_000_000
            while left:
                left -= len(await loop.sock_recv(served, left))
            await sending
        client.close()
        served.close()


# With a peer that the loop cannot see


async def test_a_peer_that_never_accepts_holds_time_for_a_moment_only():
    with socket.create_server(("127.0.0.1", 0)) as server:
        _, writer = await asyncio.open_connection(*server.getsockname())
        began = time.monotonic()
        writer.write(bytes(20_000_000))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(AN_HOUR):
                await writer.drain()
        writer.transport.abort()

    assert time.monotonic() - began < A_MINUTE


async def test_a_peer_that_has_answered_holds_time_for_a_moment_only():
    with socket.create_server(("127.0.0.1", 0)) as server:
        reader, writer = await asyncio.open_connection(*server.getsockname())
        connection, _ = server.accept()
        connection.sendall(b"welcome")
        await reader.readexactly(7)
        began = time.monotonic()
        for _ in range(100):
            await asyncio.sleep(AN_HOUR)
        writer.close()
        connection.close()

    assert time.monotonic() - began < A_MINUTE


def answer(server: socket.socket, delay: float, size: int) -> None:
    """Serve one connection: send some bytes a while after each received byte."""
    connection, _ = server.accept()
    with connection:
        while connection.recv(1):
            time.sleep(delay)
            connection.sendall(bytes(size))


async def ask(address: tuple[str, int], *, times: int, size: int) -> None:
    reader, writer = await asyncio.open_connection(*address)
    for _ in range(times):
        async with asyncio.timeout(A_MINUTE):
            writer.write(b"?")
            await reader.readexactly(size)
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(("delay", "size"), [(0.0, 10_000_000), (0.2, 1)])
async def test_a_thread_at_the_other_end_may_take_its_time(delay, size):
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server, delay, size))
        thread.start()
        await ask(server.getsockname(), times=3, size=size)
        thread.join()


@pytest.mark.parametrize(("delay", "size"), [(0.0, 10_000_000), (0.2, 1)])
async def test_a_process_at_the_other_end_may_take_its_time(delay, size):
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = multiprocessing.get_context("spawn").Process(target=answer, args=(server, delay, size))
        process.start()
        try:
            with asyncio.get_running_loop().paused():  # until the process has started
                await ask(server.getsockname(), times=1, size=size)
        finally:
            process.join()
