"""Saving the world to disk, to restore it after a kill.

The store uses SQLite: each account and each project is a row, and after each request one transaction writes
the rows that the request changed. That is atomic, survives `kill -9`, and costs the same with ten projects as
with ten thousand. The request windows, the log and the contents of uploads are not saved.
"""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import attrs

from eversince_async import clock
from eversince_async.emulator.account import Account
from eversince_async.emulator.errors import Json
from eversince_async.emulator.project import Project
from eversince_async.emulator.state_file import StateFileError, exists, open_state, reading
from eversince_async.emulator.state_values import MisfitError, check_number, check_object
from eversince_async.emulator.world import World

OFTEN: Final = 60.0
"""Seconds of emulator time after which the time is saved anyway.

It is saved even if nothing else has changed.
"""


def time_in(path: Path) -> float | None:
    """Return the emulator's time at its last save, or None.

    The time is in Unix seconds. None means that the file does not exist, is empty or contains no time.

    Args:
        path: The state file, which need not exist.

    Raises:
        StateFileError: The file exists but cannot be used.
    """
    if not exists(path):
        return None
    with closing(open_state(path)) as database:
        for _, value in _rows(path, database, "time"):
            return _parse_time(path, value)
    return None


@attrs.define
class Store:
    """A state file.

    Attributes:
        path: Path of the file.

    Raises:
        StateFileError: The file cannot be used; the message says why.
    """

    path: Path
    _database: sqlite3.Connection = attrs.field(init=False)
    _time: float = attrs.field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self._database = open_state(self.path)

    def close(self) -> None:
        """Close the file after saving the present time."""
        try:
            if self._time:
                self._write([])
        finally:
            self._database.close()

    def secret(self, fresh: str) -> str:
        """Return the saved secret that signs URLs, or save and return `fresh`.

        Raises:
            StateFileError: The saved secret is invalid; the file is closed.
        """
        try:
            return self._secret(fresh)
        except BaseException:
            self._database.close()
            raise

    def _secret(self, fresh: str) -> str:
        for _, value in _rows(self.path, self._database, "secret"):
            if not isinstance(value, dict) or not isinstance(value.get("secret"), str):
                raise StateFileError(self.path, "is damaged: its secret is no text")
            return str(value["secret"])
        self._write([("secret", "", {"secret": fresh})])
        return fresh

    def load(self, world: World) -> bool:
        """Restore the saved state; return False if there is none.

        Raises:
            StateFileError: A row contains an invalid value; the message names the row and the problem.
        """
        accounts = self._all("account", Account)
        projects = self._all("project", Project)
        _check_references(self.path, accounts, projects)
        world.restore(list(accounts.values()), list(projects.values()))
        return bool(accounts)

    def save(self, world: World) -> None:
        """Save everything that changed since the last save.

        Raises:
            StateFileError: The file can no longer be written.
        """
        if not world.touched and clock.wall_seconds() < self._time + OFTEN:
            return
        self._write(
            [
                (
                    kind,
                    id_,
                    (world.projects[id_] if kind == "project" else world.accounts[id_].account).to_json(),
                )
                for kind, id_ in world.touched
            ]
        )
        world.touched.clear()

    def _all(self, kind: str, model: type[Account | Project]) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for id_, value in _rows(self.path, self._database, kind):
            try:
                check_object(value, model)
            except MisfitError as misfit:
                problem = str(misfit)
            else:
                problem = "" if value["id"] == id_ else f"id is {value['id']}"
            if problem:
                raise StateFileError(self.path, f"is damaged: in {kind} {id_}, {problem}")
            value.pop("before", None)  # never written
            found[id_] = value
        return found

    def _write(self, rows: Sequence[tuple[str, str, Json | float]]) -> None:
        self._time = clock.wall_seconds()
        rows = [*rows, ("time", "", self._time)]
        with reading(self.path), self._database:
            self._database.executemany(
                "INSERT INTO state VALUES (?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value",
                [(kind, id_, json.dumps(value, separators=(",", ":"))) for kind, id_, value in rows],
            )


def _rows(path: Path, database: sqlite3.Connection, kind: str) -> list[tuple[str, Any]]:
    """Return the IDs and values of the rows of one kind."""
    with reading(path):
        query = "SELECT id, value FROM state WHERE kind = ? ORDER BY rowid"
        rows = database.execute(query, (kind,)).fetchall()
    return [(str(id_), _json(path, f"{kind} {id_}".strip(), value)) for id_, value in rows]


def _json(path: Path, row: str, value: object) -> Any:
    if not isinstance(value, str):
        raise StateFileError(path, f"is damaged: {row} is no text")
    try:
        return json.loads(value)
    except RecursionError:
        problem = "is nested too deeply"
    except ValueError as error:
        problem = f"is no JSON: {error}"
    raise StateFileError(path, f"is damaged: {row} {problem}")


def _parse_time(path: Path, value: object) -> float:
    try:
        return check_number(value, "its time")
    except MisfitError as misfit:
        problem = f"is damaged: {misfit}"
    raise StateFileError(path, problem)


def _check_references(path: Path, accounts: dict[str, Json], projects: dict[str, Json]) -> None:
    """Check that referenced rows exist and due projects have steps."""
    for name, project in projects.items():
        if project["account_id"] not in accounts:
            raise StateFileError(path, f"is damaged: account {project['account_id']} of {name} is missing")
        if project.get("due") is not None and not project.get("steps"):
            raise StateFileError(path, f"is damaged: something of {name} is due, but nothing is to happen")
    for name, account in accounts.items():
        for share in account.get("shares", []):
            renders = projects.get(share["project_id"], {}).get("rendered", [])
            if not 0 < share["render"] <= len(renders):
                raise StateFileError(path, f"is damaged: what account {name} shares is missing")
