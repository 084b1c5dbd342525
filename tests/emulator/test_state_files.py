"""An unusable state file is reported with its problem, and remains unchanged."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from eversince_async.emulator import Emulator, Limits, SettingRefused, StateFileError
from eversince_async.emulator.command import loop_of
from helpers.emulator_client import calling

MADE: list[bytes] = []


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A state with a rendered and shared video, made once."""
    path = tmp_path / "state.db"
    if not MADE:
        async with calling(Emulator(state=path, limits=Limits.none())) as call:
            project = call.emulator.add_project(rendered=True)
            await call("POST", f"/projects/{project.id}/share")
            await call.create()
        MADE.append(path.read_bytes())
    path.write_bytes(MADE[0])
    return path


def change(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement, values)


def edit(path: Path, kind: str, how: Callable[[dict[str, Any]], object]) -> None:
    """Change the value of one row of a kind."""
    with closing(sqlite3.connect(path)) as database, database:
        query = "SELECT id, value FROM state WHERE kind = ? ORDER BY rowid DESC"
        id_, value = database.execute(query, (kind,)).fetchone()
        how(values := json.loads(value))
        database.execute(
            "UPDATE state SET value = ? WHERE kind = ? AND id = ?", (json.dumps(values), kind, id_)
        )


async def problem(path: Path) -> str:
    """Return the message of the first check that refuses a state file."""
    with pytest.raises(StateFileError) as raised:
        async with Emulator(state=path):
            pass
    assert isinstance(raised.value, SettingRefused)
    return str(raised.value)


# -- Files that are not state files ---------------------------------------------------------------------


async def test_a_folder(tmp_path: Path) -> None:
    assert "is a folder; name a file in it, such as state.db" in await problem(tmp_path)


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "in a folder that does not exist; make the folder first" in await problem(tmp_path / "a" / "b.db")
    assert not (tmp_path / "a").exists()


async def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")

    assert "below something that is no folder" in await problem(tmp_path / "a" / "b.db")


async def test_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "none")

    assert "is a link that leads nowhere" in await problem(tmp_path / "link")
    assert not (tmp_path / "none").exists()


async def test_a_pipe(tmp_path: Path) -> None:
    """Opening a pipe would wait for ever."""
    os.mkfifo(tmp_path / "pipe")

    assert "is no regular file" in await problem(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["a\0b", "x" * 300], ids=["nul", "long"])
async def test_a_name_that_no_file_has(tmp_path: Path, name: str) -> None:
    assert "cannot be: " in await problem(tmp_path / name)


async def test_a_file_nobody_may_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda what, _: what != path)

    assert "may not be read and written by this user" in await problem(path)


async def test_a_folder_nobody_may_write_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda what, _: what != tmp_path)

    assert "is in a folder this user may not write to" in await problem(tmp_path / "state.db")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'{"projects": []}', "but JSON or another text"),
        (b"brief,title\nA,B\n", "but JSON or another text"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "but something else"),
        (b"SQLite for", "cut off: not even its first line is whole"),
        (b"SQLite format 3\0", "is damaged or cut off"),
        (b"SQLite format 3\0" + bytes(4096), "is damaged or cut off"),
    ],
    ids=["json", "csv", "picture", "first_line", "head", "zeros"],
)
async def test_a_file_of_another_kind(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(content)

    assert what in await problem(path)
    assert content == path.read_bytes()


async def test_a_state_from_before_files_were_marked_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    async with Emulator(state=path) as emulator:
        project = emulator.add_project("A mug").id
    change(path, "PRAGMA application_id=0")
    change(path, "PRAGMA user_version=0")

    async with Emulator(state=path) as emulator:
        assert project in emulator.world.projects


async def test_a_database_of_something_else_is_not_written_to(tmp_path: Path) -> None:
    """The file may be a journal, for example, named by mistake."""
    path = tmp_path / "journal.db"
    change(path, "CREATE TABLE items (id TEXT)")
    before = path.read_bytes()

    assert "is a database of something else, such as a journal" in await problem(path)
    assert before == path.read_bytes()


async def test_an_empty_file_is_a_state_to_be(tmp_path: Path) -> None:
    """`mktemp` makes such files."""
    path = tmp_path / "state.db"
    path.write_bytes(b"")
    async with Emulator(state=path):
        pass

    assert path.stat().st_size > 0


# -- Damaged state files --------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0.9, 0.5, 0.1])
async def test_a_state_that_is_cut_off(path: Path, keep: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])

    assert "is damaged or cut off" in await problem(path)


async def test_a_state_of_another_version(path: Path) -> None:
    change(path, "PRAGMA user_version = 7")

    assert "another version of the emulator (layout 7; this one reads 1); use that version" in await problem(
        path
    )


