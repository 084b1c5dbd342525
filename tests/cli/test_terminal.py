"""On a terminal things move."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pty = pytest.importorskip("pty", reason="there are no pseudo terminals here")


def test_a_terminal_gets_bars_and_the_budget(shell):
    """One row for each video, and the account's limits below them."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "eversince_async.cli", "demo", "--speed", "3000"],
        env={**shell.env, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
        cwd=shell.cwd,
        stdout=theirs,
        stderr=theirs,
        stdin=subprocess.DEVNULL,
    )
    os.close(theirs)
    seen = everything_from(ours)

    assert 0 == child.wait(timeout=30)
    assert "\x1b[" in seen
    assert "━" in seen
    assert "5/5 projects" in seen
    assert "requests this minute" in seen
    assert "8 videos in" in seen


def everything_from(terminal: int) -> str:
    seen = bytearray()
    try:
        while chunk := os.read(terminal, 65536):
            seen += chunk
    except OSError:  # Linux says so when the other side is gone
        pass
    finally:
        os.close(terminal)
    return seen.decode()
