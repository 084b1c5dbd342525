"""The real command as a child process, and the emulator beside it.

Children live in real time, so these tests cost the most. Anything that does not need a process of its own is
tested in `test_commands.py`, in virtual time.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from typing import IO, Any

import attrs
import pytest

SPEED = "300"
"""Compressed time for commands that wait."""


LONGEST = 180.0
"""Seconds after which a child is killed."""


@attrs.frozen
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str


@attrs.define
class Shell:
    """Runs `eversince …` in an environment of its own."""

    env: dict[str, str]
    cwd: str
    children: list[subprocess.Popen[str]] = attrs.field(factory=list)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command that is killed after `LONGEST` seconds.

        A test that reads from a hanging child then reads the end of the stream, and fails.
        """
        child = self.serve(*arguments, **environment)
        watchdog = Timer(LONGEST, child.kill)
        watchdog.daemon = True
        watchdog.start()
        return child

    def serve(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command that runs until the end of the test."""
        child = subprocess.Popen(
            [sys.executable, "-m", "eversince_async.cli", *arguments],
            env={**self.env, **environment},
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.children.append(child)
        return child

    def run(self, *arguments: str, **environment: str) -> Ended:
        child = self.start(*arguments, **environment)
        out, err = child.communicate()
        return Ended(child.returncode, out, err)


def read_until(stream: IO[str] | None, text: str) -> str:
    """Return the line with the text; fail if the stream ends before."""
    assert stream is not None
    for line in stream:
        if text in line:
            return line
    raise AssertionError(f"{text!r} never came")


def _clean_environment() -> dict[str, str]:
    ours = ("EVERSINCE_", "FORCE_COLOR")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@pytest.fixture
def rows(emulator: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """A function that writes a file of rows, beside an emulator."""
    monkeypatch.setenv("EVERSINCE_API_KEY", emulator.connection["api_key"])
    monkeypatch.setenv("EVERSINCE_BASE_URL", emulator.base_url)
    monkeypatch.delenv("EVERSINCE_SPEED", raising=False)
    monkeypatch.chdir(tmp_path)

    def write(*lines: str, name: str = "briefs.csv") -> str:
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return name

    return write


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell without key and address in an empty folder."""
    shell = Shell(_clean_environment(), str(tmp_path))
    yield shell
    for child in shell.children:
        if child.poll() is None:
            child.kill()
        child.communicate()


def serving(folder: Path, *options: str) -> Iterator[dict[str, str]]:
    """Run an emulator, and yield the environment that its line sets."""
    emulator = Shell(_clean_environment(), str(folder)).serve("emulator", "--port", "0", *options)
    line = read_until(emulator.stdout, "export ")
    yield dict(each.split("=", 1) for each in line.split()[1:])
    emulator.send_signal(signal.SIGINT)
    _, err = emulator.communicate(timeout=LONGEST)
    assert (130, "") == (emulator.returncode, err)


@pytest.fixture(scope="module")
def emulator_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment for an emulator in compressed time, one per file."""
    yield from serving(tmp_path_factory.mktemp("emulator"), "--speed", SPEED, "--credits", "14500")


@pytest.fixture(scope="module")
def slow_emulator_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment for an emulator whose videos take ten seconds.

    So a signal arrives before they end.
    """
    yield from serving(tmp_path_factory.mktemp("emulator"), "--speed", "20", "--credits", "14500")


@pytest.fixture
def slowly_beside(shell: Shell) -> Iterator[Shell]:
    """A shell beside a slow emulator.

    Every stage can be observed, even on a busy machine.
    """
    emulator = shell.start("emulator", "--port", "0", "--speed", "90")
    line = read_until(emulator.stdout, "export ")
    shell.env |= dict(each.split("=", 1) for each in line.split()[1:])
    yield shell
    emulator.send_signal(signal.SIGINT)
    emulator.communicate(timeout=LONGEST)


@pytest.fixture
def beside(shell: Shell, emulator_settings: dict[str, str]) -> Shell:
    """A shell beside an emulator, both in compressed time."""
    shell.env |= emulator_settings
    return shell


@pytest.fixture
def interrupted(shell: Shell, slow_emulator_settings: dict[str, str]) -> Shell:
    """A shell whose commands get a signal before their videos end.

    That holds on a busy machine, too.
    """
    shell.env |= slow_emulator_settings
    return shell
