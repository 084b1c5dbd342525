"""Tests that an owner counts as dead only if certainly dead."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from eversince_async import clock
from eversince_async.errors import JournalLocked
from eversince_async.journal import JobChange, SqliteJournal, owners
from eversince_async.journal.owners import is_dead, new_incarnation

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who is alive")


def of_process(pid):
    host, machine, _, token = new_incarnation().split("/")
    return f"{host}/{machine}/{pid}/{token}"


def test_every_run_has_another_name():
    assert new_incarnation() != new_incarnation()


def test_this_process_lives():
    assert not is_dead(new_incarnation())


@linux
def test_a_process_that_ended_has_died_and_one_that_runs_has_not():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with process:
        assert not is_dead(of_process(process.pid))
        process.kill()
        process.wait()

    assert is_dead(of_process(process.pid))


@linux
def test_a_killed_process_that_nobody_has_waited_for_has_died():
    process = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1)
    with process:
        process.stdout.readline()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # observe it, and leave it a zombie

        assert is_dead(of_process(process.pid))


@pytest.mark.parametrize(
    "name", ["", "x", "a/b/c", "host/another-boot/999999999/t", "host/elsewhere/999999999/t"]
)
def test_of_others_nothing_is_known(name):
    assert not is_dead(name)


# -- Windows, where asking whether a process lives would end it ---------------------------------------------


@pytest.fixture
def windows(monkeypatch):
    """Show the journals a Windows system."""
    monkeypatch.setattr(owners, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(clock, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("this would end the process"))
    owners._machine_id.cache_clear()
    yield
    owners._machine_id.cache_clear()


def test_on_windows_nobody_is_asked_whether_a_process_lives(windows):
    assert not is_dead(new_incarnation())
    assert not is_dead("host/elsewhere/999999999/t")


async def test_on_windows_a_journal_is_shared_by_leases_that_run_out(windows, tmp_path):
    async with SqliteJournal(tmp_path / "j.db") as first, SqliteJournal(tmp_path / "j.db") as second:
        await first.put("mug", {})
        await first.acquire("mug", seconds=60)
        with pytest.raises(JournalLocked):
            await second.acquire("mug")
        await asyncio.sleep(61)

        assert second.incarnation == (await second.acquire("mug")).owner
        with pytest.raises(JournalLocked):
            await first.change("mug", JobChange(stage="done"))


async def test_on_windows_writers_of_one_journal_take_turns(windows, tmp_path):
    """On Windows, SQLite itself locks its file."""
    async with SqliteJournal(tmp_path / "j.db") as first, SqliteJournal(tmp_path / "j.db") as second:
        await asyncio.gather(
            *(journal.put(f"{n}-{journal.incarnation}", {}) for n in range(50) for journal in (first, second))
        )

        assert {"new": 100} == await first.counts() == await second.counts()
