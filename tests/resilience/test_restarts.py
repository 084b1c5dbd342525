"""After a restart no request is refused that could be foreseen."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from eversince_async import Eversince, Limits, Run, pipeline
from eversince_async.emulator import Emulator, Faults
from eversince_async.emulator.faults import Latency
from eversince_async.governor import Governor
from eversince_async.governor.budget import ALONE
from helpers.crowd import NO_CAPS, NO_CAPS_THERE, refused, scenario

SOUND = scenario(1, failure=0, render_failure=0, self_render=0)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    emulator = Emulator(
        scenario=SOUND, limits=NO_CAPS_THERE, faults=Faults(), credits=1e9, studio_projects=False
    )
    async with emulator:
        yield emulator


async def killed_after(seconds: float, emulator: Emulator, work: Any) -> None:
    """Run work with its own client, and end it in the middle.

    As with a killed process, nothing is cleaned up.
    """
    async with Eversince(**emulator.connection, limits=NO_CAPS) as eversince:
        task = asyncio.create_task(work(eversince))
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait([task])


ITEMS = [{"key": f"item {n}", "brief": f"Film {n}"} for n in range(16)]


@pytest.mark.parametrize("after", [3.0, 20.0, 60.0, 120.0, 200.0])
@pytest.mark.parametrize("order", ["the same", "the new ones first"])
async def test_a_batch_that_is_taken_up_is_refused_nothing(
    emulator: Emulator, tmp_path: Path, after: float, order: str
) -> None:
    journal, items = tmp_path / "campaign.db", ITEMS if order == "the same" else ITEMS[::-1]

    async def first(eversince: Eversince) -> None:
        await eversince.batch(ITEMS, journal=journal)

    await killed_after(after, emulator, first)
    async with Eversince(**emulator.connection, limits=NO_CAPS) as eversince:
        report = await eversince.batch(items, journal=journal)

    assert {"succeeded": 16} == report.counts
    assert 16 == emulator.world.counts["projects"] == emulator.world.counts["renders"]
    assert 0 == refused(emulator)
    assert 5 == emulator.world.most_active


async def test_creates_that_were_under_way_keep_their_slots(emulator: Emulator, tmp_path: Path) -> None:
    """The server performs the creates after the restart's first poll.

    No poll has seen them, but the journal knows of them.
    """
    journal = tmp_path / "campaign.db"
    emulator.faults.once("POST", "/projects", Latency(seconds=20), times=5)

    async def first(eversince: Eversince) -> None:
        await eversince.batch(ITEMS, journal=journal)

    await killed_after(2, emulator, first)
    async with Eversince(**emulator.connection, limits=NO_CAPS) as eversince:
        report = await eversince.batch(ITEMS[::-1], journal=journal)

    assert {"succeeded": 16} == report.counts
    assert 16 == emulator.world.counts["projects"]
    assert 0 == refused(emulator)


@pipeline
async def film(run: Run, brief: str) -> str | None:
    return (await run.produce(brief, share=True)).share_url


@pytest.mark.parametrize("after", [3.0, 60.0])
async def test_pipelines_that_are_taken_up_are_refused_nothing(
    emulator: Emulator, tmp_path: Path, after: float
) -> None:
    journal, names = tmp_path / "campaign.db", [f"film {n}" for n in range(12)]

    def run_all(eversince: Eversince, order: list[str]) -> Any:
        return asyncio.gather(*(_awaited(eversince.run(film, n, key=n, journal=journal)) for n in order))

    async def first(eversince: Eversince) -> None:
        await run_all(eversince, names[:8])

    await killed_after(after, emulator, first)
    async with Eversince(**emulator.connection, limits=NO_CAPS) as eversince:
        await run_all(eversince, names[::-1])

    assert 12 == emulator.world.counts["projects"] == emulator.world.counts["renders"]
    assert 0 == refused(emulator)


async def test_a_journal_with_nothing_unfinished_costs_no_look(emulator: Emulator, tmp_path: Path) -> None:
    for _ in range(2):
        async with Eversince(**emulator.connection, limits=NO_CAPS) as eversince:
            await eversince.batch(ITEMS[:1], journal=tmp_path / "campaign.db")

    assert "POST /projects" == emulator.world.log.entries[0].route
    sent = len(emulator.world.log)
    async with Eversince(**emulator.connection, limits=NO_CAPS) as eversince:
        await eversince.batch(ITEMS[:1], journal=tmp_path / "campaign.db")
    assert sent == len(emulator.world.log)


@pytest.mark.parametrize("spent", [1, 15, 29])
@pytest.mark.parametrize("limits", [Limits(), Limits(requests_per_minute=30)], ids=["learned", "pinned"])
async def test_requests_of_a_process_that_has_died_are_foreseen(
    emulator: Emulator, spent: int, limits: Limits
) -> None:
    """The first request leaves alone.

    Its response shows how many requests are left.
    """
    headers = {"Authorization": f"Bearer {emulator.connection['api_key']}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        for _ in range(spent):
            (await http.get(emulator.base_url + "/account/credits")).release()
    async with Eversince(**emulator.connection, limits=limits) as eversince:
        await asyncio.gather(*(eversince.account.credits() for _ in range(40)))

    assert 0 == refused(emulator)


async def test_a_first_answer_that_does_not_come_keeps_others_back_for_moments_only() -> None:
    governor, loop = Governor(), asyncio.get_running_loop()
    began = loop.time()
    await governor.admit()
    await asyncio.gather(*(governor.admit() for _ in range(10)))

    assert ALONE == pytest.approx(loop.time() - began)


async def test_a_first_that_never_left_lets_the_next_go_alone() -> None:
    governor, loop = Governor(), asyncio.get_running_loop()
    began = loop.time()
    departure = await governor.admit()
    others = [asyncio.create_task(governor.admit()) for _ in range(2)]
    await asyncio.sleep(1)
    governor.give_back(departure)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert [True, False] == [other.done() for other in others]
    await asyncio.gather(*others)
    assert ALONE == pytest.approx(loop.time() - began)


async def _awaited(workflow: Any) -> Any:
    return await workflow


@pytest.mark.parametrize("after", [3.0, 40.0, 120.0])
@pytest.mark.parametrize("order", ["the same", "the new ones first"])
async def test_productions_with_keys_that_are_asked_for_again_are_refused_nothing(
    emulator: Emulator, after: float, order: str
) -> None:
    """There is no journal.

    Their keys show that they may be known, and a poll shows which are active.
    """
    names = [f"film {n}" for n in range(12)]

    async def produce_all(eversince: Eversince, keys: list[str]) -> None:
        await asyncio.gather(*(_awaited(eversince.produce(key, idempotency_key=key)) for key in keys))

    async def first(eversince: Eversince) -> None:
        await produce_all(eversince, names[:8])

    await killed_after(after, emulator, first)
    began = asyncio.get_running_loop().time()
    async with Eversince(**emulator.connection, limits=NO_CAPS) as eversince:
        await produce_all(eversince, names if order == "the same" else names[::-1])

    assert 12 == emulator.world.counts["projects"]
    assert 12 <= emulator.world.counts["renders"]
    assert 0 == refused(emulator)
    assert asyncio.get_running_loop().time() - began < 3600


async def test_an_active_project_that_only_looks_alike_is_left_alone(emulator: Emulator) -> None:
    """Its slot is taken for the production's own, until the create."""
    async with Eversince(**emulator.connection, limits=NO_CAPS) as eversince:
        others = await eversince.projects.create("the same words")
    async with Eversince(**emulator.connection, limits=NO_CAPS) as eversince:
        made = await eversince.produce("the same words", idempotency_key="ours")

    assert made.project_id != others.id
    assert 2 == emulator.world.counts["projects"]
    assert 0 == refused(emulator)
