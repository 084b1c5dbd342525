"""Each framework serves the same application: order, watch, be told by webhooks, end, and go on."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest
from applications import NEEDS, SECRET, SHORT, serving, uvicorn_serving

from eversince_async.emulator import Emulator
from eversince_async.testing import VirtualTimeLoop, sign_webhook

EACH = pytest.mark.parametrize("name", list(NEEDS))


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What a test has left says so in this test."""
    yield
    gc.collect()


@attrs.frozen
class Told:
    """What a browser's EventSource is told."""

    event: str
    data: dict[str, Any]
    id: str | None


async def events(http: aiohttp.ClientSession, url: str, last_seen: str | None = None) -> AsyncIterator[Told]:
    headers = {} if last_seen is None else {"Last-Event-ID": last_seen}
    async with http.get(url, headers=headers, timeout=aiohttp.ClientTimeout(total=None)) as answer:
        assert "text/event-stream" == answer.content_type
        fields: dict[str, str] = {}
        async for line in answer.content:
            name, _, value = line.decode().rstrip().partition(": ")
            fields[name] = value
            if not name and "data" in fields:
                yield Told(fields["event"], json.loads(fields["data"]), fields.get("id"))
            if not name:
                fields = {}


async def films(http: aiohttp.ClientSession, url: str) -> list[dict[str, Any]]:
    """What a page is told of a film until its end."""
    return [told.data async for told in events(http, url) if told.event == "film"]


async def ordered(http: aiohttp.ClientSession, url: str, brief: str = "A film") -> str:
    async with http.post(f"{url}/films", json={"brief": brief}) as answer:
        assert 201 == answer.status
        return str((await answer.json())["id"])


@EACH
async def test_a_film_is_ordered_and_watched_until_it_is_there(name, example, emulator):
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        film_id = await ordered(http, url)
        seen = [told async for told in events(http, f"{url}/films/{film_id}/events")]

    told = [each.data for each in seen if each.event == "film"]
    running = [stage["name"] for film in told for stage in film["stages"] if stage["state"] == "running"]
    # Ordering and sharing take a moment, which may pass between two events.
    assert ["settle", "render"] == [name for name in dict.fromkeys(running) if name in {"settle", "render"}]
    assert {"queued", "running", "generating", "rendering"} <= {film["status"] for film in told}
    assert told[-1]["is_over"]
    assert told[-1]["video_url"].endswith(".mp4")
    assert ["done"] * 4 == [stage["state"] for stage in told[-1]["stages"]]
    pulses = [each.data["governor"] for each in seen if each.event == "pulse"]
    assert {0, 1} == {pulse["slots"]["ours"] for pulse in pulses}
    assert 30 == pulses[-1]["requests"]["limit"]


@EACH
async def test_two_pages_watch_one_film(name, example, emulator):
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        film_id = await ordered(http, url)
        watching = (films(http, f"{url}/films/{film_id}/events") for _ in range(2))
        one, other = await asyncio.gather(*watching)

    assert one[-1] == other[-1]
    assert 1 == emulator.world.counts["projects"]


@EACH
async def test_a_page_that_comes_back_is_told_what_it_missed_and_nothing_twice(name, example, emulator):
    """By the Last-Event-ID; and when all is over and seen, it is told not to come again."""
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        stream = f"{url}/films/{await ordered(http, url)}/events"
        async for told in events(http, stream):
            if told.event == "film" and told.data["status"] == "running":
                break
        first = await anext(events(http, stream, told.id))
        again = [each async for each in events(http, stream, told.id) if each.event == "film"]
        async with http.get(stream, headers={"Last-Event-ID": again[-1].id}) as answer:
            over = answer.status

    assert "pulse" == first.event
    assert told.id not in {each.id for each in again}
    assert again[-1].data["is_over"]
    assert 204 == over


@EACH
async def test_the_page_is_served(name, example, emulator):
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        async with http.get(url) as answer:
            assert "text/html" == answer.content_type
            assert "What shall we film?" in await answer.text()
        async with http.get(f"{url}/pulse") as answer:
            assert 5 == (await answer.json())["governor"]["slots"]["limit"]
        async with http.get(f"{url}/films/unknown") as answer:
            assert 404 == answer.status


@EACH
async def test_a_failed_film_says_why(name, example, emulator):
    life = emulator.world.life
    life.scenario = life.scenario.when("doomed", failure=1.0)
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        film_id = await ordered(http, url, "A doomed film")
        seen = await films(http, f"{url}/films/{film_id}/events")

    assert "The film failed" == seen[-1]["problem"]["title"]
    assert "refused the generation" in seen[-1]["problem"]["text"]


