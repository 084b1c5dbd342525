"""Real processes, killed with SIGKILL.

The long version: `python benchmarks/kill.py --kills 100`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

KILL = Path(__file__).parents[3] / "benchmarks" / "kill.py"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_batch_of_two_processes_that_are_killed_pays_for_each_video_once():
    command = [sys.executable, KILL, "--kills", "3", "--items", "6", "--workers", "2"]

    done = subprocess.run(
        [*command, "--seed", "7", "--longest", "0.3"], capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "3 kills of 2 worker(s)" in done.stdout
    assert "0 violations" in done.stdout
