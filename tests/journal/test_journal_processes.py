"""Tests of real processes on one journal.

They share its jobs, and lose nothing when killed.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import kill_writers
import pytest

from eversince_async.journal import SqliteJournal

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


def filled(path, jobs):
    async def fill():
        async with SqliteJournal(path) as journal:
            await asyncio.gather(*(journal.put(f"film {n}", {}) for n in range(jobs)))

    asyncio.run(fill())


def tries(path):
    async def read():
        async with SqliteJournal(path) as journal:
            names = [job.id async for job in journal.jobs("done")]
            return {name: (await journal.effect(name, "render")).tries for name in names}

    return asyncio.run(read())


def worker(path, seconds_each):
    """Start a process that waits for the word to work."""
    command = [sys.executable, HERE / "share_jobs.py", path, str(seconds_each)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert "ready\n" == process.stdout.readline()
    return process


def start(process):
    process.stdin.write("go\n")
    process.stdin.flush()


def test_two_processes_share_the_jobs_and_none_is_done_twice(tmp_path):
    filled(path := tmp_path / "journal.db", 60)

    with worker(path, 0.01) as one, worker(path, 0.01) as two:
        start(one)
        start(two)
        said = [process.communicate(timeout=180)[0].splitlines() for process in (one, two)]
    done = [[line for line in lines if line.startswith("done")] for lines in said]

    assert [0, 0] == [one.returncode, two.returncode]
    assert all(done), "both worked"
    assert sorted(f"done film {n}" for n in range(60)) == sorted(done[0] + done[1])
    assert {1} == set(tries(path).values())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, the leases must run out first")
def test_the_jobs_of_a_killed_process_are_taken_over_at_once(tmp_path):
    filled(path := tmp_path / "journal.db", 6)

    with worker(path, 30) as stuck, worker(path, 0.001) as other:
        start(stuck)
        begun = stuck.stdout.readline().split(maxsplit=1)[1].strip()
        stuck.kill()
        start(other)
        other.communicate(timeout=180)

    assert 0 == other.returncode
    assert {f"film {n}": 2 if f"film {n}" == begun else 1 for n in range(6)} == tries(path)


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_a_killed_process_loses_nothing_that_was_acknowledged():
    acknowledged, _ = kill_writers.main(4)

    assert acknowledged > 4


def test_processes_that_open_and_close_a_journal_again_and_again_lose_nothing(tmp_path):
    """Closing another descriptor of the file would lose the locks.

    Then the log would be lost.
    """
    command = [sys.executable, HERE / "open_often.py", path := tmp_path / "journal.db"]
    workers = [
        subprocess.Popen([*command, name, "40"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name in ("one", "two", "three")
    ]
    said = [worker.communicate(timeout=180) for worker in workers]

    assert ["", "", ""] == [errors for _, errors in said]
    acknowledged = sorted(line for output, _ in said for line in output.splitlines())
    assert 360 == len(acknowledged)
    with closing(sqlite3.connect(path)) as database:
        assert acknowledged == sorted(name for (name,) in database.execute("SELECT id FROM job"))