@EACH
async def test_without_credits_it_says_what_to_buy(name, example, emulator):
    emulator.account.credits = 3
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        film_id = await ordered(http, url)
        seen = await films(http, f"{url}/films/{film_id}/events")

    assert "Not enough credits" == seen[-1]["problem"]["title"]
    assert "3 credits are left" in seen[-1]["problem"]["text"]
    assert seen[-1]["problem"]["links"][0]["url"].startswith("http")


@EACH
async def test_what_waits_for_a_slot_says_so_until_it_has_one(name, example, emulator):
    theirs = emulator.studio.occupy(5)
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        stream = events(http, f"{url}/films/{await ordered(http, url)}/events")
        waits = []
        async for told in stream:
            if told.event == "pulse":
                waits.append(told.data["wait"])
            if told.event == "pulse" and waits[-1] and "not ours" in waits[-1]["text"]:
                for project in theirs:
                    emulator.studio.release(project)

    assert "slot" in {wait["kind"] for wait in waits if wait}
    assert waits[-1] is None


@EACH
async def test_webhooks_are_taken_if_they_are_genuine(name, example, emulator):
    body = json.dumps({"id": "proj_1", "event": "status_changed", "status": "idle"}).encode()
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        for secret, status in ((SECRET, 200), ("whsec_other", 401)):
            headers = sign_webhook(secret, body)
            async with http.post(f"{url}/webhooks/eversince", data=body, headers=headers) as answer:
                assert status == answer.status


async def test_with_a_public_address_films_are_told_of_by_webhooks(example, emulator, monkeypatch):
    """The address goes along with the order, and the deliveries arrive."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("PUBLIC_URL", f"http://127.0.0.1:{port}")
    module = example("fastapi_app")
    async with uvicorn_serving(module.app, port=port) as url, aiohttp.ClientSession() as http:
        seen = await films(http, f"{url}/films/{await ordered(http, url)}/events")

    assert seen[-1]["is_over"]
    assert {200} == {delivery.status for delivery in emulator.deliveries}
    assert {f"{url}/webhooks/eversince"} == {delivery.url for delivery in emulator.deliveries}


@EACH
def test_an_application_is_started_again_in_another_loop(name, example, monkeypatch):
    """As tests do that share a module, each with a loop of its own: nothing of the first is in the way."""
    monkeypatch.setenv("EVERSINCE_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("EVERSINCE_API_KEY", "es_live_emulator")
    module, delivery = example(name), b'{"id": "proj_1", "event": "status_changed", "status": "idle"}'

    async def one_test() -> None:
        async with Emulator(scenario=SHORT) as emulator:
            monkeypatch.setenv("EVERSINCE_BASE_URL", emulator.base_url)
            async with serving(module) as url, aiohttp.ClientSession() as http:
                seen = await films(http, f"{url}/films/{await ordered(http, url)}/events")
                assert seen[-1]["video_url"] is not None
                signed = sign_webhook(SECRET, delivery)
                async with http.post(f"{url}/webhooks/eversince", data=delivery, headers=signed) as answer:
                    assert 200 == answer.status

    for _ in range(2):
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(one_test())


@EACH
async def test_what_is_under_way_at_the_end_is_taken_up_by_the_next(
    name, example, emulator, tmp_path: Path, monkeypatch
):
    """A film that was ordered before, watched again under its old address: one project, paid for once."""
    monkeypatch.setenv("FILMS", str(tmp_path / "films.jsonl"))
    monkeypatch.setenv("PATIENCE", "0")
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        film_id = await ordered(http, url)
        await asyncio.sleep(30)

    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        seen = await films(http, f"{url}/films/{film_id}/events")
    async with serving(example(name)) as url, aiohttp.ClientSession() as http:
        kept = await films(http, f"{url}/films/{film_id}/events")

    assert seen[-1]["video_url"] is not None
    assert seen[-1]["video_url"] == kept[-1]["video_url"]
    assert 1 == emulator.world.counts["projects"]


@EACH
async def test_a_page_that_still_watches_does_not_keep_the_application(name, example, emulator, monkeypatch):
    """Its stream ends at once, properly; the page comes back by itself, to the next process."""
    monkeypatch.setenv("PATIENCE", "0")
    async with aiohttp.ClientSession() as http:
        async with serving(example(name)) as url:
            film_id = await ordered(http, url)
            answer = await http.get(f"{url}/films/{film_id}/events")
            await answer.content.readline()
            began = asyncio.get_running_loop().time()
        took = asyncio.get_running_loop().time() - began
        rest = await answer.text()

    assert took < 1
    assert rest.endswith("\n\n")
