"""A store that breaks off, lies, changes the file or hangs: the file is whole and right, or not there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from eversince_async import DownloadFailed, RetryPolicy
from eversince_async._wire.addresses import AddressPolicy
from eversince_async.transfers.download import NamedUrl, download
from eversince_async.transfers.store import Store
from helpers.fake_server import Hang, Reset, Say

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from helpers.fake_server import Play, ScriptedServer

FILM = bytes(range(256)) * 1024  # 256 KiB
SIZE = len(FILM)
ETAG = '"v1"'


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = Store(AddressPolicy(https_only=False, allows_private=True), stall_timeout=60)
    yield store
    await store.aclose()


@pytest.fixture
def fetch(store: Store, server: ScriptedServer, tmp_path: Path) -> Any:
    """Downloads what a script plays to film.mp4, from as many URLs as are named."""

    async def fetch(*script: Play, urls: tuple[str, ...] = ("/a",), attempts: int = 4, **more: Any) -> Path:
        server.plays(*script)
        left = [f"{server.origin}{url}" for url in urls]

        async def next_url() -> NamedUrl | None:
            return NamedUrl("assembled_url", left.pop(0)) if left else None

        policy = RetryPolicy(attempts=attempts)
        return await download(store, next_url, tmp_path / "film.mp4", retry=policy, **more)

    return fetch


def whole(content: bytes = FILM, etag: str | None = ETAG, **more: Any) -> Say:
    headers = {} if etag is None else {"ETag": etag}
    return Say(body=content, headers=headers, **{"lingers": 1.0, **more})


def rest(first: int, content: bytes = FILM, etag: str | None = ETAG, **headers: str) -> Say:
    spans = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
    if etag is not None:
        spans["ETag"] = etag
    return Say(status=206, body=content[first:], headers={**spans, **headers})


def ranges(server: ScriptedServer) -> list[str | None]:
    return [seen.headers.get("range") for seen in server.seen]


async def test_a_whole_file_is_there_and_nothing_beside_it(fetch, tmp_path):
    path = await fetch(whole())

    assert FILM == path.read_bytes()
    assert ["film.mp4"] == [each.name for each in tmp_path.iterdir()]


async def test_no_key_goes_to_the_store(fetch, server):
    await fetch(whole())

    assert "authorization" not in server.seen[0].headers


async def test_a_broken_transfer_is_resumed_where_it_broke(fetch, server):
    path = await fetch(whole(cut=100_000), rest(100_000))

    assert FILM == path.read_bytes()
    assert [None, "bytes=100000-"] == ranges(server)
    assert ETAG == server.seen[1].headers["if-range"]


@pytest.mark.parametrize("etag", [None, 'W/"v1"', '"\x7f"', '"\xff"'], ids=["none", "weak", "DEL", "binary"])
async def test_without_a_strong_etag_it_is_begun_anew(fetch, server, etag):
    path = await fetch(whole(cut=100_000, etag=etag), whole(etag=etag))

    assert FILM == path.read_bytes()
    assert [None, None] == ranges(server)


async def test_a_file_that_has_changed_meanwhile_is_taken_whole(fetch):
    """If-Range does not match, so the server sends all of the new one."""
    other = FILM[::-1] + b"longer"
    path = await fetch(whole(cut=100_000), whole(other, '"v2"'))

    assert other == path.read_bytes()


@pytest.mark.parametrize(
    "lie",
    [
        rest(100_000, FILM[::-1], '"v2"'),
        rest(100_000, FILM + b"more"),
        rest(90_000),
        Say(status=206, body=FILM[100_000:], headers={"ETag": ETAG}),
        Say(status=206, body=FILM[100_000:], headers={"Content-Range": "bytes 0-9/10, bytes 20-29/30"}),
        Say(status=206, body=FILM[100_000:], headers={"Content-Range": "lines 100000-262143/262144"}),
        Say(status=206, body=FILM[100_000:], headers={"Content-Range": "bytes ²-³/4"}),
        Say(status=206, body=FILM[100_000:], headers={"Content-Range": f"bytes {'9' * 5000}-1/2"}),
        Say(status=206, body=FILM[100_000:] + b"+", headers={"Content-Range": f"bytes 100000-262143/{SIZE}"}),
        Say(status=416),
    ],
    ids=[
        "etag",
        "total",
        "place",
        "unsaid",
        "several",
        "unit",
        "digits",
        "length",
        "too many bytes",
        "416",
    ],
)
async def test_a_continuation_that_does_not_fit_is_thrown_away(fetch, server, lie):
    path = await fetch(whole(cut=100_000), lie, whole())

    assert FILM == path.read_bytes()
    assert [None, "bytes=100000-", None] == ranges(server)


async def test_a_total_that_is_no_number_is_as_good_as_none(fetch):
    span = {"Content-Range": f"bytes 100000-262143/{'9' * 5000}"}
    path = await fetch(whole(cut=100_000), Say(status=206, body=FILM[100_000:], headers=span))

    assert FILM == path.read_bytes()


async def test_a_range_that_ends_early_is_asked_for_on(fetch, server):
    part = Say(
        status=206, body=FILM[100_000:200_000], headers={"Content-Range": f"bytes 100000-199999/{SIZE}"}
    )
    path = await fetch(whole(cut=100_000), part, rest(200_000))

    assert FILM == path.read_bytes()
    assert [None, "bytes=100000-", "bytes=200000-"] == ranges(server)


async def test_a_file_that_only_missed_its_rename_is_finished(fetch, tmp_path, server):
    (tmp_path / "film.mp4.part").write_bytes(FILM)
    (tmp_path / "film.mp4.part.json").write_text(json.dumps({"etag": ETAG, "total": SIZE}))

    path = await fetch(Say(status=416, headers={"Content-Range": f"bytes */{SIZE}"}))

    assert FILM == path.read_bytes()
    assert [f"bytes={SIZE}-"] == ranges(server)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "[]",
        "{",
        '{"etag": 5, "total": 6}',
        '{"etag": null, "total": null}',
        '{"etag": "\\"v1\\"", "total": 9}',
        '{"etag": "\\r\\nX-Injected: 1", "total": null}',
        '{"etag": "\\ud800", "total": null}',
    ],
)
async def test_a_part_of_unknown_origin_is_not_resumed(fetch, tmp_path, server, note):
    (tmp_path / "film.mp4.part").write_bytes(b"rubbish" * 50_000)
    (tmp_path / "film.mp4.part.json").write_text(note)

    path = await fetch(whole())

    assert FILM == path.read_bytes()
    assert [None] == ranges(server)


async def test_a_compressed_answer_is_not_taken_for_the_file(fetch, tmp_path):
    squeezed = Say(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    with pytest.raises(DownloadFailed, match="encoding that was not asked for: gzip"):
        await fetch(squeezed)
    assert not (tmp_path / "film.mp4").exists()


@pytest.mark.parametrize(
    "trouble", [Say(status=503), Say(status=429), Say(status=500), Reset(), Say(cut=0, body=b"x")]
)
async def test_trouble_that_passes_is_waited_out(fetch, trouble):
    path = await fetch(trouble, trouble, whole())

    assert FILM == path.read_bytes()


async def test_trouble_that_does_not_pass_is_told_with_its_status(fetch, server):
    with pytest.raises(DownloadFailed, match="503") as failed:
        await fetch(Say(status=503))

    assert 503 == failed.value.status
    assert 4 == len(server.seen)


async def test_a_transfer_that_stalls_is_given_up_after_the_stall_timeout_and_resumed(fetch, server):
    path = await fetch(Hang(), whole())

    assert FILM == path.read_bytes()
    assert 60 <= server.seen[1].at - server.seen[0].at < 62


async def test_a_transfer_that_stalls_in_the_middle_is_resumed_from_there(fetch, server):
    path = await fetch(whole(cut=100_000, lingers=1000), rest(100_000))

    assert FILM == path.read_bytes()
    assert [None, "bytes=100000-"] == ranges(server)
    assert 60 <= server.seen[1].at - server.seen[0].at < 62


async def test_attempts_that_bring_something_are_not_counted(fetch, server):
    """A connection that breaks after every 70 KB, and a policy of two attempts: it arrives all the same."""
    step = 70_000
    pieces = [whole(cut=step)]
    for first in range(step, SIZE, step):
        piece = rest(first)
        pieces.append(Say(status=206, body=piece.body, headers=piece.headers, cut=step, lingers=1.0))
    path = await fetch(*pieces, attempts=2)

    assert FILM == path.read_bytes()
    assert 4 == len(server.seen)


async def test_drops_are_no_progress(fetch, server):
    """A server that gives a few bytes at a time is given up."""
    drops = [whole(cut=10)] + [
        Say(status=206, body=rest(first).body, headers=rest(first).headers, cut=10, lingers=1.0)
        for first in range(10, 200, 10)
    ]
    with pytest.raises(DownloadFailed, match=r"40 bytes are kept in film.mp4.part and will be resumed"):
        await fetch(*drops)

    assert 4 == len(server.seen)


async def test_another_url_is_tried_when_one_is_refused(fetch, server):
    path = await fetch(Say(status=403), Say(status=410), whole(), urls=("/a", "/b", "/c"))

    assert FILM == path.read_bytes()
    assert ["/a", "/b", "/c"] == [seen.target for seen in server.seen]


async def test_a_url_that_expires_on_the_way_is_replaced_and_the_rest_resumed(fetch, server):
    path = await fetch(whole(cut=100_000), Say(status=403), rest(100_000), urls=("/a", "/b"))

    assert FILM == path.read_bytes()
    assert ["/a", "/a", "/b"] == [seen.target for seen in server.seen]
    assert "bytes=100000-" == ranges(server)[2]


async def test_when_no_url_is_left_the_refusal_is_told(fetch, tmp_path):
    with pytest.raises(DownloadFailed, match="the store answered 403") as failed:
        await fetch(whole(cut=100_000), Say(status=403))

    assert 403 == failed.value.status
    assert 100_000 == (tmp_path / "film.mp4.part").stat().st_size


async def test_the_url_and_its_signature_are_not_in_the_error(fetch):
    with pytest.raises(DownloadFailed) as failed:
        await fetch(Reset(), urls=("/a?signature=hush",))

    assert "hush" not in str(failed.value) + repr(failed.value.__context__) + repr(failed.value.__cause__)


async def test_progress_is_told_from_the_first_byte_to_the_last(fetch):
    told: list[tuple[int, int | None]] = []

    await fetch(whole(cut=100_000), rest(100_000), on_progress=lambda done, total: told.append((done, total)))

    assert (SIZE, SIZE) == told[-1]
    assert sorted(told) == told


async def test_progress_may_be_a_coroutine_function(fetch):
    told = []

    async def tell(done: int, total: int | None) -> None:
        told.append(done)

    await fetch(whole(), on_progress=tell)

    assert [SIZE] == told


@pytest.mark.parametrize("mistake", [ValueError("mine"), OSError("mine"), TimeoutError("mine")])
async def test_what_the_progress_callback_raises_comes_out_as_it_is(fetch, mistake, server):
    """It is not taken for a broken connection, and nothing is repeated for it."""

    def fails(done: int, total: int | None) -> None:
        raise mistake

    with pytest.raises(type(mistake), match="mine"):
        await fetch(whole(), on_progress=fails)
    assert 1 == len(server.seen)
