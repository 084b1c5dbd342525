"""Importing starts nothing, so a server may fork after it; what is open belongs to who opened it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

FORKS = '''
import asyncio, os, sys
from eversince_async import ConfigurationError, Eversince
from eversince_async.emulator import Emulator
from eversince_async.testing import run

async def in_child(work):
    """Do something in a forked process, in a loop of its own; return the exit status."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            asyncio.run(work())
            sys.stdout.flush()
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", flush=True)
            os._exit(1)
    return (await asyncio.to_thread(os.waitpid, child, 0))[1]
'''


def story(tmp_path: Path, body: str) -> str:
    """What a program prints that runs beside an emulator; leaks are errors in it."""
    lines = "\n".join(f"        {line}" for line in body.strip().splitlines())
    program = (
        f"{FORKS}\nasync def story():\n    async with Emulator() as emulator:\n{lines}\n\nrun(story())\n"
    )
    (tmp_path / "story.py").write_text(program)
    about_threads = "ignore:This process:DeprecationWarning"  # from 3.12 on; to fork beside them is the story
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-W", about_threads, str(tmp_path / "story.py")],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert "" == done.stderr
    return done.stdout


def test_importing_opens_nothing_and_starts_no_thread():
    program = (
        "import os, threading; before = os.listdir('/proc/self/fd') if os.path.exists('/proc') else []\n"
        "import eversince_async, eversince_async.client, eversince_async.webhooks, eversince_async.journal\n"
        "after = os.listdir('/proc/self/fd') if os.path.exists('/proc') else []\n"
        "print(len(after) - len(before), threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "0 1" == done.stdout.strip()


def test_a_client_made_before_the_fork_and_used_after_it_works(tmp_path):
    """Each process then counts for itself, so the account's limits are to be divided between them."""
    said = story(
        tmp_path,
        """
async with Eversince(**emulator.connection) as eversince:
    async def work():
        async with eversince:
            print((await eversince.account.credits()).credits_balance)
    await in_child(work)
    await work()
""",
    )

    assert ["1450.0", "1450.0"] == said.split()


def test_a_client_used_before_the_fork_says_so_in_the_child(tmp_path):
    """And is none the worse for it in the parent."""
    said = story(
        tmp_path,
        """
async with Eversince(**emulator.connection) as eversince:
    await eversince.account.credits()
    await in_child(eversince.account.credits)
    print((await eversince.account.credits()).credits_balance)
""",
    )

    refusal, balance = said.splitlines()
    assert refusal.startswith("ConfigurationError: ")
    assert "after the fork" in refusal
    assert "1450.0" == balance


def test_connections_opened_before_the_fork_are_not_used_in_the_child(tmp_path):
    """Even where the parent's loop was not running, so that the governor could move."""
    (tmp_path / "story.py").write_text(
        FORKS
        + """
from eversince_async.testing import VirtualTimeLoop
loop = VirtualTimeLoop()
emulator = Emulator()
loop.run_until_complete(emulator.start())
eversince = Eversince(**emulator.connection)
loop.run_until_complete(eversince.account.credits())
sys.stdout.flush()
child = os.fork()
if not child:
    try:
        asyncio.run(eversince.account.credits())
    except ConfigurationError as error:
        print(error)
    asyncio.run(eversince.aclose())
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
print(loop.run_until_complete(eversince.account.credits()).credits_balance)
loop.run_until_complete(eversince.aclose())
loop.run_until_complete(emulator.stop())
loop.close()
"""
    )
    about_threads = "ignore:This process:DeprecationWarning"  # from 3.12 on; to fork beside them is the story
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-W", about_threads, str(tmp_path / "story.py")],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert "" == done.stderr
    refusal, balance = done.stdout.splitlines()
    assert "opened before the process forked" in refusal
    assert "1450.0" == balance


def test_a_journal_opened_before_the_fork_says_so_in_the_child(tmp_path):
    """Its thread stayed behind, and SQLite's connections must not be carried along."""
    said = story(
        tmp_path,
        f"""
from eversince_async.journal import SqliteJournal
async with SqliteJournal({str(tmp_path / "journal.db")!r}) as journal:
    await in_child(lambda: journal.load("mug"))
    await in_child(journal.aclose)
    print(await journal.load("mug"))
""",
    )

    load, close, found = said.splitlines()
    assert "before the process forked" in load
    assert load == close
    assert "None" == found
