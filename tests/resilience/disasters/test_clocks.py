"""Clocks that jump: a sleeping laptop, or a clock set wrong."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from types import SimpleNamespace

import pytest

from eversince_async import Eversince
from eversince_async.clock import wall_seconds
from eversince_async.emulator import api, storage, studio
from eversince_async.emulator import emulator as server
from eversince_async.emulator.faults import Latency, Reset, Stall
from eversince_async.journal import SqliteJournal
from eversince_async.orchestrator.production import VideoUrlSource
from helpers.batch_runs import QUICK, Campaign
from helpers.wall_clocks import set_clock, sleep_through, unmoved

HOUR = 3600.0


@pytest.mark.parametrize("when", ["projects", "renders", "shares"])
async def test_a_laptop_that_slept_for_26_hours_goes_on(emulator, eversince, tmp_path, when):
    """Projects continued at the server, and the URLs of videos have expired."""
    campaign = Campaign(tmp_path, items=8)
    running = asyncio.ensure_future(campaign.batch(eversince)._collect())
    while not emulator.world.counts[when]:
        await asyncio.sleep(0.5)
    sleep_through(26 * HOUR)

    await campaign.check(emulator, await running)


async def test_others_take_over_what_a_laptop_slept_on_and_it_notices(emulator, tmp_path):
    """The laptop's requests are broken then, and its leases have run out."""
    campaign = Campaign(tmp_path, items=8)
    async with AsyncExitStack() as stack:
        laptop, server = [await stack.enter_async_context(Eversince(**emulator.connection)) for _ in range(2)]
        journals = [await stack.enter_async_context(SqliteJournal(campaign.journal)) for _ in range(2)]
        slept = asyncio.ensure_future(campaign.batch(laptop, journal=journals[0])._collect())
        while not emulator.world.shares:
            await asyncio.sleep(0.5)
        sleep_through(26 * HOUR)
        report = await campaign.batch(server, journal=journals[1])
        await campaign.check(emulator, report)
        await campaign.check(emulator, await slept)


@pytest.fixture
def server_clock(monkeypatch):
    """The emulator's clock, `ahead` of this process's by so many seconds."""
    its = SimpleNamespace(ahead=0.0, wall_seconds=lambda: wall_seconds() + its.ahead)
    for place in (api, server, storage, studio):
        monkeypatch.setattr(place, "clock", its)
    return its


async def test_a_clock_set_back_an_hour_repeats_nothing(emulator, eversince, tmp_path, server_clock):
    campaign = Campaign(tmp_path, items=8)
    emulator.faults.once("POST", "/projects/*/share", Reset(after_commit=True))
    running = asyncio.ensure_future(campaign.batch(eversince)._collect())
    while not emulator.world.shares:
        await asyncio.sleep(0.5)
    running.cancel()
    await asyncio.wait([running])
    set_clock(-HOUR)
    server_clock.ahead = HOUR
    began = asyncio.get_running_loop().time()

    await campaign.check(emulator, await campaign.batch(eversince))

    assert asyncio.get_running_loop().time() - began < HOUR / 4  # nothing waits for the right clock


SETS = pytest.mark.parametrize("set_by", [HOUR, -HOUR, 720 * HOUR, -720 * HOUR])


@pytest.fixture
def apart(monkeypatch):
    """The clock that is set is not the server's clock."""
    unmoved(monkeypatch)


@SETS
@pytest.mark.parametrize("where", ["/projects", "/projects/*/render", "/projects/*/share"])
@pytest.mark.parametrize(
    "fault", [Reset(after_commit=True), Stall(after_commit=True), Latency(seconds=20)], ids=type
)
async def test_a_clock_set_while_a_write_is_on_its_way_repeats_nothing(
    emulator, eversince, tmp_path, apart, set_by, where, fault
):
    campaign = Campaign(tmp_path, items=4)
    emulator.faults.once("POST", where, fault)
    running = asyncio.ensure_future(campaign.batch(eversince)._collect())
    while emulator.faults.pending:
        await asyncio.sleep(0.1)
    set_clock(set_by)

    await campaign.check(emulator, await running)


@SETS
async def test_two_workers_beside_a_clock_that_is_set_repeat_nothing(emulator, tmp_path, apart, set_by):
    campaign = Campaign(tmp_path, items=8)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Eversince(**emulator.connection)) for _ in range(2)]
        journals = [await stack.enter_async_context(SqliteJournal(campaign.journal)) for _ in range(2)]
        running = [
            asyncio.ensure_future(campaign.batch(client, journal=journal)._collect())
            for client, journal in zip(clients, journals, strict=True)
        ]
        for kind in ("projects", "renders", "shares"):
            while not emulator.world.counts[kind]:
                await asyncio.sleep(0.1)
            set_clock(set_by)
        for report in await asyncio.gather(*running):
            await campaign.check(emulator, report)


