"""Uploads: three steps, any source, constant memory, and failures."""

import asyncio
import gzip
import hashlib
import itertools
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from eversince_async import (
    ConnectionFailed,
    Eversince,
    InvalidRequest,
    Limits,
    OutcomeUnknown,
    TransportError,
    UploadRejected,
    ValidationFailed,
)
from eversince_async.emulator import Emulator, ErrorAnswer, Stall
from eversince_async.emulator import Limits as EmulatedLimits
from eversince_async.emulator import Reset as ResetFault
from eversince_async.limits import MIB
from eversince_async.models.uploads import UploadTicket
from eversince_async.resources._sources import guess_content_type
from helpers.fake_server import Hang, Reset, Say, ScriptedServer, everything_behind

PHOTO = bytes(range(256)) * 300  # in more than one piece


def stored(emulator: Emulator) -> list[bytes]:
    """Return the bytes that have arrived in the storage."""
    return list(emulator.storage.contents.values())


def routes(emulator: Emulator) -> list[str]:
    """Return the requests, in order."""
    return [entry.route or f"{entry.method} storage" for entry in emulator.world.log]


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


THREE_STEPS = ["POST /uploads", "PUT storage", "POST /uploads/confirm"]

# -- Sources ----------------------------------------------------------------------------------------------


async def test_path(emulator: Emulator, eversince: Eversince, tmp_path: Path) -> None:
    path = tmp_path / "mug.png"
    path.write_bytes(PHOTO)
    upload = await eversince.uploads.upload(path)

    assert ("image", False) == (upload.type, upload.existed)
    assert [PHOTO] == stored(emulator)
    assert THREE_STEPS == routes(emulator)
    assert upload.upload_id in emulator.account.confirmed


async def test_path_as_text(emulator: Emulator, eversince: Eversince, tmp_path: Path) -> None:
    (tmp_path / "mug.png").write_bytes(PHOTO)
    await eversince.uploads.upload(str(tmp_path / "mug.png"), name="other.webp")

    (sent,) = emulator.account.uploads.values()
    assert ("other.webp", "image/webp") == (sent.file_name, sent.content_type)


@pytest.mark.parametrize(
    "content",
    [PHOTO, bytearray(PHOTO), memoryview(PHOTO), memoryview(PHOTO).cast("H")],
    ids=["bytes", "bytearray", "memoryview", "wide memoryview"],
)
async def test_bytes(emulator: Emulator, eversince: Eversince, content: Any) -> None:
    await eversince.uploads.upload(content, name="mug.png")

    assert [PHOTO] == stored(emulator)


async def test_stream(emulator: Emulator, eversince: Eversince) -> None:
    pieces = stream(PHOTO[:1000], b"", PHOTO[1000:])
    await eversince.uploads.upload(pieces, name="mug.mp4", size=len(PHOTO))

    assert [PHOTO] == stored(emulator)


async def test_upload_can_be_referred_to(eversince: Eversince) -> None:
    upload = await eversince.uploads.upload(PHOTO, name="mug.png")
    created = await eversince.projects.create("A film", references=[upload.reference])

    assert not created.existed


async def test_put_goes_without_the_key(emulator: Emulator, eversince: Eversince) -> None:
    """The storage refuses a request with an API key."""
    await eversince.uploads.upload(PHOTO, name="mug.png")

    assert [200, 200, 201] == [entry.status for entry in emulator.world.log]


async def test_put_as_it_arrives(server: ScriptedServer) -> None:
    """The PUT has its length, the requested type, and none of our headers."""
    ticket = {"upload_url": f"{server.origin}/r2/a%2Fb?X-Sig=a%2Bb+c/~", "r2_key": "a/b", "expires_in": 3600}
    server.plays(Say(json=ticket), Say(), Say(status=201, json={"upload_id": "upl_1", "type": "image"}))
    async with server.client(source="my-app") as eversince:
        await eversince.uploads.upload(b"12345", name="mug.png")

    put = server.seen[1]
    assert ("PUT", "/r2/a%2Fb?X-Sig=a%2Bb+c/~", b"12345") == (put.method, put.target, put.body)
    assert ("image/png", "5") == (put.headers["content-type"], put.headers["content-length"])
    assert {"authorization", "x-eversince-source", "cookie", "transfer-encoding"}.isdisjoint(put.headers)


