"""Cancelling a transfer before, within and behind a store's redirects, refusals, pauses and pages."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from eversince_async import Limits, RetryPolicy
from eversince_async._wire.addresses import AddressPolicy
from eversince_async.transfers.download import NamedUrl, download
from eversince_async.transfers.store import Store
from helpers.fake_server import Say, ScriptedServer
from helpers.interruptions import Interrupted, When

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from pathlib import Path

FILM = bytes(range(256)) * 1024
DENIED = b"<Error><Code>AccessDenied</Code></Error>"
ETAG = {"ETag": '"v1"'}
MOVED = Say(status=307, headers={"Location": "/signed?s=a%2Bb"})
REST = Say(
    status=206,
    body=FILM[100_000:],
    headers={**ETAG, "Content-Range": f"bytes 100000-{len(FILM) - 1}/{len(FILM)}"},
)
BUSY = Say(status=503, body=DENIED, headers={"Retry-After": "5"})

EACH = pytest.mark.parametrize("when", [When.WAITING, When.GRANTED], ids=lambda when: when.name.lower())


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer()
    await server.start()
    yield server
    await server.aclose()


async def interrupted(work: Coroutine[Any, Any, Any], nth: int, when: When) -> asyncio.Task[Any]:
    """Run something that is cancelled at its nth wait; returns the task, which is over."""

    async def run() -> Any:
        return await Interrupted(work, nth, when)

    task = asyncio.create_task(run())
    await asyncio.wait([task])
    return task


@EACH
async def test_a_download_leaves_what_can_be_resumed_or_nothing(server, tmp_path, when):
    target = tmp_path / "film.mp4"
    store = Store(AddressPolicy.of(server.base_url))

    async def fetch() -> Path:
        left = [f"{server.origin}/a", f"{server.origin}/b"]

        async def next_url() -> NamedUrl | None:
            return NamedUrl("assembled_url", left.pop(0)) if left else None

        return await download(store, next_url, target, retry=RetryPolicy())

    for nth in itertools.count(1):
        for file in tmp_path.iterdir():
            file.unlink()
        cut = Say(body=FILM, headers=ETAG, cut=100_000, lingers=1.0)
        server.plays(MOVED, cut, BUSY, MOVED, Say(status=403, body=DENIED), MOVED, REST)
        task = await interrupted(fetch(), nth, when)
        if not task.cancelled():
            break
        left = {each.name for each in tmp_path.iterdir()}
        assert left in (set(), {"film.mp4"}, {"film.mp4.part", "film.mp4.part.json"}), nth
        for name in left - {"film.mp4.part.json"}:
            assert FILM.startswith((tmp_path / name).read_bytes())

    await store.aclose()
    assert FILM == task.result().read_bytes()
    assert nth > 15


@EACH
async def test_an_upload_leaves_nothing_open(server, tmp_path, when):
    path = tmp_path / "mug.png"
    path.write_bytes(FILM)
    ticket = Say(json={"upload_url": f"{server.origin}/r2?s=1", "r2_key": "x"})
    confirmed = Say(status=201, json={"upload_id": "upl_1", "type": "image"})
    async with server.client(limits=Limits(requests_per_minute=None)) as eversince:
        for nth in itertools.count(1):
            server.plays(
                ticket, MOVED, Say(status=403, body=DENIED), ticket, BUSY, ticket, MOVED, Say(), confirmed
            )
            task = await interrupted(eversince.uploads.upload(path), nth, when)
            if not task.cancelled():
                break
            assert 0 == eversince.governor.budget.in_flight

    assert "upl_1" == task.result().upload_id
    assert nth > 15
