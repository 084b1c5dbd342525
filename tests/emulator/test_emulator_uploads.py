"""Uploads, the storage that receives them, and the media that it serves."""

from __future__ import annotations

import asyncio
import hashlib
import io
import wave
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from eversince_async.emulator import Emulator, Faults, Limits, Truncated
from helpers.emulator_client import Calls, Reply, calling

FILE = {"file_name": "product.jpg", "content_type": "image/jpeg", "file_size": 5}
JPEG = {"Content-Type": "image/jpeg"}


async def ticket(call: Calls, **changes: Any) -> dict[str, Any]:
    reply = await call("POST", "/uploads", json={**FILE, **changes})
    assert 200 == reply.status, reply
    return dict(reply.body)


async def confirm(call: Calls, r2_key: str, **changes: Any) -> Reply:
    return await call("POST", "/uploads/confirm", json={"r2_key": r2_key, **FILE, **changes})


async def test_an_upload_takes_three_steps_and_can_be_referred_to(call: Calls) -> None:
    place = await ticket(call)

    put = await call("PUT", place["upload_url"], data=b"12345", headers=JPEG)
    first, second = await confirm(call, place["r2_key"]), await confirm(call, place["r2_key"])

    assert {"upload_url", "r2_key", "expires_in"} == place.keys()
    assert 3600 == place["expires_in"]
    assert not place["upload_url"].startswith(call.emulator.places.api), "the storage is another origin"
    assert (200, b"") == (put.status, put.body)
    assert (201, 200) == (first.status, second.status)
    assert {"upload_id": first.body["upload_id"], "type": "image"} == second.body
    assert await call.create(references=[{"upload_id": first.body["upload_id"]}])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"file_name": ""}, "file_name"),
        ({"content_type": "image/gif"}, "content_type"),
        ({"file_size": 0}, "file_size"),
        ({"file_size": "5"}, "file_size"),
        ({"file_size": True}, "file_size"),
        ({"file_size": 10 * 2**20 + 1}, "file_size"),
        ({"content_type": "audio/mpeg", "file_size": 50 * 2**20 + 1}, "file_size"),
        ({"content_type": "video/mp4", "file_size": 500 * 2**20 + 1}, "file_size"),
    ],
)
async def test_wrong_announcements_are_400(call: Calls, changes: dict[str, Any], field: str) -> None:
    reply = await call("POST", "/uploads", json={**FILE, **changes})

    assert (400, "validation_error") == reply.refusal
    assert reply.message.startswith(f"{field}: ")


async def test_the_storage_refuses_what_was_not_signed(call: Calls) -> None:
    url = (await ticket(call))["upload_url"]

    with_key = await call("PUT", url, data=b"12345", headers={**JPEG, "Authorization": "Bearer x"})
    other_type = await call("PUT", url, data=b"12345", headers={"Content-Type": "image/png"})
    unsigned = await call("PUT", url.partition("?")[0], data=b"12345", headers=JPEG)
    chunked = await call("PUT", url, data=_chunks(), headers=JPEG)
    other_method = await call("POST", url, data=b"12345", headers=JPEG)

    assert (400, "validation_error") == with_key.refusal
    assert (403, "forbidden") == other_type.refusal
    assert (403, "forbidden") == unsigned.refusal
    assert (411, "length_required") == chunked.refusal
    assert (405, "method_not_allowed") == other_method.refusal


async def _chunks() -> Any:
    yield b"12345"


async def test_a_presigned_url_expires_after_an_hour(call: Calls) -> None:
    url = (await ticket(call))["upload_url"]

    await asyncio.sleep(3601)

    assert (403, "forbidden") == (await call("PUT", url, data=b"12345", headers=JPEG)).refusal


async def test_only_what_was_put_as_announced_is_confirmed(call: Calls) -> None:
    key, url = (place := await ticket(call))["r2_key"], place["upload_url"]

    never = await confirm(call, key)
    await call("PUT", url, data=b"1234", headers=JPEG)
    short = await confirm(call, key)
    await call("PUT", url, data=b"12345", headers=JPEG)
    other = await confirm(call, key, content_type="image/png")

    assert (400, "validation_error") == never.refusal
    assert (400, "validation_error") == short.refusal
    assert (400, "validation_error") == other.refusal
    assert (404, "not_found") == (await confirm(call, "uploads/x/y")).refusal
    assert 201 == (await confirm(call, key)).status


async def test_a_big_upload_is_counted_and_hashed_but_not_kept(call: Calls) -> None:
    content = bytes(3 * 2**20)
    place = await ticket(call, content_type="video/mp4", file_size=len(content))

    await call("PUT", place["upload_url"], data=io.BytesIO(content), headers={"Content-Type": "video/mp4"})

    upload = call.emulator.account.uploads[place["r2_key"]]
    assert (len(content), hashlib.sha256(content).hexdigest()) == (upload.stored_size, upload.sha256)
    assert {} == call.emulator.storage.contents


# -- Media ----------------------------------------------------------------------------------------------