async def test_steps_one_by_one(eversince: Eversince) -> None:
    ticket = await eversince.uploads.request("mug.png", "image/png", 5)
    await eversince.uploads.put(ticket, b"12345", name="mug.png", content_type="image/png", size=5)
    upload = await eversince.uploads.confirm(ticket, "mug.png", "image/png", 5)

    assert 3600 == ticket.expires_in
    assert "image" == upload.type


# -- Progress ---------------------------------------------------------------------------------------------


async def test_progress_is_told(eversince: Eversince) -> None:
    told: list[tuple[int, int]] = []
    content = bytes(600_000)
    await eversince.uploads.upload(content, name="mug.png", on_progress=lambda *moved: told.append(moved))

    assert (600_000, 600_000) == told[-1]
    assert sorted(told) == told
    assert len(told) >= 3


async def test_progress_may_be_awaited(eversince: Eversince) -> None:
    told: list[int] = []

    async def tell(sent: int, total: int) -> None:
        await asyncio.sleep(1)
        told.append(sent)

    await eversince.uploads.upload(PHOTO, name="mug.png", on_progress=tell)

    assert len(PHOTO) == told[-1]


async def test_progress_that_fails_ends_the_upload(emulator: Emulator, eversince: Eversince) -> None:
    def tell(sent: int, total: int) -> None:
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        await eversince.uploads.upload(PHOTO, name="mug.png", on_progress=tell)

    assert "POST /uploads/confirm" not in routes(emulator)


# -- Names, types and sizes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("mug.png", "image/png"),
        ("MUG.PNG", "image/png"),
        ("mug.jpg", "image/jpeg"),
        ("mug.jpeg", "image/jpeg"),
        ("mug.webp", "image/webp"),
        ("mug.mp4", "video/mp4"),
        ("mug.webm", "video/webm"),
        ("mug.mov", "video/quicktime"),
        ("mug.avi", "video/x-msvideo"),
        ("mug.mp3", "audio/mpeg"),
        ("mug.wav", "audio/wav"),
        ("mug.m4a", "audio/mp4"),
        ("mug", "application/octet-stream"),
        ("mug.brand-new", "application/octet-stream"),
        ("кружка.png", "image/png"),
    ],
)
def test_type_by_name(name: str, content_type: str) -> None:
    assert content_type == guess_content_type(name)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"content": b"12345"}, "name"),
        ({"content": stream(b"12345")}, "name"),
        ({"content": stream(b"12345"), "name": "mug.png"}, "size"),
        ({"content": stream(b"12345"), "size": 5}, "name"),
    ],
    ids=["bytes", "stream", "size", "stream's name"],
)
async def test_name_and_size_are_needed(
    emulator: Emulator, eversince: Eversince, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest, match=field):
        await eversince.uploads.upload(**arguments)

    assert [] == routes(emulator)


@pytest.mark.parametrize(
    ("name", "most"), [("mug.png", 10), ("mug.mp3", 50), ("mug.mp4", 500), ("mug.bin", 500)]
)
async def test_size_that_every_revision_refuses_is_not_sent(
    emulator: Emulator, eversince: Eversince, name: str, most: int
) -> None:
    with pytest.raises(UploadRejected, match=f"at most {most} MB") as raised:
        await eversince.uploads.upload(stream(), name=name, size=most * MIB + 1)

    assert (name, None) == (raised.value.name, raised.value.status)
    assert [] == routes(emulator)


async def test_type_that_no_document_names_is_sent_with_a_warning(
    emulator: Emulator, eversince: Eversince
) -> None:
    """The documents list different types, so the server decides."""
    with pytest.warns(UserWarning, match="image/gif"), pytest.raises(ValidationFailed) as raised:
        await eversince.uploads.upload(PHOTO, name="mug.gif")

    assert ["content_type"] == list(raised.value.fields)


