"""Invalid addresses: the response stays readable, and only using them fails."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from eversince_async import DownloadFailed, Eversince
from eversince_async.emulator import Emulator
from eversince_async.orchestrator.share import _may_be_new
from eversince_async.polling.observation import url_without_query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

ODD = [
    "",
    "http://[",
    "http://a]b/",
    "javascript:alert(1)",
    "ftp://a.example/b?s=hush",
    "https://a b/?s=hush",
    "https://me:hush@a.example/",
    "//a.example/",
    "https://a.example:99999/",
    "https://a\u2044b.example/",
    "\0",
    "x" * 100_000,
]


class Gone:
    """Stand-in for a field that a response lacks."""


@asynccontextmanager
async def naming(addresses: Mapping[str, Any]) -> AsyncIterator[tuple[Emulator, Eversince]]:
    """Open an emulator whose responses name these addresses instead of theirs."""

    def edited(answer: Any) -> Any:
        if isinstance(answer, list):
            return [edited(each) for each in answer]
        if not isinstance(answer, dict):
            return answer
        return {
            name: addresses[name] if name in addresses and value is not None else edited(value)
            for name, value in answer.items()
            if addresses.get(name) is not Gone
        }

    async with Emulator() as emulator, aiohttp.ClientSession() as http:

        async def pass_on(request: web.BaseRequest) -> web.Response:
            body = await request.read()
            headers = {
                name: request.headers[name]
                for name in ("Authorization", "Content-Type")
                if name in request.headers
            }
            url = emulator.places.api + request.raw_path
            async with http.request(request.method, url, data=body, headers=headers) as answer:
                told = edited(await answer.json())
                return web.json_response(told, status=answer.status)

        runner = web.ServerRunner(web.Server(pass_on))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v1"
        try:
            async with Eversince(**{**emulator.connection, "base_url": base_url}) as eversince:
                yield emulator, eversince
        finally:
            await runner.cleanup()


@pytest.mark.parametrize("odd", ["http://[", "javascript:alert(1)", "x" * 100_000], ids=lambda odd: odd[:20])
@pytest.mark.parametrize("field", ["assembled_url", "share_url", "video_url", "project_url"])
async def test_a_film_is_made_whatever_one_of_its_addresses_is(tmp_path, field, odd):
    async with naming({field: odd}) as (emulator, eversince):
        rows = [{"key": "mug", "brief": "A mug"}]
        async with eversince.batch(rows, journal=tmp_path / "j.db", download=tmp_path / "films") as running:
            outcomes = [outcome async for outcome in running]

        assert ["succeeded"] == [outcome.status for outcome in outcomes]
        assert outcomes[0].files[0].stat().st_size > 0
        assert (1, 1) == (emulator.world.counts["renders"], len(emulator.world.shares))


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd[:20])
async def test_an_odd_address_stays_readable_as_it_came(odd):
    names = ("assembled_url", "share_url", "video_url", "project_url")
    async with naming(dict.fromkeys(names, odd)) as (_, eversince):
        film = await eversince.produce("A mug")

    told = [film.assembled_url, film.share_url, film.video_url, film.project.project_url]
    assert [odd] * 4 == told


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd[:20])
async def test_only_fetching_from_it_is_an_error_which_names_the_fields(tmp_path, odd):
    async with naming({"assembled_url": odd, "video_url": odd}) as (_, eversince):
        film = await eversince.produce("A mug")
        with pytest.raises(DownloadFailed, match=r"^.*film\.mp4: video_url ") as failed:
            await film.download(tmp_path / "film.mp4")

    assert "hush" not in str(failed.value)
    assert [] == list(tmp_path.iterdir())


async def test_a_video_is_fetched_from_the_address_that_is_good(tmp_path):
    async with naming({"video_url": "javascript:alert(1)"}) as (_, eversince):
        film = await eversince.produce("A mug")

        assert (await film.download(tmp_path / "film.mp4")).stat().st_size > 0


@pytest.mark.parametrize("odd", ["http://[", "", "https://the.same/for/all", 7, None, {"a": 1}], ids=str)
async def test_several_shares_with_one_odd_address_are_each_made_once(tmp_path, odd):
    async with naming({"share_url": odd}) as (emulator, eversince):
        rows = [{"key": key, "brief": f"Mug {key}"} for key in "abc"]
        async with eversince.batch(rows, journal=tmp_path / "j.db") as running:
            outcomes = [outcome async for outcome in running]

        assert ["succeeded"] * 3 == [outcome.status for outcome in outcomes]
        assert (3, 3) == (emulator.world.counts["renders"], len(emulator.world.shares))


@pytest.mark.parametrize(("odd", "text"), [(7, "7"), ({"a": 1}, '{"a":1}'), ([], "[]"), (True, "true")])
async def test_an_address_that_is_no_text_stays_readable_as_the_json_it_is(tmp_path, odd, text):
    async with naming({"assembled_url": odd, "share_url": odd}) as (emulator, eversince):
        film = await eversince.produce("A mug", download=tmp_path)

        assert [text, text] == [film.assembled_url, film.share_url]
        assert film.files
        assert 1 == emulator.world.counts["renders"]


async def test_a_share_that_cannot_be_seen_is_not_made_again(tmp_path):
    """The response names no address, and the share's row is unreadable.

    So a person has to decide.
    """
    async with naming({"share_url": Gone}) as (emulator, eversince):
        rows = [{"key": "mug", "brief": "A mug"}]
        async with eversince.batch(rows, journal=tmp_path / "j.db") as running:
            outcomes = [outcome async for outcome in running]

        assert ["paused"] == [outcome.status for outcome in outcomes]
        assert "cannot be read, and may be this one" in str(outcomes[0].error)
        assert 1 == len(emulator.world.shares)


@pytest.mark.parametrize(
    ("row", "may_be_new"),
    [
        ({"created_at": "2026-01-01T00:00:00Z"}, False),
        ({"created_at": "2026-01-02T00:00:00Z"}, True),
        ({"created_at": "yesterday"}, True),
        ({"created_at": "2026-01-02T00:00:00"}, True),
        ({"created_at": None}, True),
        ({}, True),
        (None, True),
        ([], True),
    ],
    ids=str,
)
def test_only_a_row_that_is_surely_older_is_left_out_of_account(row, may_be_new):
    assert may_be_new is _may_be_new(row, datetime(2026, 1, 1, 12, tzinfo=UTC))


async def test_an_odd_share_in_the_list_is_adopted_when_the_share_was_in_doubt():
    """The share exists: a second one would be public, too."""
    from eversince_async.emulator.faults import Reset

    async with naming({"share_url": "http://["}) as (emulator, eversince):
        emulator.faults.once("POST", "/projects/*/share", Reset(after_commit=True))
        film = await eversince.produce("A mug")

        assert "http://[" == film.share_url
        assert 1 == len(emulator.world.shares)


@given(st.text())
def test_any_text_may_be_compared_as_an_address(text):
    assert url_without_query(text) == url_without_query(f"{text}?signature") == url_without_query(f"{text}#t")
