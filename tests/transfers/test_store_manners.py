"""Stores have manners of their own: redirects, encodings, pages instead of videos, errors in XML."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from test_hostile_stores import ETAG, FILM, fetch, ranges, rest, store, whole

from eversince_async import DownloadFailed, RetryPolicy
from eversince_async._wire.addresses import AddressPolicy
from eversince_async.durable.failures import is_retryable
from eversince_async.transfers.download import NamedUrl, download
from eversince_async.transfers.store import Store
from helpers.fake_server import Hang, Reset, Say, everything_behind

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["fetch", "store"]

SIGNED = "/bucket//a%2Fb/%7Efilm.mp4?X-Amz-Signature=a%2Bb+c%2f/~&X-Amz-Date=2026:11:30&empty=&=&x;y"
DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>hush</Message></Error>"


def to(location: str, status: int = 302) -> Say:
    return Say(status=status, headers={"Location": location})


def files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


# -- Redirects --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_a_signed_address_is_followed_byte_for_byte(fetch, server, status):
    path = await fetch(to(server.origin + SIGNED, status), whole())

    assert FILM == path.read_bytes()
    assert ["/a", SIGNED] == [seen.target for seen in server.seen]


@pytest.mark.parametrize("location", [SIGNED, f"http://127.0.0.1:PORT{SIGNED}", f"//127.0.0.1:PORT{SIGNED}"])
async def test_however_the_redirect_is_written(fetch, server, location):
    await fetch(to(location.replace("PORT", server.origin.rpartition(":")[2])), whole())

    assert SIGNED == server.seen[1].target


async def test_a_video_behind_a_redirect_is_resumed_behind_it(fetch, server):
    path = await fetch(to(SIGNED), whole(cut=100_000), to(SIGNED), rest(100_000))

    assert FILM == path.read_bytes()
    assert [None, None, "bytes=100000-", "bytes=100000-"] == ranges(server)


async def test_an_address_that_is_signed_at_length_is_read(fetch, server):
    long = "/a?X-Amz-Security-Token=" + "x" * 20_000
    await fetch(to(long), whole())

    assert long == server.seen[1].target


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ([to("/a")], "assembled_url redirects in a circle"),
        ([to("/b"), to("/a")], "assembled_url redirects in a circle"),
        ([to(f"/{n}") for n in range(20)], "assembled_url redirects more than 10 times"),
        ([Say(status=302)], "assembled_url redirects without saying where to"),
        ([to("ftp://a.example/x?hush")], "redirects to an address that is no http"),
        ([to("javascript:alert(1)//hush")], "redirects to an address that is no http"),
        ([to("http://me:hush@a.example/")], "redirects to an address that carries a user name"),
        ([to("http://a..b/?hush")], "redirects to an address that has no valid host"),
        ([to("/a b?hush")], "redirects to an address that has blanks"),
        ([to("/ü?hush")], "redirects to an address that has blanks"),
    ],
    ids=str,
)
async def test_a_redirect_that_leads_nowhere_says_so_at_once(fetch, server, tmp_path, script, problem):
    with pytest.raises(DownloadFailed, match=problem) as failed:
        await fetch(*script)

    assert "hush" not in str(failed.value)
    assert len(server.seen) <= 11
    assert [] == files(tmp_path)


async def test_each_target_is_judged_by_the_same_rules(server, tmp_path):
    """What the API must not name, a redirect must not either."""
    server.plays(to(f"{server.origin}/b"))
    public = Store(AddressPolicy(https_only=False, allows_private=False))
    judged: list[str] = []

    class Lenient(AddressPolicy):
        """Takes the first address for a public one, so that there is somebody to redirect."""

        def check(self, text: object, *, linked_from: Any = None) -> Any:
            judged.append(str(text))
            policy = public.addresses if linked_from else AddressPolicy(https_only=False, allows_private=True)
            return policy.check(text, linked_from=linked_from)

    store = Store(Lenient(https_only=False, allows_private=False))

    with pytest.raises(DownloadFailed, match=r"redirects to an address that leads to 127\.0\.0\.1"):
        await download(store, urls(f"{server.origin}/a"), tmp_path / "film.mp4", retry=RetryPolicy())
    await store.aclose()
    assert [f"{server.origin}/a", f"{server.origin}/b"] == judged
    assert 1 == len(server.seen)


async def test_another_url_is_tried_when_one_redirects_in_a_circle(fetch, server):
    path = await fetch(to("/a"), whole(), urls=("/a", "/b"))

    assert FILM == path.read_bytes()
    assert ["/a", "/b"] == [seen.target for seen in server.seen]


def urls(*given: str) -> Any:
    left = list(given)

    async def next_url() -> NamedUrl | None:
        return NamedUrl("assembled_url", left.pop(0)) if left else None

    return next_url


@pytest.mark.parametrize(
    "url", ["", "ftp://a/b", "http://[", "https://a b/", "https://me:hush@a.example/hush"]
)
async def test_an_odd_address_is_told_with_its_field_and_passed_over(store, server, tmp_path, url):
    server.plays(whole())
    with pytest.raises(DownloadFailed, match="assembled_url") as failed:
        await download(store, urls(url), tmp_path / "film.mp4", retry=RetryPolicy())
    assert "hush" not in str(failed.value)

    path = await download(store, urls(url, f"{server.origin}/b"), tmp_path / "film.mp4", retry=RetryPolicy())

    assert FILM == path.read_bytes()


async def test_no_connection_is_made_to_a_refused_address(server, tmp_path):
    store = Store(AddressPolicy.of("https://eversince.ai/api/v1"))
    url = f"https{server.origin.removeprefix('http')}/a"
    with pytest.raises(DownloadFailed, match=r"127\.0\.0\.1.*allow_private_addresses=True"):
        await download(store, urls(url), tmp_path / "film.mp4", retry=RetryPolicy())
    await store.aclose()

    assert [] == server.seen


# -- No video ---------------------------------------------------------------------------------------------

PAGES = {
    "HTML": b"\n<!doctype html><title>Sign in</title>",
    "XML": DENIED,
    "JSON": b'{"error": {"code": "forbidden"}}',
    "nothing": b"",
    "blanks": b"\r\n",
}


@pytest.mark.parametrize("kind", PAGES)
async def test_what_is_no_video_is_not_passed_off_as_one(fetch, server, tmp_path, kind):
    (tmp_path / "film.mp4").write_bytes(b"the finished film of yesterday")
    with pytest.raises(DownloadFailed, match=f"the store sent {kind}.* instead of a video, with 200"):
        await fetch(whole(PAGES[kind]))

    assert 1 == len(server.seen)
    assert ["film.mp4"] == files(tmp_path)
    assert b"the finished film of yesterday" == (tmp_path / "film.mp4").read_bytes()


async def test_neither_is_it_when_it_comes_as_a_part(fetch, tmp_path):
    page = PAGES["HTML"]
    spans = {"Content-Range": f"bytes 0-{len(page) - 1}/{len(page)}"}
    with pytest.raises(DownloadFailed, match="HTML"):
        await fetch(Say(status=206, body=page, headers=spans))

    assert [] == files(tmp_path)


async def test_another_url_is_tried_when_one_has_become_a_page(fetch, server):
    path = await fetch(whole(PAGES["HTML"]), whole(), urls=("/a", "/b"))

    assert FILM == path.read_bytes()


async def test_the_code_in_such_a_page_is_told(fetch):
    with pytest.raises(DownloadFailed, match=r"the store sent XML \(AccessDenied\)"):
        await fetch(whole(DENIED))


async def test_a_page_loses_nothing_of_what_had_arrived(fetch, server, tmp_path):
    """A gateway answers the request for the rest; the next download goes on where the first broke."""
    with pytest.raises(
        DownloadFailed, match=r"100,000 bytes are kept in film\.mp4\.part and will be resumed"
    ):
        await fetch(whole(cut=100_000), whole(PAGES["HTML"], etag='"page"'))
    path = await fetch(rest(100_000))

    assert FILM == path.read_bytes()
    assert "bytes=100000-" == ranges(server)[-1]


async def test_a_part_of_a_page_is_not_resumed(fetch, server, tmp_path):
    (tmp_path / "film.mp4.part").write_bytes(PAGES["HTML"])
    (tmp_path / "film.mp4.part.json").write_text(json.dumps({"etag": ETAG, "total": 1000}))

    path = await fetch(whole())

    assert FILM == path.read_bytes()
    assert [None] == ranges(server)


async def test_a_video_whose_first_bytes_come_one_by_one_is_taken(tmp_path, store):
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for byte in b"\r\n\0\0ftyp":
            await asyncio.sleep(0.1)
            writer.write(bytes([byte]))
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    path = await download(store, urls(url), tmp_path / "film.mp4", retry=RetryPolicy())
    server.close()

    assert b"\r\n\0\0ftyp" == path.read_bytes()


# -- What is left behind ----------------------------------------------------------------------------------


async def test_a_part_that_cannot_be_resumed_is_not_left_behind(fetch, tmp_path):
    with pytest.raises(DownloadFailed, match="100,000 bytes that arrived are not kept"):
        await fetch(whole(cut=100_000, etag=None))

    assert [] == files(tmp_path)


async def test_nor_when_the_download_is_cancelled(fetch, tmp_path):
    fetching = asyncio.create_task(fetch(whole(cut=100_000, etag=None, lingers=1000)))
    await asyncio.sleep(10)
    fetching.cancel()
    await asyncio.wait([fetching])

    assert fetching.cancelled()
    assert [] == files(tmp_path)


async def test_a_part_that_can_be_resumed_is_kept_when_the_download_is_cancelled(fetch, tmp_path):
    fetching = asyncio.create_task(fetch(whole(cut=100_000, lingers=1000)))
    await asyncio.sleep(10)
    fetching.cancel()
    await asyncio.wait([fetching])

    assert ["film.mp4.part", "film.mp4.part.json"] == files(tmp_path)


# -- Encodings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoding",
    [
        "",
        "identity",
        "aws-chunked",
        "AWS-CHUNKED, identity",
        "utf-8",
        "UTF8",
        "binary",
        "8bit",
        "none",
        "video/mp4",
    ],
)
async def test_words_that_stores_put_on_plain_bytes_change_nothing(fetch, server, encoding):
    cut = Say(body=FILM, headers={"Content-Encoding": encoding, "ETag": ETAG}, cut=100_000, lingers=1.0)
    path = await fetch(cut, rest(100_000, **{"Content-Encoding": encoding}))

    assert FILM == path.read_bytes()
    assert [None, "bytes=100000-"] == ranges(server)


@pytest.mark.parametrize(
    "encoding", ["gzip", "X-GZIP", "deflate", "br", "zstd", "compress", "aws-chunked,gzip"]
)
async def test_an_encoding_that_changes_the_bytes_is_refused_at_once(fetch, server, tmp_path, encoding):
    squeezed = Say(body=gzip.compress(FILM), headers={"Content-Encoding": encoding, "ETag": ETAG})
    word = encoding.lower().rpartition(",")[2]
    with pytest.raises(DownloadFailed, match=f"in an encoding that was not asked for: {word}"):
        await fetch(squeezed)

    assert 1 == len(server.seen)
    assert [] == files(tmp_path)


async def test_no_encoding_is_asked_for(fetch, server):
    await fetch(whole())

    assert "identity" == server.seen[0].headers["accept-encoding"]


# -- Refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken", "NoSuchKey"])
async def test_the_code_of_a_refusal_in_xml_is_told(fetch, code):
    with pytest.raises(DownloadFailed, match=f"assembled_url: the store answered 403 {code}") as failed:
        await fetch(Say(status=403, body=DENIED.replace(b"AccessDenied", code.encode())))

    assert 403 == failed.value.status
    assert "hush" not in str(failed.value)


@pytest.mark.parametrize("status", [400, 403, 200])
async def test_a_code_that_passes_is_waited_out_whatever_the_status(fetch, status):
    slow = Say(status=status, body=b"<Error><Code>RequestTimeout</Code></Error>")

    assert FILM == (await fetch(slow, whole())).read_bytes()


async def test_a_code_that_passes_leaves_the_video_to_another_run(fetch):
    with pytest.raises(DownloadFailed, match="400 RequestTimeout") as failed:
        await fetch(Say(status=400, body=b"<Error><Code>RequestTimeout</Code></Error>"))

    assert is_retryable(failed.value)


PACKED_PAGE = gzip.compress(PAGES["HTML"], mtime=0)  # the same in each process that collects these tests


@pytest.mark.parametrize(
    ("script", "paid"),
    [
        ([Say(status=403, body=DENIED)], True),
        ([Say(status=404)], True),
        ([Say(status=400, body=DENIED)], True),
        ([Say(status=410, body=b"gone")], True),
        ([Say(status=403, body=PAGES["HTML"])], False),
        ([Say(status=403, body=PACKED_PAGE, headers={"Content-Encoding": "gzip"})], False),
        ([Say(status=403, body=b"\x8b\x02\xf5\x80", headers={"Content-Encoding": "br"})], False),
        ([Say(body=PAGES["HTML"])], False),
        *[([Say(status=status)], False) for status in (204, 304, 400, 401, 407, 416, 451, 511)],
        ([to("/a")], False),
        ([Say(headers={"Content-Encoding": "gzip"}, body=b"x")], False),
    ],
    ids=str,
)
async def test_a_new_render_is_paid_for_only_when_the_video_is_surely_gone(fetch, server, script, paid):
    async def render() -> NamedUrl:
        asked.append(1)
        return NamedUrl("assembled_url", f"{server.origin}/new")

    asked: list[int] = []
    with contextlib.suppress(DownloadFailed):
        await fetch(*script, whole(), last_resort=render)

    assert paid is bool(asked)
    assert len(asked) < 2


@pytest.mark.parametrize("status", [200, 403, 404])
async def test_a_page_is_nobodys_verdict_on_a_video(fetch, status):
    """Another run may find it: an item with such an error is not marked as failed."""
    with pytest.raises(DownloadFailed) as failed:
        await fetch(Say(status=403, body=DENIED), Say(status=status, body=PAGES["HTML"]), urls=("/a", "/b"))

    assert failed.value.status is None
    assert is_retryable(failed.value)


async def test_the_code_of_a_refusal_that_is_packed_is_told(fetch):
    with pytest.raises(DownloadFailed, match="403 AccessDenied"):
        await fetch(Say(status=403, body=gzip.compress(DENIED), headers={"Content-Encoding": "gzip"}))


async def test_the_code_of_trouble_that_passes_is_told_when_it_does_not_pass(fetch):
    with pytest.raises(DownloadFailed, match="assembled_url: the store answered 503 SlowDown"):
        await fetch(Say(status=503, body=b"<Error><Code>SlowDown</Code></Error>"))


async def test_a_refusal_that_hangs_is_a_refusal_all_the_same(fetch, server):
    began = asyncio.get_running_loop().time()
    path = await fetch(Say(status=403, body=DENIED, cut=10, lingers=1000), whole(), urls=("/a", "/b"))

    assert FILM == path.read_bytes()
    assert asyncio.get_running_loop().time() - began < 10


async def test_a_refusal_without_an_end_is_a_refusal_all_the_same(store, tmp_path):
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 99999999999\r\n\r\n" + DENIED)
        try:
            for _ in range(10_000):
                writer.write(b"x" * 100_000)
                await writer.drain()
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    with pytest.raises(DownloadFailed, match="403 AccessDenied"):
        await download(store, urls(url), tmp_path / "film.mp4", retry=RetryPolicy())
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("status", [429, 503])
async def test_a_store_that_asks_for_a_pause_gets_it(fetch, server, status):
    path = await fetch(Say(status=status, headers={"Retry-After": "37"}), whole())

    assert FILM == path.read_bytes()
    assert 37 <= server.seen[1].at - server.seen[0].at < 38


async def test_a_pause_that_is_too_long_is_told_instead_of_waited_for(fetch, server):
    with pytest.raises(DownloadFailed, match="503 and asks for a wait of 7,200 s"):
        await fetch(Say(status=503, headers={"Retry-After": "7200"}))

    assert 1 == len(server.seen)


@pytest.mark.parametrize("asked", ["soon", "-5", "1e308", "Fri, 31 Dec 9999 23:59:59 GMT", ""])
async def test_a_pause_that_makes_no_sense_breaks_nothing(fetch, asked):
    told = None
    try:
        await fetch(Say(status=503, headers={"Retry-After": asked}), whole())
    except DownloadFailed as failed:
        told = str(failed)

    assert told is None or "asks for a wait" in told


# -- Secrets ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "play",
    [
        Reset(),
        Say(cut=0, body=b"x"),
        Say(status=403, body=DENIED),
        Say(headers={"X": "a" * 100_000}),
        Say(headers={"Content-Encoding": "br"}, body=b"x"),
        Say(status=302, headers={"Location": "http://127.0.0.1:1/x?signature=hush"}),
        Hang(),
    ],
    ids=str,
)
async def test_no_error_behind_the_error_knows_the_signature(fetch, play):
    with pytest.raises(DownloadFailed) as failed:
        await fetch(play, urls=("/a?signature=hush",))

    assert "hush" not in everything_behind(failed.value)
