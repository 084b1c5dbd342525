"""Whenever the process dies, and however often: nothing is paid for twice, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import random

import pytest
from power_cuts import run

from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import Reset, Stall

QUICK = Scenario(queued=2, running=5, images=5, videos=5, rendering=10, cycles=1, scenes=(1, 1))
FAILING = Scenario(queued=2, running=5, images=5, videos=5, cycles=1, failure=1.0)
ITEMS = [{"key": "mug", "brief": "A film about a mug"}, {"key": "cup", "brief": "Another about a cup"}]


async def produced(path, items, emulator, *cuts, pause=3.0, **options):
    """Begin a batch, let it die at each of the cuts, and let it come to its end; the moments of each life."""
    reports = []

    async def act(eversince, journal):
        reports.append(await eversince.batch(items, journal=journal, drain_on_interrupt=False, **options))

    lives = []
    for nth in (*cuts, None):
        lives.append(await run(emulator, path, nth, act))
        await asyncio.sleep(pause)
    return lives, reports[-1]


def exactly(emulator, count):
    counts = emulator.world.counts
    return {"projects": count, "renders": count, "shares": count} == {
        name: counts[name] for name in ("projects", "renders", "shares")
    }


def faults(emulator, kind):
    if kind == "lost":
        for path in ("/projects", "/projects/*/render", "/projects/*/share"):
            emulator.faults.once("POST", path, Reset(after_commit=True))
    if kind == "never sent":
        for path in ("/projects/*/render", "/projects/*/share"):
            emulator.faults.once("POST", path, Reset())
    if kind == "stalled":
        for path in ("/projects/*/render", "/projects/*/share"):
            emulator.faults.once("POST", path, Stall(after_commit=True))


KINDS = ["none", "lost", "never sent", "stalled"]


EVERY = [(kind, pause) for kind in KINDS for pause in (3.0, 90.0)]
SOME = [("none", 3.0), ("lost", 3.0), ("never sent", 90.0)]


@pytest.mark.parametrize(("kind", "pause"), EVERY if "EVERSINCE_EVERY_CUT" in os.environ else SOME)
async def test_single_cuts(kind, pause, tmp_path, record_property):
    """At every moment of two items side by side."""
    nth = points = 0
    while True:
        nth += 1
        async with Emulator(scenario=QUICK) as emulator:
            faults(emulator, kind)
            lives, report = await produced(
                tmp_path / f"{nth}.db", ITEMS, emulator, nth, pause=pause, download=tmp_path / str(nth) / ""
            )
            where = f"cut at {nth}, {lives[0].names[-1]}, restarted after {pause:g} s"
            assert {"succeeded": 2} == report.counts, f"{where}: {report.outcomes}"
            assert exactly(emulator, 2), f"{where}: {emulator.world.counts}"
        if not lives[0].pulled.is_set():
            break
        points += 1
    record_property("points", points)
    print(f"{points} single cuts, {kind}, {pause:g} s")  # noqa: T201 - a figure to report


async def test_pairs_of_cuts(tmp_path):
    """Two moments, of which the second is in the life after the first; a sample."""
    chance, done = random.Random(4), 0
    for pair in range(25):
        async with Emulator(scenario=QUICK) as emulator:
            faults(emulator, chance.choice(KINDS))
            cuts = chance.randint(1, 40), chance.randint(1, 30)
            lives, report = await produced(
                tmp_path / f"{pair}.db", ITEMS, emulator, *cuts, pause=chance.choice([3.0, 90.0])
            )
            where = f"cut at {cuts}"
            assert {"succeeded": 2} == report.counts, f"{where}: {report.outcomes}"
            assert exactly(emulator, 2), f"{where}: {emulator.world.counts}"
            done += all(life.pulled.is_set() for life in lives[:-1])
    print(f"{done} pairs of cuts")  # noqa: T201 - a figure to report


async def test_a_project_that_fails_while_the_process_is_down(tmp_path):
    """Its key stands for nothing any more, so it is found by its brief, and not created again."""
    nth = 0
    while True:
        nth += 1
        async with Emulator(scenario=FAILING) as emulator:
            lives, report = await produced(tmp_path / f"{nth}.db", ITEMS[:1], emulator, nth, pause=300)
            assert {"failed": 1} == report.counts, f"cut at {nth}, {lives[0].names[-1]}"
            assert 1 == emulator.world.counts["projects"], f"cut at {nth}, {lives[0].names[-1]}"
        if not lives[0].pulled.is_set():
            break
