"""Tests that journals of older layouts can be read, upgraded and continued."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from eversince_async import Eversince, Run, pipeline
from eversince_async.batch.report import Report
from eversince_async.emulator import Emulator, Scenario
from eversince_async.errors import JournalError
from eversince_async.journal import SqliteJournal
from eversince_async.journal._schema import LAYOUT, UPGRADES, VERSION
from eversince_async.testing import VirtualTimeLoop

DATA = Path(__file__).parent / "data"
LATER = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
QUICK = Scenario(queued=2, running=5, images=5, videos=5, rendering=10, cycles=1, scenes=(1, 1))


@pytest.fixture
def anyio_backend():
    return "asyncio", {"loop_factory": lambda: VirtualTimeLoop(start=LATER)}


@pytest.fixture
def old(tmp_path):
    """Return a journal of the first layout."""
    return Path(shutil.copy(DATA / "layout_1.db", tmp_path))


def shape(database):
    """Return the columns and indexes; the order of columns means nothing."""
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    columns = {name: set(database.execute(f"SELECT * FROM pragma_table_info('{name}')")) for name in tables}
    indexes = database.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
    named = {table: {column[1:] for column in found} for table, found in columns.items()}
    return named, {name: " ".join(sql.split()) for name, sql in indexes}


async def test_an_upgraded_file_is_as_a_new_one(old):
    async with SqliteJournal(old):
        pass
    with closing(sqlite3.connect(old)) as upgraded, closing(sqlite3.connect(":memory:")) as new:
        for statement in LAYOUT:
            new.execute(statement)
        assert (VERSION,) == upgraded.execute("PRAGMA user_version").fetchone()
        assert shape(new) == shape(upgraded)


def test_every_older_layout_can_be_upgraded():
    assert list(range(1, VERSION)) == list(UPGRADES)


async def test_two_that_open_an_old_file_at_once_upgrade_it_once(old):
    journals = [SqliteJournal(old) for _ in range(4)]
    await asyncio.gather(*(journal.open() for journal in journals))
    for journal in journals:
        assert await journal.load("mug") is not None
        await journal.aclose()


async def test_an_upgrade_that_is_cut_off_changes_nothing(old, monkeypatch):
    monkeypatch.setitem(UPGRADES, 1, (*UPGRADES[1][:5], "no SQL"))  # type: ignore[attr-defined]  # it is a dict
    with pytest.raises(JournalError, match="syntax"):
        await SqliteJournal(old).open()
    monkeypatch.undo()
    async with SqliteJournal(old) as journal:
        assert (await journal.load("mug")).stage == "succeeded"


async def test_a_report_reads_an_old_journal(old):
    report = await Report.from_journal(old)
    assert {"succeeded": 3, "failed": 1, "paused": 8} == report.counts


async def test_what_is_old_was_before_everything_else(old):
    async with SqliteJournal(old) as journal:
        assert 0 == await journal.changes()
        assert 0 == (await journal.load("mug")).updated_change
        assert 0 < (await journal.acquire("mug")).updated_change


@pipeline
async def campaign(run: Run, brief: str) -> str:
    master = await run.produce(brief)
    await run.approval("ship it?", show=master)
    return str((await run.render_and_share(master)).share_url)


async def test_an_old_journal_is_gone_on_with(old, tmp_path):
    """No open work is lost, and none is done twice."""
    state = shutil.copy(DATA / "layout_1_emulator.db", tmp_path)
    briefs = {key: f"A film about a {key}" for key in ("mug", "cup", "pot", "vase", "bowl", "dish", "tray")}
    briefs |= {key: f"A film about a {key}" for key in ("lamp", "fork", "pan")} | {"jug": "It fails"}
    async with Emulator(scenario=QUICK, state=state, port=18431, storage_port=18432) as emulator:
        before = emulator.world.counts
        async with Eversince(**emulator.connection) as eversince:
            await eversince.approve("sofa", journal=old)
            await eversince.run(campaign, "A film about a sofa", key="sofa", journal=old)
            await eversince.decide("lamp", None, effect="share", journal=old)
            items = [{"key": key, "brief": brief} for key, brief in briefs.items()]
            report = await eversince.batch(items, journal=old)
    assert {"succeeded": 10, "failed": 1} == report.counts, report.outcomes
    made = emulator.world.counts
    assert before["projects"] == made["projects"]
    assert before["renders"] + 1 == made["renders"]  # that of the pan
    # One for each item, and a second for the sofa; another for the lamp, as its first was not found; and one
    # of another user.
    assert 11 + 1 + 1 + 1 == made["shares"]
