"""Kill processes in the middle of their commits, and check for losses.

    python tests/journal/kill_writers.py [kills]

A writer makes jobs from many tasks at once, and reports each acknowledged step of each job on a pipe. It is
killed with SIGKILL at a random moment. Then every line of the pipe must be in the journal, every effect must
fit the stage of its job, and SQLite must find the file intact.
"""

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from eversince_async.journal import JobChange, SqliteJournal

TASKS = 8


async def write(path: Path) -> None:
    """Write jobs without end, in the process that is killed."""

    async def worker(number: int) -> None:
        count = 0
        while True:
            count += 1
            name = f"{os.getpid()} {number} {count}"
            await journal.put(name, {"brief": "x" * 400})
            say("put", name)
            await journal.acquire(name)
            effect = await journal.intent(name, "render", {"quality": "1080p"})
            say("intent", name)
            await journal.done(effect, {"ok": True}, claim=name, job=JobChange(stage="done", release=True))
            say("done", name)

    async with SqliteJournal(path) as journal, asyncio.TaskGroup() as group:
        for number in range(TASKS):
            group.create_task(worker(number))


def say(step: str, name: str) -> None:
    os.write(1, f"{step}:{name}\n".encode())  # in one piece, before anything else happens


def killed(path: Path, seconds: float) -> list[str]:
    """Start a writer, kill it, and return the lines that it wrote.

    Args:
        path: The journal's file.
        seconds: Time from the writer's first line to the kill, in seconds.
    """
    command = [sys.executable, __file__, "write", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
    assert -signal.SIGKILL == writer.returncode, writer.returncode
    return (first + rest).decode().splitlines()


def verify(path: Path, acknowledged: list[str]) -> None:
    """Check that no acknowledged step is lost or half done."""
    with closing(sqlite3.connect(path)) as database:
        assert [("ok",)] == database.execute("PRAGMA integrity_check").fetchall()
        stages = dict(database.execute("SELECT id, stage FROM job"))
        states = dict(database.execute("SELECT job_id, state FROM effect"))
    for line in acknowledged:
        step, _, name = line.partition(":")
        assert name in stages, line
        assert step == "put" or name in states, line
        assert step != "done" or (states[name], stages[name]) == ("done", "done"), line
    for name, state in states.items():
        assert (state == "done") == (stages[name] == "done"), name


def main(kills: int) -> tuple[int, int]:
    """Kill a number of writers.

    Returns:
        The number of acknowledged steps, and the number of jobs that were caught in the middle.
    """
    chance = random.Random(kills)
    acknowledged: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.db")
        for _ in range(kills):
            acknowledged += killed(path, chance.uniform(0.0, 0.15))
            verify(path, acknowledged)
        with closing(sqlite3.connect(path)) as database:
            ((caught,),) = database.execute("SELECT count(*) FROM job WHERE stage <> 'done'")
    return len(acknowledged), caught


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        asyncio.run(write(Path(sys.argv[2])))
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    steps, caught = main(kills)
    print(f"{kills} kills, {steps} steps acknowledged, 0 lost, {caught} jobs caught in the middle")  # noqa: T201 - its result
