"""The network fails for a while, or the server refuses everything.

Nothing is lost, and the counts are exact.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager

import aiohttp
import pytest

from eversince_async import Eversince
from eversince_async.emulator import Emulator, Faults
from eversince_async.emulator.faults import RateLimit, Reset, Unavailable
from helpers.batch_runs import QUICK, Campaign

pytestmark = pytest.mark.slow

ALL = 10**9


@contextmanager
def everything(faults: Faults, fault):
    """Make all requests fail in this way during the block."""
    faults.once("*", "/**", fault, times=ALL)
    yield
    faults._script.clear()


STORMS = {
    "429 with Retry-After": RateLimit(retry_after=20),
    "429 without": RateLimit(retry_after=None),
    "503": Unavailable(),
    "reset": Reset(),
    "reset after the deed": Reset(after_commit=True),
}


@pytest.mark.parametrize("after", ["projects", "renders", "shares"])
@pytest.mark.parametrize("fault", STORMS.values(), ids=STORMS)
async def test_a_storm_of_two_minutes_in_the_middle_of_a_batch(emulator, eversince, tmp_path, fault, after):
    campaign = Campaign(tmp_path, items=8)
    running = asyncio.ensure_future(campaign.batch(eversince)._collect())
    while not emulator.world.counts[after]:
        await asyncio.sleep(0.5)
    with everything(emulator.faults, fault):
        await asyncio.sleep(120)
    report = await running

    assert {"succeeded", "paused"} >= set(report.counts), [each.error for each in report.outcomes]
    await campaign.check(emulator, await campaign.batch(eversince))


@pytest.mark.parametrize("after", ["projects", "renders", "shares"])
async def test_no_network_for_an_hour_leaves_all_to_be_gone_on_with(
    emulator, eversince, tmp_path, monkeypatch, after
):
    """Items with a project end as paused; the same batch resumes them."""
    campaign = Campaign(tmp_path, items=8)
    running = asyncio.ensure_future(campaign.batch(eversince)._collect())
    while not emulator.world.counts[after]:
        await asyncio.sleep(0.5)

    async def unplugged(*_, **__):
        raise OSError(101, "Network is unreachable")

    with monkeypatch.context() as patched:
        patched.setattr(aiohttp.TCPConnector, "_create_direct_connection", unplugged)
        for connector in (
            eversince._transport._owned.get().connector,
            eversince._store._owned.get().connector,
        ):
            for idle in connector._conns.values():
                for protocol, _ in idle:
                    protocol.transport.abort()
        await asyncio.sleep(3600)
    report = await running

    assert {"succeeded", "paused"} >= set(report.counts), [each.error for each in report.outcomes]
    await campaign.check(emulator, await campaign.batch(eversince))


async def test_a_server_that_fails_now_and_then_all_along(tmp_path):
    campaign = Campaign(tmp_path, items=10)
    faults = Faults(
        error_500=0.03,
        error_503=0.03,
        rate_limited=0.05,
        reset_before_commit=0.03,
        reset_after_commit=0.03,
        truncated=0.03,
        not_json=0.03,
        cut_downloads=0.5,
        latency=(0.05, 3.0),
        seed=11,
    )
    async with (
        Emulator(scenario=QUICK, faults=faults, studio_projects=False, video_bytes=300_000) as emulator,
        Eversince(**emulator.connection) as eversince,
    ):
        for _ in range(5):
            report = await campaign.batch(eversince)
            if set(report.counts) == {"succeeded"}:
                break
        await campaign.check(emulator, report)


async def test_a_server_that_cannot_be_reached_pauses_the_batch_rather_than_each_item(tmp_path):
    """Otherwise each item would retry for minutes, one after another."""
    nowhere = "http://127.0.0.1:1/api/v1"
    async with Eversince("es_live_" + "a" * 32, base_url=nowhere) as eversince:
        batch = eversince.batch([f"Film {n}" for n in range(200)], journal=tmp_path / "journal.db")
        report = await batch

    assert {"paused"} == set(report.counts)
    assert "never left" in str(report.paused)
    assert 20 > batch.progress.items_read
