"""Journals that are gone, damaged, too new or out of reach.

The message is clear, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest

from eversince_async.errors import JournalError
from helpers.batch_runs import Campaign, unwritten


async def running_until_first_share(emulator, campaign, eversince):
    running = asyncio.ensure_future(campaign.batch(eversince)._collect())
    while not emulator.world.shares:
        await asyncio.sleep(1)
    return running


async def test_a_journal_deleted_while_in_use_is_saved_under_another_name(emulator, eversince, tmp_path):
    """A user who restores the file can resume without any loss."""
    campaign = Campaign(tmp_path, items=20)
    running = await running_until_first_share(emulator, campaign, eversince)
    for path in tmp_path.glob("campaign.db*"):
        path.unlink()

    with pytest.raises(JournalError, match="deleted or replaced while in use") as caught:
        await running
    assert 20 > emulator.world.counts["projects"]
    (saved,) = tmp_path.glob("campaign.db*")
    assert saved.name in str(caught.value)

    saved.rename(campaign.journal)
    assert set() == await unwritten(emulator, campaign.journal)
    await campaign.check(emulator, await campaign.batch(eversince))


async def test_a_journal_moved_while_in_use_can_be_put_back(emulator, eversince, tmp_path):
    campaign = Campaign(tmp_path, items=20)
    running = await running_until_first_share(emulator, campaign, eversince)
    (tmp_path / "elsewhere").mkdir()
    for path in tmp_path.glob("campaign.db*"):
        path.rename(tmp_path / "elsewhere" / path.name)

    with pytest.raises(JournalError, match="put it back"):
        await running
    for path in (tmp_path / "elsewhere").iterdir():
        path.rename(tmp_path / path.name)

    await campaign.check(emulator, await campaign.batch(eversince))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        pytest.param(lambda path: path.write_bytes(b"\xff" * 9000), "is no journal", id="overwritten"),
        pytest.param(
            lambda path: path.write_bytes(
                path.read_bytes()[:5000] + b"\xff" * (len(path.read_bytes()) - 5000)
            ),
            "the file is damaged",
            id="damaged",
        ),
        pytest.param(lambda path: _newer(path), "was written by a later eversince_async", id="newer"),
    ],
)
async def test_a_journal_that_cannot_be_read_stays_as_it_is_and_nothing_is_begun(
    emulator, eversince, tmp_path, harm, told
):
    campaign = Campaign(tmp_path)
    await campaign.batch(eversince)
    copy = campaign.journal.read_bytes()
    harm(campaign.journal)
    harmed, before = campaign.journal.read_bytes(), len(emulator.world.log)

    with pytest.raises(JournalError, match=told):
        await campaign.batch(eversince)
    assert harmed == campaign.journal.read_bytes()
    assert before == len(emulator.world.log)

    campaign.journal.write_bytes(copy)  # as the message says
    report = await campaign.batch(eversince)
    assert {"succeeded": 6} == report.counts
    assert before == len(emulator.world.log)


def _newer(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 9999")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def test_a_folder_that_cannot_be_written_is_told_before_anything_is_sent(
    emulator, eversince, tmp_path, monkeypatch
):
    campaign = Campaign(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("os.access", lambda path, mode: False)
        with pytest.raises(JournalError, match="cannot be written: check permissions"):
            await campaign.batch(eversince, download=None)

    assert 0 == len(emulator.world.log)
    assert [] == list(tmp_path.iterdir())


async def test_a_spec_edited_under_an_old_key_is_told_and_the_others_go_on(emulator, eversince, tmp_path):
    campaign = Campaign(tmp_path, items=3)
    await campaign.check(emulator, await campaign.batch(eversince))
    items = [{"key": f"item-{n}", "brief": f"Film number {n}{' as a cartoon' * (n == 1)}"} for n in range(5)]

    report = await eversince.batch(
        items, journal=campaign.journal, download=campaign.folder, drain_on_interrupt=False
    )

    assert {"succeeded": 4, "failed": 1} == report.counts
    (failed,) = [outcome for outcome in report.outcomes if outcome.error]
    assert "item-1" == failed.key
    assert "as a cartoon" in str(failed.error)
    assert "use another key" in str(failed.error)
    assert 5 == emulator.world.counts["projects"]