async def test_warning_points_at_the_caller(eversince: Eversince) -> None:
    with pytest.warns(UserWarning, match="image/gif") as warned, pytest.raises(ValidationFailed):
        await eversince.uploads.upload(PHOTO, name="mug.gif")

    assert __file__ == warned[0].filename


async def test_given_type_wins(emulator: Emulator, eversince: Eversince) -> None:
    await eversince.uploads.upload(PHOTO, name="mug", content_type="image/png")

    (sent,) = emulator.account.uploads.values()
    assert "image/png" == sent.content_type


async def test_missing_file_is_rejected(emulator: Emulator, eversince: Eversince, tmp_path: Path) -> None:
    with pytest.raises(UploadRejected, match=r"mug\.png: cannot be read: No such file"):
        await eversince.uploads.upload(tmp_path / "mug.png")

    assert [] == routes(emulator)


@pytest.mark.parametrize("path", ["a\0b", "\ud800.png"], ids=ascii)
async def test_what_cannot_be_the_name_of_a_file_is_rejected(
    emulator: Emulator, eversince: Eversince, path: str
) -> None:
    with pytest.raises(UploadRejected, match="cannot be the name of a file"):
        await eversince.uploads.upload(path)

    assert [] == routes(emulator)


async def test_folder_is_rejected(eversince: Eversince, tmp_path: Path) -> None:
    with pytest.raises(UploadRejected, match="is not a file"):
        await eversince.uploads.upload(tmp_path)


async def test_empty_file_is_for_the_server_to_judge(eversince: Eversince, tmp_path: Path) -> None:
    (tmp_path / "mug.png").touch()
    with pytest.raises(ValidationFailed) as raised:
        await eversince.uploads.upload(tmp_path / "mug.png")

    assert ["file_size"] == list(raised.value.fields)


async def test_empty_file_can_be_sent(server: ScriptedServer) -> None:
    ticket = {"upload_url": f"{server.origin}/r2?s=1", "r2_key": "x"}
    server.plays(Say(json=ticket), Say(), Say(status=201, json={"upload_id": "upl_1"}))
    async with server.client() as eversince:
        await eversince.uploads.upload(b"", name="mug.png")

    assert ("0", b"") == (server.seen[1].headers["content-length"], server.seen[1].body)


# -- Files that change ------------------------------------------------------------------------------------


async def test_file_that_grows_is_sent_as_it_was(
    emulator: Emulator, eversince: Eversince, tmp_path: Path
) -> None:
    path = tmp_path / "mug.png"
    path.write_bytes(bytes(600_000))

    def grow(sent: int, total: int) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    await eversince.uploads.upload(path, on_progress=grow)

    (sent,) = emulator.account.uploads.values()
    assert (600_000, 600_000) == (sent.file_size, sent.stored_size)


async def test_file_that_shrinks_is_rejected(
    emulator: Emulator, eversince: Eversince, tmp_path: Path
) -> None:
    path = tmp_path / "mug.png"
    path.write_bytes(bytes(600_000))

    def shrink(sent: int, total: int) -> None:
        with path.open("r+b") as file:
            file.truncate(300_000)

    with pytest.raises(
        UploadRejected, match=r"ended [\d,]+ bytes before the announced 600,000; did it change\?"
    ):
        await eversince.uploads.upload(path, on_progress=shrink)

    assert "POST /uploads/confirm" not in routes(emulator)


