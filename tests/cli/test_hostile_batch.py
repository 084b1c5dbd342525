"""A batch with hostile rows, server and store, in its own process.

The batch reports each row, writes nothing outside its folder, and steers no terminal.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sqlite3
import subprocess
import sys
import unicodedata
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from helpers.hostile_server import EVIL, FILM, SIGNATURE, STORES, HostileServer
from helpers.terminals import read_all

pytestmark = pytest.mark.slow

pty = pytest.importorskip("pty", reason="there are no pseudo terminals here")

LONGEST = 240.0
"""Seconds after which a running child counts as a failure, even on a busy machine."""

KINDS = {
    "=cmd|' /C calc'!A0": "texts",
    "@SUM(1+1)": "texts",
    "[red]x[/] ../up": "texts",
    "CON": "ids",
    "ids": "ids",
    **{kind: kind for kind in STORES},
    "failed": "failed",
    "refused": "refused",
    "gateway": "gateway",
}
"""The keys of the rows, and the trouble of each."""

ACCOUNTS = {
    "page": ("paused", "HTML instead of a video"),
    "loop": ("paused", "redirects in a circle"),
    "downgrade": ("paused", "is no http(s) address"),
    "steers": ("paused", "other characters that no address has"),
    "short": ("paused", "the connection broke"),
    "packed": ("paused", "an encoding that was not asked for: gzip"),
    "nothing": ("paused", "nothing instead of a video"),
    "refuses": ("failed", "the store answered 403 SignatureDoesNotMatch"),
    "failed": ("failed", "it failed: "),
    "refused": ("failed", "400 validation_error"),
    "gateway": ("paused", "not the documented error envelope"),
}
"""The status of each row that is not made; a row that can be continued is not failed."""

MADE = KINDS.keys() - ACCOUNTS.keys()


@attrs.frozen
class Run:
    """The output and the files of a batch."""

    code: int
    out: bytes
    err: bytes
    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "a" / "b" / "c" / "work"

    @property
    def report(self) -> dict[str, dict[str, str]]:
        with (self.folder / "report.csv").open(encoding="utf-8-sig", newline="") as file:
            return {row["key"]: row for row in csv.DictReader(file)}


def hostile_batch(beside, root: Path, report: str, *options: str, on_terminal: bool) -> Run:
    folder = root / "a" / "b" / "c" / "work"
    folder.mkdir(parents=True)
    rows = [{"key": key, "brief": f"{EVIL} hostile:{kind}", "title": "=1+1"} for key, kind in KINDS.items()]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    command = [sys.executable, "-m", "eversince_async.cli", "batch", "rows.jsonl", "--out", "videos"]
    with HostileServer(beside.env["EVERSINCE_BASE_URL"]) as server:
        environment = {**beside.env, "EVERSINCE_BASE_URL": server.base_url, "TERM": "xterm-256color"}
        ours, theirs = pty.openpty() if on_terminal else (None, subprocess.PIPE)
        child = subprocess.Popen(
            [*command, "--report", report, *options],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        )
        if ours is None:
            out, err = child.communicate(timeout=LONGEST)
        else:
            os.close(theirs)
            out, err = read_all(ours), b""
        return Run(child.wait(LONGEST), out, err, root)


def steering(text: str, allowed: str = "\n") -> set[str]:
    kinds = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    return {sign for sign in text if unicodedata.category(sign) in kinds and sign not in allowed}


def test_every_row_of_a_hostile_batch_has_its_account(beside, tmp_path):
    """One run for all tests, because it takes long.

    It has the exit code, the output, the report, the journal and the files.
    """
    run = hostile_batch(beside, tmp_path, "report.csv", "--json", on_terminal=False)
    out, err = run.out.decode(), run.err.decode()

    assert 3 == run.code, err
    told = {line["key"]: line for line in map(json.loads, out.splitlines())}
    assert KINDS.keys() == told.keys()
    assert dict.fromkeys(MADE, "succeeded") == {key: told[key]["status"] for key in MADE}
    assert ACCOUNTS == {key: account(told[key], ACCOUNTS[key][1]) for key in ACCOUNTS}

    assert set() == steering(out)
    assert set() == steering(err)
    assert not any(SIGNATURE in text for text in (out, err))
    assert "Traceback" not in err

    rows = {key.removeprefix("'"): row for key, row in run.report.items()}
    assert KINDS.keys() == rows.keys()
    assert all(words in rows[key]["message"] for key, (_, words) in ACCOUNTS.items())
    assert all(rows[key]["what_to_do"] for key in ACCOUNTS)
    cells = [cell for row in run.report.values() for cell in row.values()]
    assert [] == [cell for cell in cells if cell.startswith(tuple("=+-@\t\r\n"))]
    assert [] == [cell for cell in cells if steering(cell, "\n\t\u200f")]
    assert [] == [cell for cell in cells if "javascript" in cell and "no address has" not in cell]

    with closing(sqlite3.connect(run.folder / "rows.journal.db")) as journal:
        jobs = {
            id_: (stage, error) for id_, stage, error in journal.execute("SELECT id, stage, error FROM job")
        }
    assert KINDS.keys() == jobs.keys()
    assert all(("succeeded", None) == jobs[key] for key in MADE)
    assert [] == [
        (key, jobs[key])
        for key, (status, _) in ACCOUNTS.items()
        if (status == "failed") != (jobs[key][0] == "failed" and bool(jobs[key][1]))
    ]

    check_files(run, "report.csv")


def account(line, words: str) -> tuple[str, str]:
    """Return a line's status and words, or the whole line."""
    told = json.dumps(line["error"], ensure_ascii=False)
    return line["status"], words if words in told else told


def check_files(run: Run, report: str) -> None:
    """The folder has the videos that were made, and no other files."""
    files = {path.relative_to(run.folder) for path in run.root.rglob("*") if path.is_file()}
    inside = {path for path in files if path.parts[0] == "videos"}
    assert {"rows.jsonl", "rows.journal.db", report} == {str(path) for path in files - inside}
    films = {path for path in inside if path.suffix == ".mp4"}
    assert len(MADE) == len(films)
    assert all(path.parent == Path("videos") for path in inside)
    assert all(FILM == (run.folder / path).read_bytes() for path in films)
    for path in files - films:
        content = (run.folder / path).read_bytes()
        assert SIGNATURE.encode() not in content, path


SHOWN = re.compile(r"\x1b\[[0-9;]*[mKA]|\x1b\[\?25[lh]")
"""The escapes that the board itself prints: colours, lines, the cursor."""


def test_a_terminal_is_unharmed_by_a_hostile_batch(beside, tmp_path):
    run = hostile_batch(beside, tmp_path, "report.html", on_terminal=True)
    seen = run.out.decode()

    assert 3 == run.code, seen
    assert "\x1b[" in seen
    assert set() == steering(SHOWN.sub("", seen), "\r\n")
    assert SIGNATURE not in seen
    assert "Traceback" not in seen
    assert seen.rfind("\x1b[?25h") > seen.rfind("\x1b[?25l"), "the cursor is shown again"
    page = (run.folder / "report.html").read_text("utf-8")
    assert set() == steering(page, "\n\t\u200f")
    assert not re.search(r"""(?i)(?:href|src)=["']?javascript""", page)
    check_files(run, "report.html")
