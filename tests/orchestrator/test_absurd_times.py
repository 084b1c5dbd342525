"""Impossible times: they date nothing, and hide nothing that was paid for."""

from __future__ import annotations

import asyncio

import pytest

from eversince_async import Eversince
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import Reset
from helpers.lagging_reads import edited

QUICK = Scenario(queued=2, running=5, images=5, videos=5, rendering=10, cycles=1, scenes=(1, 1))
FAILING = Scenario(queued=1, running=1, images=1, videos=1, cycles=1, failure=1.0)
ABSURD = pytest.mark.parametrize(
    "at",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
        None,
        "",
    ],
)


@ABSURD
async def test_a_share_in_doubt_is_adopted_whatever_its_time(at):
    def edit(path, plain):
        if path == "/account/shares":
            plain["shares"] = [{**share, "created_at": at} for share in plain["shares"]]
        return plain

    async with Emulator(scenario=QUICK) as emulator, Eversince(**emulator.connection) as eversince:
        edited(eversince, edit)
        emulator.faults.once("POST", "/projects/*/share", Reset(after_commit=True))

        assert (await eversince.produce("A mug")).share_url
    assert 1 == emulator.world.counts["shares"]


@ABSURD
async def test_a_create_in_doubt_whose_project_failed_is_found_whatever_its_time(at):
    def edit(path, plain):
        if path == "/projects":
            plain["projects"] = [{**project, "created_at": at} for project in plain["projects"]]
        return plain

    async with Emulator(scenario=FAILING) as emulator, Eversince(**emulator.connection) as eversince:
        edited(eversince, edit)
        emulator.faults.once("POST", "/projects", Reset(after_commit=True))

        assert {"failed": 1} == (await eversince.batch(["fails"])).counts
    assert 1 == emulator.world.counts["projects"]


async def test_a_failed_project_is_found_below_older_ones():
    """The order of a list is not documented."""

    def edit(path, plain):
        if path == "/projects":
            plain["projects"] = plain["projects"][::-1]
        return plain

    async with Emulator(scenario=FAILING) as emulator, Eversince(**emulator.connection) as eversince:
        edited(eversince, edit)
        await eversince.batch(["One", "Two"])
        await asyncio.sleep(3600)
        emulator.faults.once("POST", "/projects", Reset(after_commit=True))

        assert {"failed": 1} == (await eversince.batch(["fails"])).counts
    assert 3 == emulator.world.counts["projects"]
