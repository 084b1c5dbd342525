"""Ctrl-C, pressed in a process of its own: once it drains, twice it leaves, and nothing is lost by either."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from eversince_async.batch.interrupts import first_interrupt

PRESSING = Path(__file__).with_name("pressing.py")


def run(folder: Path, presses: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, PRESSING, folder / "emulator.db", folder / "campaign.db", str(presses)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def finishes_all(folder: Path) -> None:
    """The same batch again makes what is left, and nothing twice."""
    last = json.loads(run(folder, 0).stdout)
    assert {"succeeded": 8} == last["counts"]
    assert (8, 8, 8) == tuple(last["made"][what] for what in ("projects", "renders", "shares"))


def test_once_brings_to_its_end_what_has_begun(tmp_path):
    drained = json.loads(run(tmp_path, 1).stdout)

    assert {"succeeded": 5, "paused": 3} == drained["counts"]
    assert "drained" in drained["paused"]
    assert 5 == drained["made"]["projects"]
    finishes_all(tmp_path)


def test_twice_leaves_at_once(tmp_path):
    left = run(tmp_path, 2)

    assert "KeyboardInterrupt" in left.stderr
    assert "" == left.stdout
    finishes_all(tmp_path)


async def test_a_ctrl_c_that_arrives_twice_at_once_counts_once():
    """As from `timeout`, which signals the process and then its group."""
    told = []
    with first_interrupt(lambda: told.append("drain")):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(1)

    assert ["drain"] == told