async def film(call: Calls, **fields: Any) -> str:
    project = call.emulator.add_project(rendered=True, **fields)
    return str((await call("GET", f"/projects/{project.id}")).body["assembled_url"])


async def test_a_download_can_resume(call: Calls) -> None:
    url = await film(call)
    whole = await call("GET", url)
    tag, size = whole.headers["ETag"], len(whole.body)

    head = await call("HEAD", url)
    rest = await call("GET", url, headers={"Range": "bytes=1000-", "If-Range": tag})
    middle = await call("GET", url, headers={"Range": "bytes=10-19"})
    tail = await call("GET", url, headers={"Range": "bytes=-5"})
    changed = await call("GET", url, headers={"Range": "bytes=1000-", "If-Range": '"other"'})
    beyond = await call("GET", url, headers={"Range": f"bytes={size}-"})
    same = await call("GET", url, headers={"If-None-Match": tag})

    assert (200, str(size), tag) == (head.status, head.headers["Content-Length"], head.headers["ETag"])
    assert (206, whole.body[1000:]) == (rest.status, rest.body)
    assert f"bytes 1000-{size - 1}/{size}" == rest.headers["Content-Range"]
    assert (206, whole.body[10:20]) == (middle.status, middle.body)
    assert (206, whole.body[-5:]) == (tail.status, tail.body)
    assert (200, whole.body) == (changed.status, changed.body)
    assert (416, f"bytes */{size}") == (beyond.status, beyond.headers["Content-Range"])
    assert 304 == same.status


async def test_no_two_films_are_the_same_bytes(call: Calls) -> None:
    one, two = await call("GET", await film(call)), await call("GET", await film(call))

    assert one.body != two.body
    assert one.headers["ETag"] != two.headers["ETag"]


async def test_films_can_be_padded_to_any_size() -> None:
    async with calling(Emulator(video_bytes=3_000_000)) as call:
        url = await film(call)
        whole = (await call("GET", url)).body
        part = (await call("GET", url, headers={"Range": "bytes=20000-2999999"})).body

        assert 3_000_000 == len(whole)
        assert whole[20_000:] == part


async def test_a_film_without_its_signature_is_forbidden(call: Calls) -> None:
    url = await film(call)

    assert (403, "forbidden") == (await call("GET", url.partition("?")[0])).refusal
    assert (403, "forbidden") == (await call("GET", url[:-4] + "0000")).refusal
    assert (405, "method_not_allowed") == (await call("POST", url)).refusal
    assert (404, "not_found") == (await call("GET", call.emulator.places.storage + "/media/x/y.png")).refusal


async def test_a_transfer_can_be_cut(call: Calls) -> None:
    url = await film(call)
    call.emulator.faults.once("GET", "/media/**", Truncated(keep=0.5))

    with pytest.raises(aiohttp.ClientPayloadError):
        await call("GET", url)
    assert 200 == (await call("GET", url)).status


async def test_transfers_are_cut_by_chance() -> None:
    async with calling(Emulator(faults=Faults(cut_downloads=1.0), limits=Limits.none())) as call:
        url = await film(call)
        with pytest.raises(aiohttp.ClientPayloadError):
            await call("GET", url)


@pytest.mark.parametrize(
    ("ratio", "width", "height"),
    [("16:9", 320, 180), ("9:16", 180, 320), ("1:1", 240, 240), ("21:9", 336, 144)],
)
async def test_films_play_in_their_shape(
    call: Calls, tmp_path: Path, ratio: str, width: int, height: int
) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "film.mp4"
    path.write_bytes((await call("GET", await film(call, aspect_ratio=ratio))).body)

    with av.open(str(path)) as opened:
        frames = [(frame.width, frame.height) for frame in opened.decode(video=0)]
        kinds = {stream.type for stream in opened.streams}

    assert [(width, height)] * 96 == frames
    assert {"video", "audio"} == kinds


async def test_pictures_and_sounds_are_real(call: Calls) -> None:
    project = call.emulator.add_project()
    assets = (await call("GET", f"/projects/{project.id}/assets?limit=50")).body["assets"]
    urls = {asset["type"]: asset["url"] for asset in assets}

    picture = (await call("GET", urls["image"])).body
    with wave.open(io.BytesIO((await call("GET", urls["audio"])).body)) as sound:
        seconds = sound.getnframes() / sound.getframerate()

    assert b"\x89PNG\r\n\x1a\n" == picture[:8]
    assert seconds > 1


async def test_pictures_decode(call: Calls, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    project = call.emulator.add_project(aspect_ratio="9:16")
    assets = (await call("GET", f"/projects/{project.id}/assets?limit=50")).body["assets"]
    path = tmp_path / "picture.png"
    path.write_bytes(
        (await call("GET", next(each["url"] for each in assets if each["type"] == "image"))).body
    )

    with av.open(str(path)) as opened:
        frame = next(opened.decode(video=0))

    assert (180, 320) == (frame.width, frame.height)