async def test_a_state_without_its_table(path: Path) -> None:
    change(path, "ALTER TABLE state RENAME TO gone")
    with closing(sqlite3.connect(path)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()

    assert ("gone",) in tables
    async with Emulator(state=path):
        pass  # the emulator starts afresh, and leaves the other file alone


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is nested too deeply"),
        (b"{}", "is no text"),
        ("7", "must be an object"),
    ],
    ids=["half", "deep", "bytes", "number"],
)
@pytest.mark.parametrize("kind", ["account", "project"])
async def test_a_row_that_is_not_what_was_written(path: Path, kind: str, value: object, what: str) -> None:
    change(path, "UPDATE state SET value = ? WHERE kind = ?", value, kind)
    said = await problem(path)

    assert "is damaged" in said
    assert kind in said
    assert what in said
    assert len(said) < 500


def at(*names: str | int, to: object) -> Callable[[dict[str, Any]], None]:
    def put(values: Any) -> None:
        for name in names[:-1]:
            values = values[name]
        values[names[-1]] = to

    return put


@pytest.mark.parametrize(
    ("kind", "how", "what"),
    [
        ("project", at("created_at", to="yesterday"), "created_at must be a number, not text"),
        ("project", at("created_at", to=1e300), "created_at is 1e+300"),
        ("project", at("created_at", to=True), "created_at must be a number, not true or false"),
        ("project", at("number", to=1.5), "number must be a whole number, not a number"),
        ("project", at("status", to=None), "status must be text, not null"),
        ("project", at("asked", to=[]), "asked must be an object, not a list"),
        ("project", at("skills", to=["a", 1]), "skills[1] must be text"),
        ("project", at("steps", to=[{"status": "running", "seconds": "1", "work": []}]), "steps[0].seconds"),
        ("project", at("steps", to=[{"status": "running"}]), "steps[0].seconds is missing"),
        ("project", at("flavour", to=1), "flavour is unknown to this version"),
        ("project", lambda values: values.pop("mode"), "mode is missing"),
        ("project", at("id", to="another"), "id is another"),
        ("project", at("account_id", to="nobody"), "account nobody of proj_"),
        ("project", lambda values: values.update(due=1.0, steps=[]), "is due, but nothing is to happen"),
        ("account", at("credits", to="many"), "credits must be a number, not text"),
        ("account", at("plan", to="gold"), "plan must be one of creator, pro"),
        ("account", at("keys", to={"k": []}), "keys.k must be an object, not a list"),
        ("account", at("created_today", to=["now"]), "created_today[0] must be a number"),
        ("account", at("shares", 0, "render", to=9), "what account acc_emulator shares is missing"),
        ("account", at("shares", 0, "project_id", to="none"), "what account acc_emulator shares is missing"),
        ("secret", at("secret", to=5), "its secret is no text"),
    ],
)  # fmt: skip
async def test_a_value_of_another_type_is_told_by_its_place(
    path: Path, kind: str, how: Callable[[dict[str, Any]], object], what: str
) -> None:
    edit(path, kind, how)

    assert what in await problem(path)


@pytest.mark.parametrize("value", ['"noon"', "null", "1e999", "NaN"])
def test_a_time_that_is_none(tmp_path: Path, value: str) -> None:
    path = tmp_path / "state.db"
    Emulator(state=path)._store.close()  # type: ignore[union-attr] - it has one
    change(path, "UPDATE state SET value = ? WHERE kind = 'time'", value)

    with pytest.raises(StateFileError, match="its time"):
        loop_of(None, path)


async def test_what_is_refused_leaves_no_port_and_no_file_open(path: Path) -> None:
    edit(path, "project", at("created_at", to="yesterday"))
    emulator = Emulator(state=path)
    with pytest.raises(StateFileError):
        await emulator.start()
    await emulator.stop()

    with pytest.raises(sqlite3.ProgrammingError):
        emulator._store._database.execute("SELECT 1")  # type: ignore[union-attr] - it has one


async def test_a_state_that_can_be_written_no_more_says_so(path: Path) -> None:
    emulator = Emulator(state=path)
    await emulator.start()
    change(path, "DROP TABLE state")
    emulator.add_project()

    with pytest.raises(StateFileError, match="has not the tables of a state"):
        await emulator.stop()


# -- The command ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["eversince_async.emulator", "eversince_async.cli"])
async def test_the_command_says_it_in_one_line(path: Path, module: str) -> None:
    edit(path, "project", at("created_at", to="yesterday"))
    command = [sys.executable, "-m", module, *["emulator"] * (module == "eversince_async.cli")]
    command += ["--port", "0", "--state", str(path)]
    ended = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
    )

    assert 2 == ended.returncode
    assert "created_at must be a number, not text; name another file" in ended.stderr.replace("\n", " ")
    assert "Traceback" not in ended.stderr
    assert "" == ended.stdout
