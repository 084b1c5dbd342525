"""Customers who hang up in the middle, and come back."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from applications import uvicorn_serving

from eversince_async.lifecycle import ACTIVE


async def produced(http: aiohttp.ClientSession, url: str, key: str) -> dict[str, Any]:
    headers, forever = {"Idempotency-Key": key}, aiohttp.ClientTimeout(total=None)
    async with http.post(f"{url}/produce", json={"brief": key}, headers=headers, timeout=forever) as answer:
        return await answer.json()


async def hung_up(http: aiohttp.ClientSession, url: str, key: str, *, after: float) -> None:
    asking = asyncio.create_task(produced(http, url, key))
    await asyncio.sleep(after)
    asking.cancel()
    await asyncio.wait([asking])
    await asyncio.sleep(1)


async def slots(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with http.get(f"{url}/pulse") as answer:
        return (await answer.json())["governor"]["slots"]


async def test_a_customer_who_hung_up_gets_the_same_film_by_asking_again(example, emulator):
    """Nobody waits here meanwhile, and the project goes on."""
    async with uvicorn_serving(example("fastapi_app").app) as url, aiohttp.ClientSession() as http:
        await hung_up(http, url, "a", after=30)
        looks = len(emulator.world.log)
        await asyncio.sleep(20)
        assert looks == len(emulator.world.log)
        (project,) = (each for each in emulator.world.projects.values() if each.asked["brief"] == "a")
        assert project.status in ACTIVE

        film = await produced(http, url, "a")

    assert project.id == film["project_id"]
    assert film["video_url"].endswith(".mp4")
    assert 1 == emulator.world.counts["projects"]


async def test_a_customer_who_hung_up_before_it_was_their_turn_has_ordered_nothing(example, emulator):
    """And is in nobody's way."""
    theirs = emulator.studio.occupy(5)
    async with uvicorn_serving(example("fastapi_app").app) as url, aiohttp.ClientSession() as http:
        await hung_up(http, url, "a", after=30)
        assert 0 == (await slots(http, url))["waiting"]
        for project in theirs:
            emulator.studio.release(project)
        assert (await produced(http, url, "b"))["video_url"].endswith(".mp4")

    briefs = [each.asked["brief"] for each in emulator.world.projects.values()]
    assert "a" not in briefs


async def test_those_who_stay_do_not_notice_those_who_go(example, emulator, monkeypatch):
    monkeypatch.setenv("FILMS_EACH", "20")
    async with uvicorn_serving(example("fastapi_app").app) as url, aiohttp.ClientSession() as http:
        going = (hung_up(http, url, f"going {n}", after=10 * n) for n in range(10))
        staying = asyncio.gather(*(produced(http, url, f"staying {n}") for n in range(10)))
        await asyncio.gather(*going)
        films = await staying

    assert 10 == len({film["project_id"] for film in films})
    assert 0 == emulator.world.log.statuses()[429]
    assert emulator.world.most_active <= 5
