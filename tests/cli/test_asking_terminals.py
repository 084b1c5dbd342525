"""The question at a real terminal: answered, interrupted, or not asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest

pytestmark = pytest.mark.slow

pty = pytest.importorskip("pty", reason="there are no pseudo terminals here")

CTRL_C, CTRL_D = b"\x03", b"\x04"

LONGEST = 60.0
"""Seconds after which a child is killed."""

# The child makes the terminal its controlling terminal, so that Ctrl-C is a signal to the child.
AT_A_TERMINAL = (
    "import fcntl, os, sys, termios; from eversince_async.cli import main;"
    "fcntl.ioctl(int(sys.argv.pop(1)), termios.TIOCSCTTY, 0); sys.exit(main())"
)

QUESTION = "[y/N] "


class Terminal:
    """A terminal that runs a command."""

    def __init__(self, shell, *arguments: str, **streams: int) -> None:
        self.ours, theirs = pty.openpty()
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs, **streams}
        tty = next(number for number, name in enumerate(streams) if streams[name] == theirs)
        self.child = subprocess.Popen(
            [sys.executable, "-c", AT_A_TERMINAL, str(tty), *arguments],
            env={**shell.env, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
            cwd=shell.cwd,
            start_new_session=True,
            **streams,
        )
        os.close(theirs)
        self.watchdog = Timer(LONGEST, self.child.kill)
        self.watchdog.start()
        self.seen = ""

    def read(self) -> bool:
        try:
            chunk = os.read(self.ours, 65536)
        except OSError:  # Linux raises this when the other side is closed
            return False
        self.seen += chunk.decode(errors="replace")
        return bool(chunk)

    def until(self, text: str) -> None:
        while text not in self.seen:
            assert self.read(), self.seen

    def type(self, keys: bytes) -> None:
        os.write(self.ours, keys)

    def ends(self) -> int:
        while self.read():
            pass
        return self.child.wait(timeout=LONGEST)

    def close(self) -> None:
        self.watchdog.cancel()
        self.child.kill()
        self.child.wait()
        os.close(self.ours)


@pytest.fixture
def at_a_terminal(beside) -> Iterator[object]:
    """A function that starts a command at a terminal, beside two rows."""
    Path(beside.cwd, "briefs.csv").write_text("key,brief\na,A film asked for\nb,Another asked for\n")
    terminals = []

    def start(*arguments: str, **streams: int) -> Terminal:
        terminals.append(Terminal(beside, *arguments, **streams))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def is_untouched(beside) -> bool:
    """Return True if there are only the rows, without projects."""
    url = f"{beside.env['EVERSINCE_BASE_URL']}/projects?limit=100"
    request = urllib.request.Request(
        url, headers={"Authorization": f"Bearer {beside.env['EVERSINCE_API_KEY']}"}
    )
    with urllib.request.urlopen(request, timeout=LONGEST) as answer:
        listed = answer.read()
    return b"asked for" not in listed and ["briefs.csv"] == os.listdir(beside.cwd)


BATCH = ("batch", "briefs.csv", "-o", "videos")
PRODUCE = ("produce", "A film asked for")


@pytest.mark.parametrize(
    ("command", "keys", "code", "told"),
    [
        (BATCH, b"n\n", 2, "Nothing was sent."),
        (BATCH, CTRL_D, 2, "Nothing was sent."),
        (BATCH, b"y" + CTRL_C, 130, "Interrupted. Nothing was sent."),
        (PRODUCE, b"\n", 2, "Nothing was sent."),
        (PRODUCE, CTRL_C, 130, "Interrupted. Nothing was sent."),
    ],
    ids=["no", "ctrl-d", "ctrl-c", "enter-at-produce", "ctrl-c-at-produce"],
)
def test_without_a_yes_nothing_is_sent(at_a_terminal, beside, command, keys, code, told):
    """Ctrl-C works without Enter, and leaves nothing behind."""
    terminal = at_a_terminal(*command)
    terminal.until(QUESTION)
    terminal.type(keys)

    assert code == terminal.ends()
    assert told in terminal.seen
    assert "Traceback" not in terminal.seen
    assert "Fatal Python error" not in terminal.seen
    assert is_untouched(beside)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_other_signals_end_the_question_too(at_a_terminal, beside, number, code):
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # otherwise a child of `nohup` ignores it
    try:
        terminal = at_a_terminal(*BATCH)
    finally:
        signal.signal(signal.SIGHUP, before)
    terminal.until(QUESTION)
    terminal.child.send_signal(number)

    assert code == terminal.ends()
    assert is_untouched(beside)


def test_a_terminal_that_goes_away_is_a_no(at_a_terminal, beside):
    terminal = at_a_terminal(*BATCH)
    terminal.until(QUESTION)
    os.close(terminal.ours)
    terminal.ours = os.open(os.devnull, os.O_RDONLY)

    assert terminal.child.wait(timeout=LONGEST) in {2, 129}
    assert is_untouched(beside)


def test_with_a_yes_they_are_made_and_not_asked_for_again(at_a_terminal, beside):
    terminal = at_a_terminal(*BATCH)
    terminal.until(QUESTION)
    assert "2 new" in terminal.seen
    assert "Make and pay for 2 new videos from briefs.csv?" in terminal.seen
    terminal.type(b"y\n")

    assert 0 == terminal.ends()
    assert {"a.mp4", "b.mp4"} == set(os.listdir(Path(beside.cwd, "videos")))
    again = at_a_terminal(*BATCH)
    assert 0 == again.ends()
    assert QUESTION not in again.seen


def test_yes_beforehand_asks_nothing(at_a_terminal):
    terminal = at_a_terminal("produce", "A film beforehand", "--no-share", "-y")

    assert 0 == terminal.ends()
    assert QUESTION not in terminal.seen


def test_no_input_ends_where_there_would_be_a_question(at_a_terminal, beside):
    terminal = at_a_terminal(*BATCH, "--no-input")

    assert 2 == terminal.ends()
    assert "--no-input" in terminal.seen
    assert "Nothing was sent" in terminal.seen


@pytest.mark.parametrize("elsewhere", ["stdin", "stderr"])
def test_half_a_terminal_is_none(at_a_terminal, beside, elsewhere):
    """With a pipe or a file as a stream, no one can answer."""
    with open(os.devnull, "r+b") as nowhere:
        streams = {elsewhere: nowhere.fileno()}
        terminal = at_a_terminal("produce", "A film of nobody", "--no-share", "--no-input", **streams)

        assert 0 == terminal.ends()
    assert QUESTION not in terminal.seen


def test_check_asks_nothing(at_a_terminal, beside):
    terminal = at_a_terminal(*BATCH, "--check")

    assert 0 == terminal.ends()
    assert QUESTION not in terminal.seen
    assert "2 new" in terminal.seen
    assert ["briefs.csv"] == os.listdir(beside.cwd)