@SETS
async def test_nothing_waits_for_a_clock_to_be_right_again(emulator, eversince, tmp_path, apart, set_by):
    """Pauses, polls and leases take their usual time.

    The report shows the durations.
    """
    campaign = Campaign(tmp_path, items=8)
    began = asyncio.get_running_loop().time()
    running = asyncio.ensure_future(campaign.batch(eversince)._collect())
    while not emulator.world.counts["renders"]:
        await asyncio.sleep(0.1)
    set_clock(set_by)
    report = await running

    assert asyncio.get_running_loop().time() - began < HOUR / 4
    assert 0 <= report.seconds < HOUR / 4
    for outcome in report.outcomes:
        assert all(stage.began_at <= stage.ended_at for stage in outcome.stages), outcome.stages
        assert (outcome.ended_at - outcome.began_at).total_seconds() < HOUR / 4


@SETS
async def test_what_failed_is_tried_again_whatever_the_clock_showed_then(
    emulator, eversince, tmp_path, apart, set_by
):
    """An earlier run is one that came before, regardless of its date."""
    emulator.world.life.scenario = QUICK.when("Film", failure=1.0)
    campaign = Campaign(tmp_path, items=2)
    assert {"failed": 2} == (await campaign.batch(eversince)).counts
    emulator.world.life.scenario = QUICK
    set_clock(set_by)

    report = await campaign.batch(eversince, retry_failed=True)

    assert {"succeeded": 2} == report.counts


@SETS
async def test_a_video_whose_url_is_good_is_not_asked_for_anew(emulator, eversince, apart, set_by):
    """The server's clock decides whether the URL has expired."""
    production = await eversince.produce("A film", share=False)
    set_clock(set_by)
    looks = len(emulator.world.log)

    assert (
        await VideoUrlSource(eversince._runtime, production.project, None, render_again=None).next()
        is not None
    )
    assert looks == len(emulator.world.log)


@pytest.mark.parametrize("ahead", [-HOUR, HOUR], ids=["behind", "ahead"])
@pytest.mark.parametrize(
    "fault", [Reset(after_commit=True), Stall(after_commit=True)], ids=["reset", "stalled"]
)
async def test_a_clock_that_is_wrong_by_an_hour_repeats_nothing(
    emulator, eversince, tmp_path, server_clock, ahead, fault
):
    """The search for an effect in doubt uses the server's clock."""
    campaign = Campaign(tmp_path, items=4)
    server_clock.ahead = -ahead
    emulator.faults.once("POST", "/projects/*/share", fault)

    await campaign.check(emulator, await campaign.batch(eversince))


class SleepyJournal(SqliteJournal):
    """A journal on a laptop whose lid closes right after an intent."""

    falls_asleep = None

    async def intent(self, job_id, kind, *args, **kwargs):
        effect = await super().intent(job_id, kind, *args, **kwargs)
        if self.falls_asleep is not None and kind == "share":
            falls_asleep, self.falls_asleep = self.falls_asleep, None
            await falls_asleep()
        return effect


async def test_what_was_about_to_be_sent_before_a_sleep_is_not_sent_if_others_took_over(emulator, tmp_path):
    campaign = Campaign(tmp_path, items=1)
    async with AsyncExitStack() as stack:
        laptop, other = [await stack.enter_async_context(Eversince(**emulator.connection)) for _ in range(2)]
        journal = await stack.enter_async_context(SleepyJournal(campaign.journal))

        async def sleep():
            sleep_through(HOUR)
            async with SqliteJournal(campaign.journal) as theirs:
                await campaign.batch(other, journal=theirs)

        journal.falls_asleep = sleep
        report = await campaign.batch(laptop, journal=journal)

    await campaign.check(emulator, report)


async def test_a_download_whose_lease_was_lost_is_given_up_and_no_two_write_to_one_file(emulator, tmp_path):
    """The heartbeat ends the download once another process has the job.

    Without that, the download would continue for an hour.
    """
    campaign = Campaign(tmp_path, items=1)
    emulator.faults.once("GET", "/shared/*", Latency(seconds=HOUR))
    async with AsyncExitStack() as stack:
        slow, quick = [await stack.enter_async_context(Eversince(**emulator.connection)) for _ in range(2)]
        journals = [await stack.enter_async_context(SqliteJournal(campaign.journal)) for _ in range(2)]
        leaving = asyncio.ensure_future(campaign.batch(slow, journal=journals[0])._collect())
        while emulator.faults.pending:
            await asyncio.sleep(0.5)
        sleep_through(HOUR)
        other = await campaign.batch(quick, journal=journals[1])
        began = asyncio.get_running_loop().time()
        report = await leaving

    assert {"paused": 1} == other.counts
    assert "another download to this path is under way" in str(other.outcomes[0].error)
    assert asyncio.get_running_loop().time() - began < 120
    await campaign.check(emulator, report)
