"""Decoding of response bodies in pieces, with limits of size and time."""

import asyncio
import functools
import gzip
import itertools
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eversince_async import (
    ApiError,
    ConfigurationError,
    Eversince,
    InvalidResponse,
    NotFound,
    OutcomeUnknown,
    RequestTimedOut,
    ResponseTooLarge,
    RetryPolicy,
    ValidationFailed,
)
from eversince_async.session.body import MAX_ERROR_BYTES, _Packed
from helpers.fake_server import KEY, Say, ScriptedServer, open_sockets, refusal

PROJECT = {"id": "proj_1", "status": "idle"}
MIB = 1024 * 1024


def raw_deflate(data: bytes) -> bytes:
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packing.compress(data) + packing.flush()


PACKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZip", gzip.compress),
    "gzip in members": ("gzip", lambda data: b"".join(map(gzip.compress, (data[:9], b"", data[9:])))),
    "padded gzip": ("gzip", lambda data: gzip.compress(data) + bytes(100)),
    "deflate": ("deflate", zlib.compress),
    "deflate without a frame": ("deflate", raw_deflate),
    "nothing": ("identity", bytes),
}


HOW = sorted(how for how, (name, _) in PACKED.items() if name != "identity")


# -- Packed bodies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", PACKED)
async def test_what_is_packed_is_read(server: ScriptedServer, how: str) -> None:
    name, pack = PACKED[how]
    server.plays(Say(body=pack(json.dumps(PROJECT).encode()), headers={"Content-Encoding": name}))
    async with server.client() as eversince:
        assert "proj_1" == (await eversince.projects.get("proj_1")).id


@pytest.mark.parametrize("how", PACKED)
async def test_an_error_that_is_packed_is_read(server: ScriptedServer, how: str) -> None:
    name, pack = PACKED[how]
    said = refusal(404, "not_found")
    server.plays(Say(status=404, body=pack(said.content()), headers={"Content-Encoding": name}))
    async with server.client() as eversince:
        with pytest.raises(NotFound):
            await eversince.projects.get("proj_1")


async def test_only_what_can_be_unpacked_in_pieces_is_asked_for(server: ScriptedServer) -> None:
    """Other installed libraries change nothing.

    They would decode a piece as a whole, however large the result is.
    """
    server.plays(Say(json=PROJECT))
    async with (
        aiohttp.ClientSession(headers={"Accept-Encoding": "br"}) as http,
        server.client() as own,
        server.client(http=http) as borrowing,
    ):
        await own.projects.get("proj_1")
        await borrowing.projects.get("proj_1")

    assert ["gzip, deflate"] * 2 == [seen.headers["accept-encoding"] for seen in server.seen]


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", b"\x1b\x03\x00"),
        ("zstd", b"(\xb5/\xfd"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}"))),
        ("x" * 10_000, b"{}"),
        ("gzip", b"no gzip at all"),
        ("gzip", gzip.compress(b"{}" * 1000)[:-9]),
        ("deflate", zlib.compress(b"{}" * 1000)[:-5]),
        ("gzip", gzip.compress(b"") * 13_000),  # each member costs time, and adds no bytes
    ],
    ids=["br", "zstd", "twice", "nonsense", "no gzip", "gzip cut short", "deflate cut short", "empty parts"],
)
async def test_what_cannot_be_unpacked_says_so(server: ScriptedServer, encoding: str, body: bytes) -> None:
    server.plays(Say(body=body, headers={"Content-Encoding": encoding}))
    async with server.client(retry=RetryPolicy(attempts=1)) as eversince:
        with pytest.raises(InvalidResponse, match=r"pack|ends too early") as raised:
            await eversince.projects.get("proj_1")

    assert "$" == raised.value.path
    assert len(str(raised.value)) < 300


