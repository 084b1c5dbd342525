"""Commands with too many open files or connections, or on full disks."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="other systems have other limits"),
    pytest.mark.slow,
]

LONGEST = 120.0
CROWDED = "this process has too many files open: raise its limit (`ulimit -n`)"


def limited(shell, limit, *arguments):
    """Run the command with few resources; return its exit code and output."""
    command = [sys.executable, "-m", "eversince_async.cli", *arguments]
    ended = subprocess.run(
        ["sh", "-c", f'{limit}; exec "$@"', "sh", *command],
        env=shell.env,
        cwd=shell.cwd,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr


@pytest.fixture
def rows(beside):
    file = Path(beside.cwd, "rows.csv")
    file.write_text("brief\nA film about tides\nA film about mugs\n")
    return file


@pytest.fixture
def small_disk(beside):
    """The shell command that mounts a small disk on `small`."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        pytest.skip("needs Linux with user namespaces")
    return "mkdir -p small; mount -t tmpfs -o size={} none small"


def in_namespace(shell, limit, *arguments):
    command = [sys.executable, "-m", "eversince_async.cli", *arguments]
    return subprocess.run(
        [
            "unshare",
            "-Urm",
            "sh",
            "-c",
            f'{limit} && "$@"; code=$?; ls small >&2; exit $code',
            "sh",
            *command,
        ],
        env=shell.env,
        cwd=shell.cwd,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )


# -- Too many open files ----------------------------------------------------------------------------------


def test_connections_that_cannot_be_accepted_are_told_once_and_others_are_served(shell):
    command = [sys.executable, "-m", "eversince_async.cli", "emulator", "--port", "0"]
    emulator = subprocess.Popen(
        ["sh", "-c", 'ulimit -n 24; exec "$@"', "sh", *command],
        env=shell.env,
        cwd=shell.cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    shell.children.append(emulator)
    line = next(line for line in emulator.stdout if "export " in line)
    shell.env |= dict(each.split("=", 1) for each in line.split()[1:])
    port = int(shell.env["EVERSINCE_BASE_URL"].rsplit(":", 1)[1].partition("/")[0])

    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        told = emulator.stderr.readline()
    served = shell.run("credits")
    emulator.send_signal(signal.SIGINT)
    _, rest = emulator.communicate(timeout=LONGEST)

    assert f"connections have to wait: {CROWDED}" in told
    assert (0, "") == (served.code, rest)


# -- No room ----------------------------------------------------------------------------------------------


def test_a_film_for_which_there_is_no_room_can_be_gone_on_with(beside, small_disk):
    ended = in_namespace(beside, small_disk.format("8k"), "produce", "A film", "-o", "small/tides.mp4")

    assert 3 == ended.returncode, ended.stderr
    assert "the disk is full; make room and download again" in ended.stderr
    assert "eversince resume proj_" in ended.stderr


def test_a_file_that_may_not_grow_can_be_gone_on_with(beside):
    code, err = limited(beside, "ulimit -f 8", "produce", "A film about tides", "-o", "tides.mp4")

    assert 3 == code
    assert "the file is larger than this process may write (`ulimit -f`)" in err


def test_a_journal_for_which_there_is_no_room_can_be_gone_on_with(beside, rows, small_disk):
    ended = in_namespace(beside, small_disk.format("100k"), "batch", "rows.csv", "--journal", "small/j.db")

    assert 3 == ended.returncode, ended.stderr
    assert "small/j.db: the disk is full: make room and try again" in ended.stderr


def test_a_report_for_which_there_is_no_room_is_told_with_the_way_to_have_it_later(beside, rows, small_disk):
    """The summary of the batch is printed all the same."""
    ended = in_namespace(
        beside, small_disk.format("8k"), "batch", "rows.csv", "--report", "small/report.html"
    )

    assert 3 == ended.returncode, ended.stderr
    assert "report:  not written, the disk is full: make room and try again" in ended.stderr
    assert "later: eversince report rows.journal.db -o small/report.html" in ended.stderr
    assert "2 succeeded" in ended.stderr
    assert ".part" not in ended.stderr