async def test_file_that_vanishes_is_told_as_it_is(
    eversince: Eversince, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mug.png"
    path.write_bytes(PHOTO)
    request = eversince.uploads.request

    async def vanish(*arguments: Any) -> Any:
        path.unlink()
        return await request(*arguments)

    monkeypatch.setattr(eversince.uploads, "request", vanish)
    with pytest.raises(UploadRejected, match=r"mug\.png: cannot be read: No such file"):
        await eversince.uploads.upload(path)


async def test_stream_that_is_too_short_is_rejected(eversince: Eversince) -> None:
    with pytest.raises(UploadRejected, match="ended 3 bytes before the announced 5"):
        await eversince.uploads.upload(stream(b"12"), name="mug.png", size=5)


async def test_stream_that_is_too_long_is_cut(emulator: Emulator, eversince: Eversince) -> None:
    await eversince.uploads.upload(stream(b"123", b"456", b"789"), name="mug.png", size=5)

    assert [b"12345"] == stored(emulator)


async def test_stream_that_fails_is_told_as_it_is(eversince: Eversince) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"12"
        raise KeyError("the camera is off")

    with pytest.raises(KeyError, match="the camera is off"):
        await eversince.uploads.upload(failing(), name="mug.png", size=5)


async def test_stream_whose_connection_breaks_is_told_as_it_is(eversince: Eversince) -> None:
    """The source broke, not the connection to the store."""

    async def failing() -> AsyncIterator[bytes]:
        yield b"12"
        raise ConnectionResetError("the camera is off")

    with pytest.raises(ConnectionResetError, match="the camera is off"):
        await eversince.uploads.upload(failing(), name="mug.png", size=5)


async def test_stream_is_closed_when_the_upload_ends() -> None:
    closed: list[bool] = []

    async def watched() -> AsyncIterator[bytes]:
        try:
            yield b"12345"
        finally:
            closed.append(True)

    async with Emulator() as emulator, Eversince(**emulator.connection) as eversince:
        await eversince.uploads.upload(watched(), name="mug.png", size=5)
        assert [True] == closed


# -- Storages that fail -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [ErrorAnswer(status=403), ErrorAnswer(status=500), ResetFault()], ids=str)
async def test_broken_put_is_done_again_with_a_new_ticket(
    emulator: Emulator, eversince: Eversince, fault: Any
) -> None:
    """Any refusal may mean that the URL has expired."""
    emulator.faults.once("PUT", "/storage/**", fault)
    await eversince.uploads.upload(PHOTO, name="mug.png")

    assert ["POST /uploads", "PUT storage", *THREE_STEPS] == routes(emulator)
    assert PHOTO in stored(emulator)


async def test_file_is_read_again_from_its_start(
    emulator: Emulator, eversince: Eversince, tmp_path: Path
) -> None:
    path = tmp_path / "mug.png"
    path.write_bytes(PHOTO)
    emulator.faults.once("PUT", "/storage/**", ErrorAnswer(status=500))
    await eversince.uploads.upload(path)

    await asyncio.sleep(20)  # older servers read on for a while after an early refusal

    assert PHOTO == stored(emulator)[-1]


async def test_expired_ticket_is_refused_by_the_store(eversince: Eversince) -> None:
    ticket = await eversince.uploads.request("mug.png", "image/png", 5)
    await asyncio.sleep(3601)
    with pytest.raises(UploadRejected, match="the store answered 403") as raised:
        await eversince.uploads.put(ticket, b"12345", name="mug.png", content_type="image/png", size=5)

    assert 403 == raised.value.status


async def test_put_gives_up(emulator: Emulator, eversince: Eversince) -> None:
    emulator.faults.once("PUT", "/storage/**", ErrorAnswer(status=403), times=9)
    with pytest.raises(UploadRejected, match="the store answered 403"):
        await eversince.uploads.upload(PHOTO, name="mug.png")

    assert ["POST /uploads", "PUT storage"] * 4 == routes(emulator)


async def test_stream_cannot_be_sent_again(emulator: Emulator, eversince: Eversince) -> None:
    emulator.faults.once("PUT", "/storage/**", ResetFault())
    with pytest.raises(TransportError):
        await eversince.uploads.upload(stream(PHOTO), name="mug.png", size=len(PHOTO))

    assert ["POST /uploads", "PUT storage"] == routes(emulator)


async def test_store_that_stalls_is_given_up(server: ScriptedServer) -> None:
    ticket = {"upload_url": f"{server.origin}/r2?s=1", "r2_key": "x"}
    server.plays(Say(json=ticket), Hang())
    async with server.client(stall_timeout=30) as eversince:
        began = asyncio.get_running_loop().time()
        with pytest.raises(ConnectionFailed, match="nothing moved for 30 s"):
            await eversince.uploads.upload(stream(b"12345"), name="mug.png", size=5)

    assert 30.0 == pytest.approx(asyncio.get_running_loop().time() - began)


async def test_store_that_does_not_exist_is_told_without_its_signature(server: ScriptedServer) -> None:
    ticket = {"upload_url": "http://127.0.0.1:1/r2?X-Sig=secret", "r2_key": "x"}
    server.plays(Say(json=ticket))
    async with server.client() as eversince:
        with pytest.raises(ConnectionFailed) as raised:
            await eversince.uploads.upload(stream(b"12345"), name="mug.png", size=5)

    assert "never_sent" == raised.value.outcome
    assert "secret" not in repr(raised.value)


@pytest.mark.parametrize("url", ["", "ftp://a/b", "/relative", "http://", "http://[", "javascript:alert(1)"])
async def test_ticket_without_a_url_is_refused(server: ScriptedServer, url: str) -> None:
    server.plays(Say(json={"upload_url": url, "r2_key": "x"}))
    async with server.client() as eversince:
        with pytest.raises(UploadRejected, match=r"mug\.png: not sent: upload_url ") as raised:
            await eversince.uploads.upload(b"12345", name="mug.png")

    assert raised.value.status is None
    assert 1 == len(server.seen)


async def test_redirect_of_a_stream_is_not_followed(server: ScriptedServer) -> None:
    ticket = {"upload_url": f"{server.origin}/r2?s=1", "r2_key": "x"}
    server.plays(Say(json=ticket), Say(status=307, headers={"Location": "/elsewhere"}))
    async with server.client() as eversince:
        with pytest.raises(UploadRejected, match="upload_url redirects, and a stream can be sent only once"):
            await eversince.uploads.upload(stream(b"12345"), name="mug.png", size=5)


SIGNED = "/r2//a%2Fb?X-Sig=a%2Bb+c/~&empty=&=&x;y"


@pytest.mark.parametrize("status", [307, 308])
async def test_redirect_of_a_put_is_followed_byte_for_byte(server: ScriptedServer, status: int) -> None:
    """New buckets redirect for a while; the bytes are read again."""
    ticket = {"upload_url": f"{server.origin}/r2?s=1", "r2_key": "x"}
    moved = Say(status=status, headers={"Location": server.origin + SIGNED})
    server.plays(Say(json=ticket), moved, Say(), Say(status=201, json={"upload_id": "upl_1"}))
    async with server.client() as eversince:
        await eversince.uploads.upload(b"12345", name="mug.png")

    put = server.seen[2]
    assert ("PUT", SIGNED, b"12345") == (put.method, put.target, put.body)
    assert ("image/png", "5") == (put.headers["content-type"], put.headers["content-length"])


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_redirect_that_makes_a_read_of_it_is_a_refusal(server: ScriptedServer, status: int) -> None:
    ticket = {"upload_url": f"{server.origin}/r2?s=1", "r2_key": "x"}
    server.plays(Say(json=ticket), Say(status=status, headers={"Location": "/elsewhere"}))
    async with server.client() as eversince:
        with pytest.raises(UploadRejected, match=f"the store answered {status}"):
            await eversince.uploads.upload(stream(b"12345"), name="mug.png", size=5)

    assert 2 == len(server.seen)


async def test_redirects_in_a_circle_say_so(server: ScriptedServer) -> None:
    ticket = {"upload_url": f"{server.origin}/r2?s=hush", "r2_key": "x"}
    server.plays(Say(json=ticket), Say(status=307, headers={"Location": "/r2?s=hush"}))
    async with server.client() as eversince:
        with pytest.raises(UploadRejected, match="upload_url redirects in a circle") as raised:
            await eversince.uploads.upload(b"12345", name="mug.png")

    assert "hush" not in str(raised.value)
    assert 2 == len(server.seen)


async def test_nothing_is_sent_to_a_private_address_that_the_public_api_names(server: ScriptedServer) -> None:
    ticket = UploadTicket(upload_url=f"https{server.origin.removeprefix('http')}/r2?s=hush", r2_key="x")
    async with Eversince("es_live_x") as eversince:
        with pytest.raises(UploadRejected, match=r"upload_url leads to 127\.0\.0\.1") as raised:
            await eversince.uploads.put(ticket, b"12345", name="a.png", content_type="image/png", size=5)

    assert "hush" not in str(raised.value)
    assert [] == server.seen


async def test_the_code_of_a_refusal_in_xml_is_told(server: ScriptedServer) -> None:
    ticket = UploadTicket(upload_url=f"{server.origin}/r2?s=1", r2_key="x")
    server.plays(Say(status=403, body=b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code></Error>"))
    async with server.client() as eversince:
        with pytest.raises(UploadRejected, match="the store answered 403 ExpiredToken"):
            await eversince.uploads.put(ticket, b"1", name="a.png", content_type="image/png", size=1)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"<html>Sign in</html>", r"a web page came instead of the store's answer \(200\)"),
        (b"<Error><Code>InternalError</Code></Error>", "answered 200, and yet InternalError"),
    ],
)
async def test_page_instead_of_the_stores_answer_is_no_success(
    server: ScriptedServer, body: bytes, problem: str
) -> None:
    ticket = {"upload_url": f"{server.origin}/r2?s=1", "r2_key": "x"}
    server.plays(Say(json=ticket), Say(body=body))
    async with server.client() as eversince:
        with pytest.raises(UploadRejected, match=problem):
            await eversince.uploads.upload(stream(b"12345"), name="mug.png", size=5)

    assert 2 == len(server.seen)