@given(data=st.binary(max_size=2000), cuts=st.lists(st.integers(0, 2000)), how=st.sampled_from(HOW))
@settings(deadline=None)
def test_pieces_make_the_whole(data: bytes, cuts: list[int], how: str) -> None:
    """The network may cut the body anywhere."""
    name, pack = PACKED[how]
    packed, unpacking, read = pack(data), _Packed(name.lower()), b""
    edges = [0, *sorted(min(cut, len(packed)) for cut in cuts), len(packed)]
    for start, end in itertools.pairwise(edges):
        read += b"".join(unpacking.pieces(packed[start:end]))
    unpacking.end()

    assert data == read


@given(data=st.binary(max_size=200), name=st.sampled_from(["gzip", "deflate"]))
def test_rubbish_is_refused_and_breaks_nothing(data: bytes, name: str) -> None:
    with suppress(zlib.error):
        b"".join(_Packed(name).pieces(data))


# -- Large bodies -----------------------------------------------------------------------------------------


BOMBS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


@functools.cache
def bomb(encoding: str, size: int) -> bytes:
    """Return a packed project of the given size in MiB, mostly blanks."""
    packing, blanks = zlib.compressobj(wbits=BOMBS[encoding]), b" " * MIB
    made = [packing.compress(json.dumps(PROJECT).encode()), *(packing.compress(blanks) for _ in range(size))]
    return b"".join([*made, packing.flush()])


@pytest.mark.parametrize("encoding", BOMBS)
@pytest.mark.parametrize("status", [200, 500])
async def test_a_bomb_is_not_unpacked(server: ScriptedServer, encoding: str, status: int) -> None:
    """A quarter of a gigabyte costs no more memory than the limit."""
    packed = bomb(encoding, 256)
    server.plays(Say(status=status, body=packed, headers={"Content-Encoding": encoding}))
    async with server.client(max_response_bytes=8 * MIB, retry=RetryPolicy(attempts=1)) as eversince:
        tracemalloc.start()
        try:
            with pytest.raises((ResponseTooLarge, ApiError)):
                await eversince.projects.get("proj_1")
            assert tracemalloc.get_traced_memory()[1] < 40 * MIB
        finally:
            tracemalloc.stop()


async def test_a_read_that_is_too_large_says_what_to_set(server: ScriptedServer) -> None:
    """The request is not repeated: the next response would be as large."""
    server.plays(Say(json={**PROJECT, "padding": "x" * 5000}))
    async with server.client(max_response_bytes=5000) as eversince:
        with pytest.raises(
            ResponseTooLarge, match="more than 5,000 bytes; set max_response_bytes="
        ) as raised:
            await eversince.projects.get("proj_1")
    assert (5000, "projects.get", 1) == (raised.value.limit, raised.value.endpoint, len(server.seen))

    async with server.client(max_response_bytes=10_000) as eversince:
        assert "proj_1" == (await eversince.projects.get("proj_1")).id


async def test_the_last_byte_that_fits_fits(server: ScriptedServer) -> None:
    said = Say(json=PROJECT)
    server.plays(said)
    size = len(said.content())
    async with server.client(max_response_bytes=size) as eversince:
        await eversince.projects.get("proj_1")
    async with server.client(max_response_bytes=size - 1) as eversince:
        with pytest.raises(ResponseTooLarge):
            await eversince.projects.get("proj_1")


async def test_a_write_that_is_answered_with_too_much_is_in_doubt(server: ScriptedServer) -> None:
    server.plays(Say(status=202, json={**PROJECT, "padding": "x" * 5000}))
    async with server.client(max_response_bytes=5000) as eversince:
        with pytest.raises(OutcomeUnknown, match="max_response_bytes") as raised:
            await eversince.output.render("proj_1")

    assert isinstance(raised.value.__cause__, ResponseTooLarge)
    assert 1 == len(server.seen)


async def test_a_create_that_is_answered_with_too_much_is_asked_for_again_by_its_key(
    server: ScriptedServer,
) -> None:
    server.plays(Say(status=202, json={**PROJECT, "padding": "x" * 5000}), Say(json=PROJECT))
    async with server.client(max_response_bytes=5000) as eversince:
        created = await eversince.projects.create("A film", idempotency_key="film-1")

    assert ("proj_1", True) == (created.id, created.existed)
    assert ["film-1", "film-1"] == [seen.json["idempotency_key"] for seen in server.seen]


