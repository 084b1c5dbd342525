"""The live display on a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.terminals import read_all

pytestmark = pytest.mark.slow

pty = pytest.importorskip("pty", reason="there are no pseudo terminals here")


def test_a_terminal_gets_bars_and_the_budget(shell):
    """Each video has a row, and the account's limits stand below.

    The demo asks no question and costs nothing.
    """
    code, seen = on_a_terminal(shell, "demo", "--speed", "200", types=True)

    assert 0 == code
    assert "\x1b[" in seen
    assert "━" in seen
    assert "5/5 projects" in seen
    assert "requests this minute" in seen
    assert "8 videos in" in seen
    assert "[y/N]" not in seen


def test_a_terminal_shows_a_batch_by_slots(slowly_beside):
    """Active items have rows with slots, ended items have lines above.

    The progress stands below.
    """
    Path(slowly_beside.cwd, "briefs.csv").write_text("key,brief\ntides,A film\ndunes,Another\n")

    code, seen = on_a_terminal(
        slowly_beside, "batch", "briefs.csv", "-o", "videos", "--report", "report.html"
    )

    assert 0 == code
    assert "slot 1" in seen
    assert "slot 2" in seen
    assert "briefs.csv: 0 of 2 done; 2 at work" in seen
    assert "tides: succeeded in" in seen
    assert "/5 projects" in seen
    assert "report:  report.html" in seen
    assert "\t" not in seen


def on_a_terminal(shell, *arguments: str, types: bool = False) -> tuple[int, str]:
    """Run a command on a terminal; return its exit code and output.

    Its stdin may be a terminal, too.
    """
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "eversince_async.cli", *arguments],
        env={**shell.env, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
        cwd=shell.cwd,
        stdout=theirs,
        stderr=theirs,
        stdin=theirs if types else subprocess.DEVNULL,
    )
    os.close(theirs)
    seen = read_all(ours).decode()
    return child.wait(timeout=180), seen