async def test_page_that_is_packed_is_no_success_either(server: ScriptedServer) -> None:
    ticket = {"upload_url": f"{server.origin}/r2?s=1", "r2_key": "x"}
    page = Say(body=gzip.compress(b"<html>Sign in</html>"), headers={"Content-Encoding": "gzip"})
    server.plays(Say(json=ticket), page)
    async with server.client() as eversince:
        with pytest.raises(UploadRejected, match="a web page came"):
            await eversince.uploads.upload(stream(b"12345"), name="mug.png", size=5)


@pytest.mark.parametrize("body", [b"", b'{"Key": "x"}', b"OK"])
async def test_what_stores_answer_to_a_put_is_a_success(server: ScriptedServer, body: bytes) -> None:
    ticket = {"upload_url": f"{server.origin}/r2?s=1", "r2_key": "x"}
    server.plays(Say(json=ticket), Say(body=body), Say(status=201, json={"upload_id": "upl_1"}))
    async with server.client() as eversince:
        assert "upl_1" == (await eversince.uploads.upload(b"12345", name="mug.png")).upload_id


async def test_store_that_asks_for_a_pause_gets_it(server: ScriptedServer) -> None:
    ticket = Say(json={"upload_url": f"{server.origin}/r2?s=1", "r2_key": "x"})
    busy = Say(status=503, headers={"Retry-After": "37"})
    server.plays(ticket, busy, ticket, Say(), Say(status=201, json={"upload_id": "upl_1"}))
    async with server.client() as eversince:
        await eversince.uploads.upload(b"12345", name="mug.png")

    assert 37 <= server.seen[2].at - server.seen[1].at < 38


