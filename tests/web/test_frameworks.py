"""Each framework serves the same application: order, watch, be told by webhooks, end, and go on."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from applications import NEEDS, SECRET, serving

from eversince_async.testing import sign_webhook

# Django leaves the body of a request that is cancelled to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.Spooled:ResourceWarning")

EACH = pytest.mark.parametrize("name", list(NEEDS))


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What a test has left says so in this test."""
    yield
    gc.collect()


async def events(http: aiohttp.ClientSession, url: str) -> AsyncIterator[dict[str, Any]]:
    """What a browser's EventSource would be told."""
    async with http.get(url, timeout=aiohttp.ClientTimeout(total=None)) as answer:
        assert "text/event-stream" == answer.content_type
        async for line in answer.content:
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))


async def ordered(http: aiohttp.ClientSession, url: str, brief: str = "A film") -> str:
    async with http.post(f"{url}/films", json={"brief": brief}) as answer:
        assert 201 == answer.status
        return str((await answer.json())["id"])


@EACH
async def test_a_film_is_ordered_and_watched_until_it_is_there(name, example, emulator):
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        film_id = await ordered(http, url)
        seen = [event async for event in events(http, f"{url}/films/{film_id}/events")]

    films = [each["film"] for each in seen]
    running = [s["name"] for film in films for s in film["stages"] if s["state"] == "running"]
    # Creating and sharing take a moment, which may pass between two events.
    assert ["settle", "render"] == [name for name in dict.fromkeys(running) if name in {"settle", "render"}]
    assert {"queued", "running", "generating", "rendering"} <= {film["status"] for film in films}
    assert films[-1]["is_over"]
    assert films[-1]["video_url"].endswith(".mp4")
    assert ["done"] * 4 == [stage["state"] for stage in films[-1]["stages"]]
    assert {0, 1} == {each["governor"]["slots"]["ours"] for each in seen}
    assert 30 == seen[-1]["governor"]["requests"]["limit"]


@EACH
async def test_two_pages_watch_one_film(name, example, emulator):
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        film_id = await ordered(http, url)

        async def last() -> dict[str, Any]:
            return [event async for event in events(http, f"{url}/films/{film_id}/events")][-1]["film"]

        one, other = await asyncio.gather(last(), last())

    assert one == other
    assert 1 == emulator.world.counts["projects"]


@EACH
async def test_the_page_is_served(name, example, emulator):
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        async with http.get(url) as answer:
            assert "text/html" == answer.content_type
            assert "What shall we film?" in await answer.text()
        async with http.get(f"{url}/governor") as answer:
            assert 5 == (await answer.json())["slots"]["limit"]
        async with http.get(f"{url}/films/unknown") as answer:
            assert 404 == answer.status


@EACH
async def test_a_failed_film_says_why(name, example, emulator):
    life = emulator.world.life
    life.scenario = life.scenario.when("doomed", failure=1.0)
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        film_id = await ordered(http, url, "A doomed film")
        seen = [event async for event in events(http, f"{url}/films/{film_id}/events")]

    assert "refused the generation" in seen[-1]["film"]["error"]


@EACH
async def test_webhooks_are_taken_if_they_are_genuine(name, example, emulator):
    body = json.dumps({"id": "proj_1", "event": "status_changed", "status": "idle"}).encode()
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        for secret, status in ((SECRET, 200), ("whsec_other", 401)):
            headers = sign_webhook(secret, body)
            async with http.post(f"{url}/webhooks/eversince", data=body, headers=headers) as answer:
                assert status == answer.status


@EACH
async def test_what_is_under_way_at_the_end_is_taken_up_by_the_next(
    name, example, emulator, tmp_path: Path, monkeypatch
):
    """A film that was ordered before, watched again under its old address: one project, paid for once."""
    monkeypatch.setenv("FILMS", str(tmp_path / "films.json"))
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        film_id = await ordered(http, url)
        watching = asyncio.create_task(anext(events(http, f"{url}/films/{film_id}/events")))
        await asyncio.sleep(30)
        await watching

    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        seen = [event async for event in events(http, f"{url}/films/{film_id}/events")]

    assert seen[-1]["film"]["video_url"] is not None
    assert 1 == emulator.world.counts["projects"]


@EACH
async def test_a_page_that_still_watches_does_not_keep_the_application(name, example, emulator):
    """Shutting down takes as long as was agreed, and leaves nothing open."""
    async with aiohttp.ClientSession() as http:
        async with serving(example(name)) as url:
            film_id = await ordered(http, url)
            answer = await http.get(f"{url}/films/{film_id}/events")
            await answer.content.readline()
            began = asyncio.get_running_loop().time()
        took = asyncio.get_running_loop().time() - began
        answer.close()

    assert took < 10