async def test_a_long_error_is_read_as_far_as_errors_are(server: ScriptedServer) -> None:
    """A gateway's page without an end still yields its status."""
    server.plays(Say(status=404, body=b"<html>" + b"x" * 10 * MAX_ERROR_BYTES))
    async with server.client() as eversince:
        with pytest.raises(ApiError) as raised:
            await eversince.request("GET", "/x")

    assert 404 == raised.value.status
    assert len(str(raised.value)) < 500


async def test_what_an_error_says_is_bounded(server: ScriptedServer) -> None:
    server.plays(refusal(400, "validation_error", "brief: " + "too long " * 6000))
    async with server.client() as eversince:
        with pytest.raises(ValidationFailed) as raised:
            await eversince.projects.get("proj_1")

    assert len(str(raised.value)) < 4200
    assert ["brief"] == list(raised.value.fields)


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "1", None])
def test_a_bound_that_is_none_is_refused(size: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_response_bytes"):
        Eversince(KEY, max_response_bytes=size)


# -- Endless bodies ---------------------------------------------------------------------------------------


@asynccontextmanager
async def endless(head: bytes, piece: bytes, pause: float) -> AsyncIterator[str]:
    """Run a server that sends its response until the client disconnects."""
    tasks = set[asyncio.Task[Any]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]  # a task is running
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head)
            while True:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1"
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ONE_AT_A_TIME: dict[str, tuple[bytes, bytes]] = {
    "with a length": (HEAD + b"Content-Length: 100000000\r\n\r\n", b" "),
    "in chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "until it is closed": (HEAD + b"\r\n", b" "),
    "of its head": (HEAD, b"X-More: x\r\n"),
    "of one header": (HEAD + b"X-More: ", b"x"),
    "of nothing that is packed": (
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 100000000\r\n\r\n",
        b"",
    ),
}


@pytest.mark.parametrize("what", ONE_AT_A_TIME)
@pytest.mark.parametrize("whose", ["own", "borrowed"])
async def test_an_answer_that_drips_has_as_long_as_one_attempt(what: str, whose: str) -> None:
    """The response keeps moving, and would do so for ever."""
    loop, (head, piece) = asyncio.get_running_loop(), ONE_AT_A_TIME[what]
    async with endless(head, piece, 1.0) as base_url, aiohttp.ClientSession() as http:
        mine = {"http": http} if whose == "borrowed" else {}
        async with Eversince(
            KEY, base_url=base_url, timeout=8, retry=RetryPolicy(attempts=1), **mine
        ) as eversince:
            begin = loop.time()
            with pytest.raises(RequestTimedOut):
                await eversince.projects.get("proj_1")
            assert 7.5 <= loop.time() - begin <= 10


@pytest.mark.parametrize("head", [ONE_AT_A_TIME[what][0] for what in ("in chunks", "until it is closed")])
async def test_an_answer_without_end_is_too_large(head: bytes) -> None:
    piece = b" " * 65_536
    if b"chunked" in head:
        piece = b"10000\r\n" + piece + b"\r\n"
    async with (
        endless(head, piece, 0.0) as base_url,
        Eversince(KEY, base_url=base_url, max_response_bytes=4 * MIB) as eversince,
    ):
        with pytest.raises(ResponseTooLarge):
            await eversince.projects.get("proj_1")


@pytest.mark.parametrize("what", ONE_AT_A_TIME)
async def test_a_read_that_is_cancelled_leaves_no_connection(what: str) -> None:
    head, piece = ONE_AT_A_TIME[what]
    before = open_sockets()
    async with endless(head, piece, 1.0) as base_url, Eversince(KEY, base_url=base_url) as eversince:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await eversince.projects.get("proj_1")
        await asyncio.sleep(0)
        assert before == open_sockets()
