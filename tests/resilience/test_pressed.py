"""Ctrl-C from outside, at moments nobody has chosen, in a process on a running clock."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from eversince_async.journal import SqliteJournal

pytestmark = pytest.mark.slow

PRESSED = Path(__file__).with_name("pressed.py")
PATIENCE = 60.0
"""Real seconds within which the process has ended, on a crowded machine."""


def pressed(name: str, folder: Path, moments: list[float]) -> tuple[list[dict[str, Any]], str, int]:
    """Run a story, interrupt it after so many seconds each; returns what it says, and its exit code."""
    command = [sys.executable, PRESSED, name, folder / "j.db"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "begins\n" == process.stdout.readline()
            for seconds in moments:
                time.sleep(seconds)
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    return [json.loads(line) for line in out.splitlines()], err, process.returncode


async def leases(file: Path) -> list[str]:
    if not file.exists():
        return []
    async with SqliteJournal(file) as journal:
        return [job.id async for job in journal.jobs() if job.lease_until is not None]


@pytest.mark.parametrize("name", ["batch", "pipelines", "pipeline", "produce"])
@pytest.mark.parametrize("times", [1, 2])
def test_it_ends_and_leaves_nothing(tmp_path: Path, name: str, times: int) -> None:
    """Twice where the first one drains; no lease, task, connection or handler is left, and it ends."""
    drains = name in {"batch", "pipelines"}
    moments = [random.uniform(0.1, 1.5), *([random.uniform(0.2, 0.8)] * (times - 1 + drains))]
    said, err, code = pressed(name, tmp_path, moments)

    where = f"pressed at {moments}: {err}"
    assert 0 != code, where
    assert "KeyboardInterrupt" in err, where
    assert {"handler": True} == said[-1], where
    if times == 1:
        assert {"open": False, "tasks": [], "runs": 0} == said[0], where
        assert [] == asyncio.run(leases(tmp_path / "j.db")), where
    assert "never retrieved" not in err, where
    assert "Exception ignored" not in err, where