async def test_pause_that_is_too_long_is_told(server: ScriptedServer) -> None:
    ticket = Say(json={"upload_url": f"{server.origin}/r2?s=1", "r2_key": "x"})
    server.plays(ticket, Say(status=503, headers={"Retry-After": "7200"}))
    async with server.client() as eversince:
        with pytest.raises(UploadRejected, match="the store answered 503 and asks for a wait of 7,200 s"):
            await eversince.uploads.upload(b"12345", name="mug.png")

    assert 2 == len(server.seen)


@pytest.mark.parametrize(
    "play", [Reset(), Say(status=403), Say(headers={"X": "a" * 100_000}), Hang()], ids=str
)
async def test_no_error_behind_the_error_knows_the_signature(server: ScriptedServer, play: Any) -> None:
    server.plays(Say(json={"upload_url": f"{server.origin}/r2?s=hush", "r2_key": "x"}), play)
    async with server.client() as eversince:
        with pytest.raises((UploadRejected, TransportError)) as raised:
            await eversince.uploads.upload(stream(b"12345"), name="mug.png", size=5)

    assert "hush" not in everything_behind(raised.value)


async def test_confirm_in_doubt_is_sent_again(server: ScriptedServer) -> None:
    ticket = {"upload_url": f"{server.origin}/r2?s=1", "r2_key": "x"}
    server.plays(Say(json=ticket), Say(), Reset(), Say(json={"upload_id": "upl_1", "type": "image"}))
    async with server.client() as eversince:
        upload = await eversince.uploads.upload(b"12345", name="mug.png")

    assert ("upl_1", True) == (upload.upload_id, upload.existed)


