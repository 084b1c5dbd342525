"""A pipeline repeats nothing and loses nothing, however often its process dies."""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from eversince_async import Eversince
from eversince_async.emulator import Emulator
from eversince_async.emulator.faults import Latency, NotJson, Reset, Stall
from eversince_async.journal import SqliteJournal
from helpers.pipeline_runs import QUICK, TIKTOK, campaign, counts, said
from helpers.power_cuts import EARLY_PAGE, NEVER, Gateway, count_as_dead, live

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.slow

WRITES = ("/projects", "/projects/*/messages", "/projects/*/render", "/projects/*/share")
KINDS = {
    "none": [],
    "lost": [Reset(after_commit=True)],
    "never sent": [Reset()],
    "stalled": [Stall(after_commit=True)],
    "late": [Latency(seconds=20)],
    "answered late": [Latency(seconds=20, after_commit=True)],
    "page": [NotJson(status=403)],
    "page hides it": [NotJson(status=408, after_commit=True)],
    "page that would come again hides it": [NotJson(status=405, after_commit=True)],
    "one page after the other": [NotJson(status=429), NotJson(status=413, after_commit=True)],
    "nothing to read": [NotJson(status=204, body="", after_commit=True)],
    EARLY_PAGE: [Latency(seconds=20)],
}
"""What goes wrong with the first of each write, in any life."""


@pytest.fixture(autouse=True)
def dead_runs_count_as_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    count_as_dead(monkeypatch)


def faults(emulator: Emulator, kind: str) -> None:
    for path in WRITES:
        for fault in KINDS[kind]:
            emulator.faults.once("POST", path, fault)


@asynccontextmanager
async def somebody_who_agrees(emulator: Emulator, file: Path) -> AsyncIterator[None]:
    """Approve every question within a minute, like a person elsewhere."""

    async def agree() -> None:
        async with Eversince(**emulator.connection) as eversince:
            while True:
                await asyncio.sleep(60)
                for question in await eversince.approvals(journal=file):
                    await eversince.approve(question.key, journal=file)

    agreeing = asyncio.create_task(agree())
    yield
    agreeing.cancel()
    await asyncio.wait([agreeing])


async def made(emulator, file, photo, *cuts, pause=3.0, early_page=False):
    """Run a campaign that dies at each cut and then finishes.

    Returns each life and the final result.
    """
    results = []

    async def act(eversince, journal):
        results.append(await eversince.run(campaign, "A film about a mug", photo, key="mug", journal=journal))

    lives = []
    async with somebody_who_agrees(emulator, file):
        for nth in (*cuts, NEVER):
            gateway = Gateway() if early_page and not lives else None
            lives.append(await live(emulator, SqliteJournal(file), nth, act, gateway=gateway))
            await asyncio.sleep(pause)
    return lives, results[-1]


async def need_exactly_one(emulator, file, result, where):
    project_id = result.master.project_id
    assert {"projects": 1, "renders": 2, "shares": 2} == counts(emulator), where
    assert [TIKTOK, "Switch to variation var_002"] == said(emulator, project_id), where
    rendered = emulator.world.projects[project_id].rendered
    assert ["16:9", "9:16"] == [render.aspect_ratio for render in rendered], where
    assert 2 == len({result.master.share_url, result.vertical.share_url}), where
    async with SqliteJournal(file) as journal:
        left_open = [effect.name for effect in await journal.effects("mug") if effect.is_open]
    assert [] == left_open, where


EVERY = [(kind, pause, 1) for kind in KINDS for pause in (3.0, 90.0)]
SOME = [
    ("none", 3.0, 7),
    ("none", 90.0, 13),
    ("lost", 3.0, 17),
    ("never sent", 90.0, 17),
    ("page hides it", 3.0, 19),
    (EARLY_PAGE, 3.0, 19),
]


@pytest.mark.parametrize(("kind", "pause", "stride"), EVERY if "EVERSINCE_EVERY_CUT" in os.environ else SOME)
async def test_single_cuts(kind, pause, stride, tmp_path, photo, record_property):
    """Cut a campaign at every moment.

    The campaign has an upload, a production, a variation, an approval and a shared render.
    """
    nth = points = 0
    while True:
        nth += stride
        async with Emulator(scenario=QUICK) as emulator:
            faults(emulator, kind)
            file, early_page = tmp_path / f"{nth}.db", kind == EARLY_PAGE
            lives, result = await made(emulator, file, photo, nth, pause=pause, early_page=early_page)
            await need_exactly_one(emulator, file, result, f"cut at {nth}, {lives[0].last}")
        if not lives[0].pulled.is_set():
            break
        points += 1
    record_property("points", points)
    print(f"{points} single cuts, {kind}, {pause:g} s")  # noqa: T201 - a figure to report


async def test_pairs_of_cuts(tmp_path, photo):
    """Cut at two moments, the second in the next life.

    The pairs are a sample.
    """
    chance, done = random.Random(4), 0
    for pair in range(200 if "EVERSINCE_EVERY_CUT" in os.environ else 6):
        async with Emulator(scenario=QUICK) as emulator:
            kind = chance.choice(list(KINDS))
            faults(emulator, kind)
            cuts = chance.randint(1, 90), chance.randint(1, 50)
            pause = chance.choice([3.0, 90.0])
            file, early_page = tmp_path / f"{pair}.db", kind == EARLY_PAGE
            lives, result = await made(emulator, file, photo, *cuts, pause=pause, early_page=early_page)
            await need_exactly_one(emulator, file, result, f"pair {pair}, cut at {cuts}")
            done += all(life.pulled.is_set() for life in lives[:-1])
    print(f"{done} pairs of cuts")  # noqa: T201 - a figure to report
