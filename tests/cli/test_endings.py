"""The end of commands after a signal, or with broken streams.

The streams are closed, full, or have an odd encoding.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LONGEST = 180.0
"""Seconds after which a running child counts as a failure, even on a busy machine."""

TWO_SIGNALS_APART = 0.2
"""Seconds between two signals that count as two.

`timeout` sends a single one to both a process and its group.
"""

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals and streams are POSIX's here"),
    pytest.mark.slow,
]

TO_LEAVE = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)


@pytest.fixture(autouse=True)
def hears_hangups():
    """Restore the default of SIGHUP, which children inherit.

    Under `nohup`, the signal is ignored.
    """
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def sheet(shell, name):
    rows = f"key,brief\na,{name} about seals\nb,{name} about dunes\n"
    Path(shell.cwd, f"{name}.csv").write_text(rows)
    return f"{name}.csv"


def in_a_shell(shell, words, *arguments, **environment):
    """Run a command as a line of `sh`, with `$@` for it."""
    ended = subprocess.run(
        ["sh", "-c", words, "sh", sys.executable, "-m", "eversince_async.cli", *arguments],
        env={**shell.env, **environment},
        cwd=shell.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=LONGEST,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr.decode("utf-8", "replace")


def read_until(stream, text):
    """Return the line that has the text."""
    return next(line for line in stream if text in line)


# -- Signals ----------------------------------------------------------------------------------------------


@TO_LEAVE
def test_the_first_lets_a_batch_finish_what_has_begun(beside, number, code):
    file = sheet(beside, f"first{code}")
    child = beside.start("batch", file, "-o", "videos", "--debug", "--json")
    read_until(child.stderr, "GET /projects")
    child.send_signal(number)
    out, _ = child.communicate(timeout=LONGEST)

    assert child.returncode in {0, 3}
    assert {"succeeded"} >= {json.loads(line)["status"] for line in out.splitlines()} - {"paused"}
    assert "succeeded" in out


@TO_LEAVE
def test_the_second_leaves_a_batch_at_once_and_says_how_to_go_on(interrupted, number, code):
    file = sheet(interrupted, f"second{code}")
    child = interrupted.start("batch", file, "-o", "videos", "--debug")
    read_until(child.stderr, "GET /projects")
    child.send_signal(number)
    read_until(child.stderr, "Interrupted: no more videos are started")
    time.sleep(TWO_SIGNALS_APART)
    child.send_signal(number)
    _, err = child.communicate(timeout=LONGEST)

    assert code == child.returncode
    assert f"go on:   eversince batch {file} -o videos" in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_produce_says_its_project_and_how_to_go_on(interrupted, number, code):
    child = interrupted.start("produce", "A film about tides")
    project = re.search(r"proj_\w+", read_until(child.stderr, "running"))
    assert project is not None
    child.send_signal(number)
    _, err = child.communicate(timeout=LONGEST)

    assert code == child.returncode
    assert f"eversince resume {project[0]} -o film.mp4" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_in_the_background_hears_them_as_well(interrupted, number):
    """A script ignores Ctrl-C for commands that it starts with `&`."""
    child = subprocess.Popen(
        [sys.executable, "-m", "eversince_async.cli", "produce", "A film about tides"],
        env=interrupted.env,
        cwd=interrupted.cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    interrupted.children.append(child)
    read_until(child.stderr, "running")
    child.send_signal(number)
    _, err = child.communicate(timeout=LONGEST)

    assert 128 + number == child.returncode
    assert "eversince resume proj_" in err


def test_what_nohup_ignores_stays_ignored(beside):
    child = subprocess.Popen(
        ["nohup", sys.executable, "-m", "eversince_async.cli", "produce", "A film about tides", "--json"],
        env=beside.env,
        cwd=beside.cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    beside.children.append(child)
    read_until(child.stderr, "running")
    child.send_signal(signal.SIGHUP)
    out, _ = child.communicate(timeout=LONGEST)

    assert 0 == child.returncode
    assert json.loads(out)["project"]["id"]


# -- Streams ----------------------------------------------------------------------------------------------

BROKEN = [">&-", "2>&-", ">&- 2>&-", "<&-", "2>/dev/full", ">/dev/full", ">/dev/full 2>/dev/full"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("how", BROKEN)
def test_no_stream_makes_an_unfinished_batch_a_finished_one(beside, how):
    file = sheet(beside, "broken" + re.sub(r"\W+", "", how) + str(BROKEN.index(how)))
    code, _, err = in_a_shell(beside, f'exec "$@" {how}', "batch", file, "-o", "videos", "--json")
    again = beside.run("batch", file, "-o", "videos", "--json")

    assert (3 if ">/dev/full" in how.split() else 0) == code, err
    assert 0 == again.code
    assert 2 == again.out.count('"succeeded"')


def test_a_full_stdout_is_a_failure_with_its_sentence(beside):
    code, _, err = in_a_shell(beside, 'exec "$@" >/dev/full', "credits")

    assert 1 == code
    assert "eversince: The results cannot be written: No space left on device.\n" == err


def test_a_batch_whose_stderr_nobody_reads_goes_on(beside):
    child = beside.start("batch", sheet(beside, "unheard"), "-o", "videos", "--json")
    assert child.stderr is not None
    child.stderr.close()
    assert child.stdout is not None
    out = child.stdout.read()

    assert 0 == child.wait(timeout=LONGEST)
    assert 2 == out.count('"succeeded"')


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
@pytest.mark.parametrize("as_json", [True, False])
def test_what_an_encoding_lacks_is_escaped(beside, encoding, as_json):
    key = "東京-é-\U0001f600"
    name = f"odd{encoding}{as_json}"
    Path(beside.cwd, f"{name}.csv").write_text(f"key,brief\n{key},A film\n", "utf-8")
    flags = ["--json"] if as_json else []
    code, out, err = in_a_shell(
        beside, 'exec "$@"', "batch", f"{name}.csv", "--no-render", *flags, PYTHONIOENCODING=encoding
    )

    assert 0 == code, err
    text = out.decode(encoding)
    told = json.loads(text)["key"] if as_json else text.split("\t")[0]
    cp1252 = "\\u6771\\u4eac-é-\\ud83d\\ude00"
    plain = {"utf-8": key, "ascii": json.dumps(key)[1:-1], "cp1252": cp1252}
    assert (key if as_json else plain[encoding]) == told
