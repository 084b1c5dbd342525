"""Pipelines under a wall clock that is set: pauses, questions and cuts."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from test_cuts import KINDS, faults, made, need_exactly_one

from eversince_async import ApprovalExpired, Run, pipeline
from eversince_async.emulator import Emulator
from helpers.pipeline_runs import QUICK, question
from helpers.power_cuts import count_as_dead
from helpers.wall_clocks import set_clock, unmoved

if TYPE_CHECKING:
    from collections.abc import Awaitable

HOUR, DAY = 3600.0, 86400.0
SETS = pytest.mark.parametrize("set_by", [HOUR, -HOUR, 30 * DAY, -30 * DAY])


@pipeline
async def sleeper(run: Run, seconds: float) -> None:
    await run.sleep(seconds)


async def took(awaited: Awaitable[object]) -> float:
    began = asyncio.get_running_loop().time()
    await awaited
    return asyncio.get_running_loop().time() - began


@SETS
async def test_a_pause_lasts_as_long_as_it_was_to(eversince, journal, set_by):
    running = asyncio.ensure_future(took(eversince.run(sleeper, 2 * HOUR, key="mug", journal=journal)))
    await asyncio.sleep(HOUR)
    set_clock(set_by)

    assert pytest.approx(2 * HOUR, abs=60) == await running


@SETS
async def test_a_pause_that_another_run_began_goes_on_from_where_it_is(eversince, journal, set_by):
    with suppress(TimeoutError):
        async with asyncio.timeout(HOUR):
            await eversince.run(sleeper, 2 * HOUR, key="mug", journal=journal)
    set_clock(set_by)

    assert pytest.approx(HOUR, abs=60) == await took(
        eversince.run(sleeper, 2 * HOUR, key="mug", journal=journal)
    )


@SETS
async def test_a_question_is_open_for_as_long_as_it_was_to_be(eversince, journal, set_by):
    async def ask() -> None:
        with pytest.raises(ApprovalExpired):
            await eversince.run(question, patience=2 * HOUR, key="mug", journal=journal)

    running = asyncio.ensure_future(took(ask()))
    await asyncio.sleep(HOUR)
    set_clock(set_by)

    assert pytest.approx(2 * HOUR, abs=60) == await running


async def test_a_time_to_sleep_until_is_one_on_the_wall(eversince, journal):
    """A time to sleep until is a time on people's clocks."""
    from eversince_async import clock

    @pipeline
    async def until(run: Run) -> None:
        await run.sleep(clock.now() + timedelta(hours=2))

    running = asyncio.ensure_future(took(eversince.run(until, key="mug", journal=journal)))
    await asyncio.sleep(60)
    set_clock(HOUR)

    assert pytest.approx(HOUR, abs=60) == await running


@SETS
async def test_cuts_beside_a_clock_that_is_set(tmp_path, photo, monkeypatch, set_by):
    """No step is repeated or lost at any cut.

    This holds for any time on the clock.
    """
    count_as_dead(monkeypatch)
    unmoved(monkeypatch)
    chance, done = random.Random(set_by), 0
    for number in range(4):
        async with Emulator(scenario=QUICK) as emulator:
            faults(emulator, chance.choice(list(KINDS)))
            cuts = chance.randint(1, 90), chance.randint(1, 50)
            asyncio.get_running_loop().call_later(chance.uniform(5, 200), set_clock, set_by)
            asyncio.get_running_loop().call_later(chance.uniform(5, 300), set_clock, -2 * set_by)
            file = tmp_path / f"{number}.db"
            lives, result = await made(emulator, file, photo, *cuts)
            await need_exactly_one(emulator, file, result, f"cut at {cuts}")
            done += sum(life.pulled.is_set() for life in lives)
    assert done
