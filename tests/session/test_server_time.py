"""The server's time, read by the server's own clock.

The local clock may show any time, and may be set meanwhile.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from eversince_async import Eversince, clock
from eversince_async.emulator.faults import ErrorAnswer
from helpers.wall_clocks import set_clock, unmoved

HOUR, DAY = 3600.0, 86400.0
SETS = pytest.mark.parametrize("set_by", [HOUR, -HOUR, 30 * DAY, -30 * DAY])


@pytest.fixture(autouse=True)
def apart(monkeypatch):
    unmoved(monkeypatch)


def loop_time():
    return asyncio.get_running_loop().time()


@SETS
@pytest.mark.parametrize(("status", "code"), [(429, "rate_limited"), (503, "unavailable")])
async def test_a_date_to_come_again_is_one_of_the_servers_clock(emulator, eversince, set_by, status, code):
    set_clock(set_by)
    began = loop_time()
    answer = ErrorAnswer(status=status, code=code, retry_after=30, as_date=True)
    emulator.faults.once("GET", "/account/credits", answer)

    await eversince.account.credits()

    assert 28 < loop_time() - began < 60


@SETS
async def test_the_budget_is_kept_whatever_the_clock_is_set_to(emulator, eversince, set_by):
    """Sixty requests, at thirty a minute, take a minute; none is refused."""
    began = loop_time()
    for n in range(61):
        await eversince.account.credits()
        if n == 20:
            set_clock(set_by)

    assert 60 < loop_time() - began < 200
    assert all(entry.status == 200 for entry in emulator.world.log.entries)


@SETS
async def test_the_servers_time_is_told_by_its_last_answer(emulator, eversince, set_by):
    await eversince.account.credits()
    told = eversince._runtime.server_time()
    set_clock(set_by)
    await asyncio.sleep(60)

    assert timedelta(seconds=60) == eversince._runtime.server_time() - told


async def test_before_any_answer_the_servers_time_is_ours(emulator):
    async with Eversince(**emulator.connection) as eversince:
        assert abs(eversince._runtime.server_time() - clock.now()) < timedelta(seconds=1)
