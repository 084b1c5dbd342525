"""Checks on a disk that is full, or read-only.

A test runs this script in a mount namespace of its own.
"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from eversince_async.errors import JournalError
from eversince_async.journal import SqliteJournal


def mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True)


def full(folder: Path) -> None:
    mount("-t", "tmpfs", "-o", "size=600k", "none", folder)
    filler = folder / "filler"
    filler.write_bytes(bytes(300_000))
    acknowledged = asyncio.run(fill(folder / "journal.db", filler))
    assert len(acknowledged) > 2, acknowledged
    assert acknowledged == asyncio.run(jobs_in(folder / "journal.db"))


async def fill(path: Path, filler: Path) -> set[str]:
    """Write until the disk is full, make room, and continue.

    Returns:
        The acknowledged jobs.
    """
    acknowledged = set()
    async with SqliteJournal(path) as journal:
        problem = ""
        while not problem:
            try:
                acknowledged.add((await journal.put(f"film {len(acknowledged)}", {"brief": "x" * 5000})).id)
            except JournalError as error:
                problem = str(error)
        assert "disk is full" in problem, problem
        filler.unlink()
        acknowledged.add((await journal.put("after", {"brief": "x" * 5000})).id)
    return acknowledged


def read_only(folder: Path) -> None:
    path = folder / "journal.db"
    asyncio.run(jobs_in(path))
    before = path.read_bytes()
    mount("--bind", folder, folder)
    mount("-o", "remount,ro,bind", folder)
    for name in ("journal.db", "new.db"):
        problem = ""
        try:
            asyncio.run(jobs_in(folder / name))
        except JournalError as error:
            problem = str(error)
        assert "cannot be written" in problem, problem
    assert before == path.read_bytes()
    assert os.listdir(folder) == ["journal.db"]


async def jobs_in(path: Path) -> set[str]:
    async with SqliteJournal(path) as journal:
        return {job.id async for job in journal.jobs()}


if __name__ == "__main__":
    {"full": full, "read-only": read_only}[sys.argv[1]](Path(sys.argv[2]))
