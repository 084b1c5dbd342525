"""A full disk: nothing unrecorded is sent, and no file stays half-written."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eversince_async.errors import DownloadFailed, JournalError
from eversince_async.journal import SqliteJournal
from eversince_async.transfers.partial_file import PartialFile
from helpers.batch_runs import Campaign, served, unwritten

if TYPE_CHECKING:
    import sqlite3


def limit(journal: SqliteJournal, pages: int) -> None:
    """Make SQLite find the disk full at a number of pages.

    With 0, the file cannot grow at all.
    """
    connection: sqlite3.Connection = journal._connection
    connection.execute(f"PRAGMA max_page_count = {pages or 1}")  # SQLite never goes below the present pages


async def test_nothing_is_sent_that_cannot_be_written_down(emulator, eversince, tmp_path):
    campaign = Campaign(tmp_path, items=30)
    journal = SqliteJournal(campaign.journal)
    async with journal:
        running = asyncio.ensure_future(campaign.batch(eversince, journal=journal)._collect())
        while not emulator.world.shares:
            await asyncio.sleep(1)
        limit(journal, 0)
        with pytest.raises(JournalError, match="the disk is full: make room and try again"):
            await running
        assert 30 > emulator.world.counts["projects"]
    assert set() == await unwritten(emulator, campaign.journal)

    report = await campaign.batch(eversince)  # there is room again

    await campaign.check(emulator, report)


@pytest.mark.parametrize("kind", ["create", "render", "share", "download"])
async def test_what_was_done_but_could_not_be_written_down_is_found_again(
    emulator, eversince, tmp_path, monkeypatch, kind
):
    """The client that did it, and remembers it, finds it as well."""
    campaign = Campaign(tmp_path, items=3)
    write = SqliteJournal.done

    async def full(journal, effect, *args, **kwargs):
        if effect.kind == kind:
            raise JournalError("the disk is full")
        return await write(journal, effect, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(SqliteJournal, "done", full)
        with pytest.raises(JournalError, match="the disk is full"):
            await campaign.batch(eversince)

    await campaign.check(emulator, await campaign.batch(eversince))


class Disk:
    """A disk with limited room."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self._append = PartialFile.append
        monkeypatch.setattr(PartialFile, "append", lambda part, chunks: self._appended(part, chunks))

    def _appended(self, part: PartialFile, chunks: list[bytes]) -> None:
        for chunk in chunks:
            fits = chunk[: self.room]
            self.room -= len(fits)
            self._append(part, [fits])
            if len(fits) < len(chunk):
                raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_video_that_does_not_fit_stops_the_batch_until_there_is_room(
    emulator, eversince, tmp_path, monkeypatch
):
    campaign = Campaign(tmp_path, items=20)
    disk = Disk(monkeypatch, room=500_000)

    stopped = await campaign.batch(eversince)

    assert {"succeeded", "paused"} == set(stopped.counts)
    assert 1 == stopped.counts["succeeded"]
    assert "the disk is full; make room and download again" in stopped.paused
    assert isinstance(stopped.cause, DownloadFailed)
    assert 20 > emulator.world.counts["projects"]  # nothing more was started
    (finished,) = [path for path in campaign.folder.iterdir() if path.suffix == ".mp4"]
    assert served(emulator.world.projects[finished.stem]) == finished.read_bytes()

    disk.room = 10**9
    await campaign.check(emulator, await campaign.batch(eversince))


async def test_a_folder_that_cannot_be_written_is_told_before_anything_is_paid_for(
    emulator, eversince, tmp_path, monkeypatch
):
    campaign = Campaign(tmp_path)
    campaign.folder.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr("os.access", lambda path, mode: False)  # root may write everywhere
        with pytest.raises(DownloadFailed, match="videos: cannot be written"):
            await campaign.batch(eversince, journal=None)
    assert 0 == emulator.world.counts["projects"]

    await campaign.check(emulator, await campaign.batch(eversince))


async def test_a_file_where_the_folder_should_be_is_told_before_anything_is_paid_for(
    emulator, eversince, tmp_path
):
    campaign = Campaign(tmp_path)
    campaign.folder.write_text("not a folder")

    with pytest.raises(DownloadFailed, match="videos: cannot be written: File exists"):
        await campaign.batch(eversince)

    assert 0 == emulator.world.counts["projects"]


def test_a_real_disk_that_is_full_loses_nothing(tmp_path):
    """Runs in a mount namespace of its own, where one is available."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        pytest.skip("needs Linux with user namespaces")
    script = [sys.executable, Path(__file__).with_name("real_disk.py"), tmp_path]
    helpers = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run(["unshare", "-Urm", *script], check=True, timeout=240, env=helpers)
