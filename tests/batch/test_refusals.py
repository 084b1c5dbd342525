"""Scope of a 401 or 403: account, quality or one item.

One odd item does not stop each new run.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from eversince_async import Eversince, Forbidden, Unauthorized
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import ErrorAnswer, NotJson
from eversince_async.journal import JobChange, SqliteJournal
from helpers.lagging_reads import refusing

QUICK = Scenario(queued=2, running=5, images=5, videos=5, rendering=10, cycles=1, scenes=(1, 1))
ITEMS = [{"key": str(number), "brief": f"Film {number}"} for number in range(14)]
FORBIDDEN = ErrorAnswer(status=403, code="forbidden", message="Not permitted")
UNAUTHORIZED = ErrorAnswer(status=401, code="unauthorized", message="Invalid API key")


@pytest.fixture
async def emulator():
    async with Emulator(scenario=QUICK) as emulator:
        yield emulator


def made(emulator: Emulator) -> tuple[int, int, int]:
    counts = emulator.world.counts
    return counts["projects"], counts["renders"], counts["shares"]


CALLS = {
    "create": ("POST", "/projects"),
    "list": ("GET", "/projects"),
    "look": ("GET", "/projects/*"),
}


@pytest.mark.parametrize("call", CALLS)
async def test_403_on_create_list_or_look_means_the_account(emulator, eversince, tmp_path, call):
    """The batch pauses without failures, and resumes when the account may proceed."""
    emulator.faults.once(*CALLS[call], FORBIDDEN, times=1000)
    items = ITEMS if call != "look" else ITEMS[:1]
    first = await eversince.batch(items, journal=tmp_path / "a.db")
    emulator.faults._script.clear()
    second = await eversince.batch(items, journal=tmp_path / "a.db")

    assert "Not permitted" in str(first.paused)
    assert not {"failed", "cancelled"} & first.counts.keys()
    assert {"succeeded": len(items)} == second.counts
    assert (len(items),) * 3 == made(emulator)


EVERYWHERE = {**CALLS, "render": ("POST", "/projects/*/render"), "share": ("POST", "/projects/*/share")}


@pytest.mark.parametrize("call", EVERYWHERE)
async def test_401_means_the_account_wherever_it_comes(emulator, eversince, tmp_path, call):
    emulator.faults.once(*EVERYWHERE[call], UNAUTHORIZED, times=1000)
    items = ITEMS if call != "look" else ITEMS[:1]
    first = await eversince.batch(items, journal=tmp_path / "a.db")
    emulator.faults._script.clear()
    second = await eversince.batch(items, journal=tmp_path / "a.db")

    assert isinstance(first.cause, Unauthorized)
    assert not {"failed", "cancelled"} & first.counts.keys()
    assert {"succeeded": len(items)} == second.counts
    assert (len(items),) * 3 == made(emulator)


@pytest.mark.parametrize("status", [401, 403])
async def test_pages_of_a_proxy_that_wants_a_password_fail_nothing(emulator, eversince, tmp_path, status):
    """The pages answer all calls, for longer than anyone would wait."""
    emulator.faults.once("*", "/**", NotJson(status=status), times=100_000)
    first = await eversince.batch(ITEMS[:3], journal=tmp_path / "a.db")
    emulator.faults._script.clear()
    second = await eversince.batch(ITEMS[:3], journal=tmp_path / "a.db")

    assert not {"failed", "cancelled", "succeeded"} & first.counts.keys()
    assert {"succeeded": 3} == second.counts
    assert (3, 3, 3) == made(emulator)


async def test_403_on_a_render_leaves_that_item_unfinished_and_stops_no_other(emulator, eversince, tmp_path):
    """4K needs a subscription; other qualities do not."""
    items = [{**ITEMS[0], "render": "4k"}, *ITEMS[1:4]]
    refusing(eversince, lambda method, path, body: body.get("quality") == "4k" and FORBIDDEN)

    first = await eversince.batch(items, journal=tmp_path / "a.db")

    assert {"succeeded": 3, "paused": 1} == first.counts
    assert first.paused is None
    (odd,) = [outcome for outcome in first.outcomes if outcome.status == "paused"]
    assert isinstance(odd.error, Forbidden)
    assert ("0", True) == (odd.key, odd.project_id is not None)


@pytest.mark.parametrize("retry_failed", [False, True])
async def test_403_on_a_share_is_that_items_own_failure(emulator, eversince, tmp_path, retry_failed):
    emulator.faults.once("POST", "/projects/*/share", FORBIDDEN)

    first = await eversince.batch(ITEMS[:3], journal=tmp_path / "a.db")
    second = await eversince.batch(ITEMS[:3], journal=tmp_path / "a.db", retry_failed=retry_failed)

    assert {"succeeded": 2, "failed": 1} == first.counts
    assert {"succeeded": 3} == second.counts or not retry_failed
    assert (3, 3) == made(emulator)[:2]


async def test_403_on_a_message_is_a_failure(emulator, eversince):
    emulator.faults.once("POST", "/projects/*/messages", FORBIDDEN)
    async with eversince.converse("A film") as talk:
        await talk.turn()
        with pytest.raises(Forbidden):
            await talk.say("Bluer")


ODD = {
    "403": FORBIDDEN,
    "402": ErrorAnswer(status=402, code="insufficient_credits", message="This costs 900 credits"),
}


@pytest.mark.parametrize("odd", ODD)
async def test_one_odd_item_does_not_stop_each_new_run(emulator, eversince, tmp_path, odd):
    """It stops the first run; in the next, all others come first."""
    refusing(eversince, lambda method, path, body: body.get("brief") == "Film 0" and ODD[odd])

    first = await eversince.batch(ITEMS, journal=tmp_path / "a.db")
    second = await eversince.batch(ITEMS, journal=tmp_path / "a.db")
    third = await eversince.batch(ITEMS, journal=tmp_path / "a.db")

    assert first.paused
    assert {"succeeded": 13, "paused": 1} == second.counts == third.counts
    assert odd in str(third.paused)
    assert (13, 13, 13) == made(emulator)


async def test_an_item_with_an_odd_folder_does_not_stop_each_new_run(emulator, eversince, tmp_path):
    (tmp_path / "file").write_text("no folder")
    items = [{**ITEMS[0], "download": tmp_path / "file" / "film.mp4"}, *ITEMS[1:]]

    options: Any = {"journal": tmp_path / "a.db", "download": tmp_path / "films"}
    first = await eversince.batch(items, concurrency=2, **options)
    second = await eversince.batch(items, **options)

    assert first.paused
    assert {"succeeded": 13, "paused": 1} == second.counts
    assert (13, 13, 13) == made(emulator)


async def test_a_borrowed_session_that_is_closed_meanwhile_fails_no_item(emulator, tmp_path):
    async with aiohttp.ClientSession() as http, Eversince(**emulator.connection, http=http) as eversince:
        batching = asyncio.ensure_future(eversince.batch(ITEMS, journal=tmp_path / "a.db"))
        while made(emulator)[0] < 3:
            await asyncio.sleep(1)
        await http.close()
        report = await batching
    async with Eversince(**emulator.connection) as eversince:
        again = await eversince.batch(ITEMS, journal=tmp_path / "a.db")

    assert "http= is closed" in report.paused
    assert not report.counts.get("failed")
    assert {"succeeded": 14} == again.counts
    assert (14, 14, 14) == made(emulator)


@pytest.mark.parametrize("retry_failed", [False, True])
async def test_items_with_one_idempotency_key_stop_no_other(emulator, eversince, tmp_path, retry_failed):
    """The server's one project for both items belongs to the first.

    Nothing was paid for the second.
    """
    items = [{**item, "idempotency_key": "k"} for item in ITEMS[:2]] + ITEMS[2:4]

    for _ in range(2):
        report = await eversince.batch(items, journal=tmp_path / "a.db", retry_failed=retry_failed)

        assert {"succeeded": 3, "failed": 1} == report.counts
        (told,) = [outcome.error for outcome in report.outcomes if outcome.error]
        assert "idempotency_key" in str(told)
    assert (3, 3, 3) == made(emulator)
    async with SqliteJournal(tmp_path / "a.db") as journal:
        assert not await journal.open_creates()


@pytest.mark.parametrize("kept", [{"error": {"odd": 1}}, {"result": [1, 2]}, {"error": "no object"}], ids=str)
async def test_an_odd_record_of_one_item_stops_no_other(emulator, eversince, tmp_path, kept):
    async with SqliteJournal(tmp_path / "a.db") as journal:
        spec = {"brief": {"brief": "Film 0"}, "render": "1080p", "share": {}}
        job = await journal.acquire((await journal.put("0", spec, stage="working")).id)
        await journal.change(job.id, JobChange(stage="failed", release=True, **kept))

    report = await eversince.batch(ITEMS[:3], journal=tmp_path / "a.db")

    assert {"failed": 1, "succeeded": 2} == report.counts
    (odd,) = [outcome for outcome in report.outcomes if outcome.status == "failed"]
    assert "0" == odd.key