def test_no_step_of_an_upload_can_be_in_doubt() -> None:
    """Repeating any of the three steps is harmless."""
    assert not issubclass(UploadRejected, OutcomeUnknown)


# -- Large files ------------------------------------------------------------------------------------------


async def test_memory_does_not_grow_with_the_file(emulator: Emulator, eversince: Eversince) -> None:
    """Client and emulator transfer 500 MB with little time and memory."""
    piece, count = bytes(MIB), 500
    digest = hashlib.sha256()

    async def film() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield piece

    for _ in range(count):
        digest.update(piece)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    upload = await eversince.uploads.upload(film(), name="film.mp4", size=count * MIB)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    (sent,) = emulator.account.uploads.values()
    assert (upload.type, digest.hexdigest()) == ("video", sent.sha256)
    assert grown / (1024 if sys.platform == "linux" else MIB) < 48


# -- Cancelling -------------------------------------------------------------------------------------------


async def test_cancelled_anywhere_it_leaves_nothing_open(tmp_path: Path) -> None:
    """No file, departure or task is left, and the cancellation is raised."""
    path = tmp_path / "mug.mp4"
    path.write_bytes(bytes(3_000_000))
    limits = EmulatedLimits(requests_per_minute=None)
    async with (
        Emulator(limits=limits) as emulator,
        Eversince(**emulator.connection, limits=Limits(requests_per_minute=None)) as eversince,
    ):
        for rounds in itertools.count(step=2):
            upload = asyncio.create_task(eversince.uploads.upload(path))
            for _ in range(rounds):
                await asyncio.sleep(0)
            if not upload.cancel():
                break
            await asyncio.wait([upload])
            assert upload.cancelled()
            assert 0 == eversince.governor.budget.in_flight

    assert rounds > 20


async def test_cancelling_before_the_confirm_leaves_an_unconfirmed_upload(
    emulator: Emulator, eversince: Eversince
) -> None:
    emulator.faults.once("PUT", "/storage/**", Stall())
    upload = asyncio.create_task(eversince.uploads.upload(PHOTO, name="mug.png"))
    await asyncio.sleep(10)
    upload.cancel()
    await asyncio.wait([upload])

    assert {} == emulator.account.confirmed


async def test_cancelling_closes_the_source(eversince: Eversince) -> None:
    closed: list[bool] = []

    async def slow() -> AsyncIterator[bytes]:
        try:
            yield b"12"
            await asyncio.sleep(1000)
        finally:
            closed.append(True)

    upload = asyncio.create_task(eversince.uploads.upload(slow(), name="mug.png", size=5))
    await asyncio.sleep(10)
    upload.cancel()
    await asyncio.wait([upload])

    assert upload.cancelled()
    assert [True] == closed
