"""Whatever a store or the API puts on the wire, a file is whole or not there, and errors are ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async import DownloadFailed, Eversince, EversinceError, RetryPolicy
from eversince_async._wire.addresses import AddressPolicy, AddressRefused
from eversince_async.errors import TransportError
from eversince_async.testing import VirtualTimeLoop
from eversince_async.transfers.download import NamedUrl, download
from eversince_async.transfers.store import Store, StoreRefused
from helpers.fuzz_data import bounded, damaged, documents, fuzzed, odd_text

pytestmark = pytest.mark.slow

FILM = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 40
SPARE = 64 * 2**20


def say(status: object, body: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([f"HTTP/1.1 {status} OK".encode("latin-1", "replace"), *lines, b"", b""]) + body


class RawServer:
    """Answers each request with the next of some pieces of bytes, the last one for ever, and hangs up."""

    def __init__(self, answers: list[bytes]) -> None:
        self.answers = answers
        self.count = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await reader.readuntil(b"\r\n\r\n")
            answer = self.answers[min(self.count, len(self.answers) - 1)]
            self.count += 1
            writer.write(answer.replace(b"HERE", self.origin.encode()))
            await writer.drain()
            writer.write_eof()
        writer.close()


@asynccontextmanager
async def serving(answers: list[bytes]) -> AsyncIterator[RawServer]:
    raw = RawServer(answers)
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    raw.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield raw
    finally:
        server.close()


def in_virtual_time(main: Any) -> Any:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


HEADERS = ["Content-Length", "Content-Range", "Content-Encoding", "Transfer-Encoding", "ETag", "Retry-After"]
NUMBERS = [
    "0",
    "-1",
    "10",
    "10252",
    "99999999999",
    "9" * 400,
    "1e3",
    "0x10",
    "bytes 0-9/10",
    "bytes */10",
    "bytes 5-",
]
WORDS = [
    "gzip",
    "br",
    "chunked",
    "identity",
    "gzip, gzip",
    '"v1"',
    'W/"v1"',
    "Sun, 15 Mar 2026 12:00:00 GMT",
    "/b",
]
PLACES = [
    "HERE/b",
    "HERE/a",
    "//",
    "http://[",
    "http://u:p@HERE/",
    "ftp://x",
    "\\\\x",
    "HERE/" + "y" * 9000,
    "?",
    "#",
]
lines = st.tuples(
    st.sampled_from([*HEADERS, "Location", "Date", "Content-Type", "X-Odd"]),
    st.sampled_from([*NUMBERS, *WORDS, *PLACES]) | odd_text,
).map(lambda pair: f"{pair[0]}: {pair[1]}".encode("utf-8", "replace"))
bodies = st.sampled_from(
    [
        FILM,
        FILM[:100],
        b"",
        b"<html>no</html>",
        b"<Error><Code>AccessDenied</Code></Error>",
        b"{}",
        b"\x1f\x8b\x08",
    ]
) | st.binary(max_size=100)
statuses = st.sampled_from(
    [200, 206, 301, 302, 303, 307, 308, 403, 404, 410, 416, 429, 500, 503, 100, 204, 304, 999, "x"]
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    body = draw(bodies)
    head = draw(st.lists(lines, max_size=4))
    if draw(st.booleans()):
        head.append(f"Content-Length: {len(body)}".encode())
    whole = say(draw(statuses), body, *head)
    return draw(damaged(whole)) if draw(st.integers(0, 4)) == 0 else whole


@fuzzed(40)
@given(
    st.lists(answers(), min_size=1, max_size=4),
    st.none() | st.binary(max_size=400),
    st.none() | st.binary(max_size=40) | documents(st.sampled_from(["etag", "total"]), 4),
)
def test_any_store_leaves_a_file_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, script: list[bytes], part: bytes | None, note: Any
) -> None:
    folder: Path = tmp_path_factory.mktemp("store")
    if part is not None:
        (folder / "film.mp4.part").write_bytes(part)
    if note is not None:
        content = note if isinstance(note, bytes) else json.dumps(note).encode()
        (folder / "film.mp4.part.json").write_bytes(content)

    told: list[str] = []

    async def fetch() -> None:
        async with serving(script) as raw:
            left = [f"{raw.origin}/a?signature=hush-hush", f"{raw.origin}/b?signature=hush-hush"]

            async def next_url() -> NamedUrl | None:
                return NamedUrl("assembled_url", left.pop(0)) if left else None

            store = Store(AddressPolicy(https_only=False, allows_private=True), stall_timeout=5)
            try:
                await download(store, next_url, folder / "film.mp4", retry=RetryPolicy(attempts=3))
            except DownloadFailed as failed:
                told.append(f"{failed!r}{failed.__context__!r}{failed.__cause__!r}")
                assert not (folder / "film.mp4").exists()
            else:
                assert (folder / "film.mp4").stat().st_size
            finally:
                await store.aclose()

    with bounded(sum(map(len, script)), spare=SPARE):
        in_virtual_time(fetch())
    assert "hush-hush" not in str(told)
    assert {"film.mp4", "film.mp4.part", "film.mp4.part.json"} >= {each.name for each in folder.iterdir()}


@fuzzed(20)
@given(st.lists(answers(), min_size=1, max_size=4))
def test_any_store_takes_an_upload_or_is_an_error(script: list[bytes]) -> None:
    async def upload() -> None:
        async with serving(script) as raw:
            store = Store(AddressPolicy(https_only=False, allows_private=True), stall_timeout=5)

            async def content() -> AsyncIterator[bytes]:
                yield b"12345"

            with suppress(AddressRefused, StoreRefused, TransportError):
                await store.put(
                    f"{raw.origin}/a?signature=x", content, size=5, content_type="image/png", endpoint="put"
                )
            await store.aclose()

    with bounded(sum(map(len, script)), spare=SPARE):
        in_virtual_time(upload())


PROJECT = json.dumps(
    {"id": "proj_1", "status": "idle", "brief": "b", "created_at": "2026-05-01T00:00:00Z"}
).encode()


@fuzzed(40)
@given(st.lists(answers() | st.just(say(200, PROJECT)) | damaged(say(200, PROJECT)), min_size=1, max_size=3))
def test_any_bytes_of_the_api_are_a_result_or_an_error_of_ours(script: list[bytes]) -> None:
    async def ask() -> None:
        async with serving(script) as raw:
            retry = RetryPolicy(attempts=3)
            client = Eversince("es_live_x", base_url=f"{raw.origin}/api/v1", retry=retry, timeout=60)
            async with client as eversince:
                with suppress(EversinceError):
                    await eversince.projects.get("proj_1")
                with suppress(EversinceError):
                    await eversince.output.render("proj_1")

    with bounded(sum(map(len, script)), spare=SPARE):
        in_virtual_time(ask())
