"""The real command in its own process, for people and scripts."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ANSI = "\x1b["

LONGEST = 180.0
"""Seconds after which a running child counts as a failure, even on a busy machine."""


def test_help_imports_neither_aiohttp_nor_rich_nor_cyclopts(shell):
    """The page that people ask for first must start fast."""
    code = (
        "import sys; from eversince_async.cli import main; main(['--help']);"
        "sys.exit(bool({'aiohttp', 'rich', 'cyclopts', 'attrs', 'asyncio'} & set(sys.modules)))"
    )
    assert 0 == python(shell, code).returncode


def test_demo_leaves_eight_films_and_their_links(shell):
    """The demo needs no key, and prints plain lines in a pipe."""
    mine = {"EVERSINCE_API_KEY": "es_live_mine", "EVERSINCE_BASE_URL": "https://no.where"}
    ended = shell.run("demo", "--speed", "600", **mine)

    films = sorted(Path(shell.cwd, "films").glob("*.mp4"))
    assert 0 == ended.code
    assert 8 == len(films) == len({film.read_bytes() for film in films})
    assert all(b"ftyp" == film.read_bytes()[4:8] for film in films)
    assert 8 == len(re.findall(r"http://127\.0\.0\.1:\d+/share/\w+", ended.out))
    assert "8 videos in" in ended.out
    assert re.search(r"\d refused", ended.out)
    assert "rendering" in ended.err
    assert ANSI not in ended.out + ended.err


def test_demo_tells_machines_the_same(shell):
    """With --json, stdout has only JSON."""
    ended = shell.run("demo", "--speed", "600", "--films", "here", "--json")

    told = json.loads(ended.out)
    assert (8, 5) == (told["videos"], told["most_active_projects"])
    assert told["refused_requests"] >= 0, "at such a speed a busy machine is minutes late"
    assert all(Path(shell.cwd, each["files"][0]).exists() for each in told["productions"])


def test_produce_beside_an_emulator_downloads_the_film(beside):
    """The command and the emulator share the same compressed time."""
    ended = beside.run("produce", "A film about tides", "--aspect-ratio", "9:16", "-o", "tides.mp4")

    assert 0 == ended.code, ended.err
    assert b"ftyp" == Path(beside.cwd, "tides.mp4").read_bytes()[4:8]
    assert re.search(r"^share: +http://", ended.out, re.MULTILINE)
    assert re.search(r"^file: +tides.mp4$", ended.out, re.MULTILINE)
    assert ANSI not in ended.out + ended.err


def test_ctrl_c_never_loses_a_project(beside):
    """The message names the project and a command that continues it."""
    child = beside.start("produce", "A film about tides", "-o", "a film.mp4")
    project = re.search(r"proj_\w+", line_with(child.stderr, "running"))[0]
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=LONGEST)

    assert 130 == child.returncode
    assert f"eversince status {project}" in err
    assert f"eversince resume {project} -o 'a film.mp4'" in err
    assert f"eversince download {project}" in err
    assert "Traceback" not in err
    resumed = beside.run("resume", project, "-o", "a film.mp4")
    assert 0 == resumed.code, resumed.err
    assert b"ftyp" == Path(beside.cwd, "a film.mp4").read_bytes()[4:8]


def test_ctrl_c_can_stop_the_project_too(beside):
    child = beside.start("produce", "A film about tides", "--on-cancel", "cancel")
    project = re.search(r"proj_\w+", line_with(child.stderr, "running"))[0]
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=LONGEST)

    assert 130 == child.returncode
    assert "was asked to stop" in err
    assert "cancelled" == json.loads(beside.run("status", project, "--json").out)["status"]


def test_a_second_ctrl_c_leaves_a_batch_and_the_same_command_goes_on(interrupted):
    """The first Ctrl-C prints what the second does; nothing is made twice."""
    Path(interrupted.cwd, "briefs.csv").write_text(
        "key,brief\na,A batch about seals\nb,A batch about dunes\n"
    )
    command = ["batch", "briefs.csv", "-o", "videos"]
    child = interrupted.start(*command, "--debug")
    line_with(child.stderr, "GET /projects")  # by then, they have begun
    child.send_signal(signal.SIGINT)
    assert "A second interruption leaves at once" in line_with(
        child.stderr, "Interrupted: no more videos are started"
    )
    time.sleep(0.2)  # two signals at the same time count as one
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=LONGEST)

    assert 130 == child.returncode
    assert "go on:   eversince batch briefs.csv -o videos" in err
    assert "Traceback" not in err
    again = interrupted.run(*command, "--json")
    assert 0 == again.code, again.err
    told = [json.loads(line) for line in again.out.splitlines()]
    assert [("a", 1), ("b", 1)] == sorted((each["key"], each["attempts"]) for each in told)
    made = json.loads(interrupted.run("list", "--limit", "0", "--json").out)
    assert 2 == sum("A batch about" in each["brief"] for each in made)
    assert {"a.mp4", "b.mp4"} == {path.name for path in Path(interrupted.cwd, "videos").iterdir()}


def test_ctrl_c_leaves_the_demo_cleanly(shell):
    child = shell.start("demo")
    line_with(child.stderr, "running")
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=LONGEST)

    assert 130 == child.returncode
    assert "Traceback" not in err


def test_a_wrong_key_is_one_clear_line(beside):
    ended = beside.run("credits", EVERSINCE_API_KEY="es_live_wrong")

    assert 4 == ended.code
    assert 1 == ended.err.count("\n")
    assert "401" in ended.err
    assert "EVERSINCE_API_KEY" in ended.err
    assert "es_live_wrong" not in ended.err


def test_no_key_is_one_clear_line(shell):
    ended = shell.run("credits")

    assert 4 == ended.code
    assert 1 == ended.err.count("\n")
    assert "set the environment variable EVERSINCE_API_KEY" in ended.err


def test_no_network_is_one_clear_line(shell):
    with socket.socket() as closed:  # bound but not listening, so no other process gets this port meanwhile
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/api/v1"
        ended = shell.run(
            "credits", EVERSINCE_API_KEY="es_live_any", EVERSINCE_BASE_URL=url, EVERSINCE_SPEED="60"
        )

    assert 1 == ended.code
    assert 1 == ended.err.count("\n")
    assert "cannot connect" in ended.err
    assert "check the network" in ended.err


def test_debug_shows_where_it_failed(shell):
    ended = shell.run("credits", "--debug")

    assert 4 == ended.code
    assert "Traceback" in ended.err


@pytest.mark.parametrize("missing", ["cyclopts", "rich"])
def test_a_missing_extra_is_one_line_with_the_cure(shell, missing):
    code = (
        "import importlib.util as util; find = util.find_spec;"
        f"util.find_spec = lambda name, *rest: None if name == {missing!r} else find(name, *rest);"
        "import sys; from eversince_async.cli import main; sys.exit(main(['demo']))"
    )
    ended = python(shell, code)

    assert 1 == ended.returncode
    assert "eversince: the command line needs its extra: pip install 'eversince-async[cli]'\n" == ended.stderr


def test_nobody_reading_on_is_no_error(beside):
    """`eversince --help | head -1` ends quietly."""
    child = beside.start("credits", "--json")
    child.stdout.close()
    assert "" == child.stderr.read()
    assert 0 == child.wait(timeout=LONGEST)


def line_with(stream, text):
    """Return the next line that has the text."""
    return next(line for line in stream if text in line)


def python(shell, code):
    """Run Python code in the shell's environment."""
    child = [sys.executable, "-c", code]
    return subprocess.run(child, env=shell.env, cwd=shell.cwd, capture_output=True, text=True, check=False)
