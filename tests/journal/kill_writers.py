"""Kill processes in the middle of their commits, and look whether anything that was acknowledged is gone.

    python tests/journal/kill_writers.py [kills]

A writer makes jobs from many tasks at once, and says of each step of each job that it was acknowledged, on a
pipe. It is killed with SIGKILL at a random moment, and then every line of the pipe must stand in the
journal, every effect must fit the stage of its job, and SQLite must find the file intact.
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
    """The process that is killed: jobs without end."""

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
    os.write(1, f"{step}:{name}\n".encode())  # in one piece, whatever happens next


def killed(path: Path, seconds: float) -> list[str]:
    """Start a writer, kill it so many seconds after its first word, return what it said."""
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
    """Nothing acknowledged is lost, nothing is half."""
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
    """Kill so often; return how many steps were acknowledged, and how many jobs were caught in between."""
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
