"""Keeping the world on disk, so that a killed emulator comes back as it was.

SQLite: each account and each project is a row, and one transaction after each request writes what the
request changed. That is atomic, survives `kill -9`, and costs the same with ten projects and ten thousand.
The request windows, the log and the contents of uploads are not kept.
"""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import attrs

from eversince_async import clock
from eversince_async.emulator.refusals import Json
from eversince_async.emulator.world import World

_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, id)
)
"""


OFTEN: Final = 60.0
"""Seconds of its time after which the time is written although nothing else is."""


def time_in(path: Path) -> float | None:
    """What an emulator's clock showed, in Unix seconds, when it last wrote its state; None: that is not told.

    Args:
        path: The state's file; there need be none.
    """
    if not path.exists():
        return None
    with closing(sqlite3.connect(path)) as database:
        try:
            row = database.execute("SELECT value FROM state WHERE kind = 'time'").fetchone()
        except sqlite3.Error:  # it is no state yet
            return None
    return None if row is None else float(json.loads(row[0]))


@attrs.define
class Store:
    """A state file.

    Attributes:
        path: Where it is.
    """

    path: Path
    _database: sqlite3.Connection = attrs.field(init=False)
    _time: float = attrs.field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self._database = sqlite3.connect(self.path)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute(
            "PRAGMA synchronous=NORMAL"
        )  # the process may die at any time; the machine less so
        with self._database:
            self._database.execute(_SCHEMA)

    def close(self) -> None:
        """Let go of the file; the state's time is that at which it was last in use."""
        if self._time:
            self._write([])
        self._database.close()

    def secret(self, fresh: str) -> str:
        """The secret that URLs are signed with: the kept one, or this."""
        kept = self._all("secret")
        if kept:
            return str(kept[0]["secret"])
        self._write([("secret", "", {"secret": fresh})])
        return fresh

    def load(self, world: World) -> bool:
        """Take up the saved state; False if there is none yet."""
        accounts = self._all("account")
        world.restore(accounts, self._all("project"))
        return bool(accounts)

    def save(self, world: World) -> None:
        """Write what changed since the last time."""
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

    def _all(self, kind: str) -> list[Json]:
        rows = self._database.execute("SELECT value FROM state WHERE kind = ? ORDER BY rowid", (kind,))
        return [json.loads(value) for (value,) in rows]

    def _write(self, rows: Sequence[tuple[str, str, Json | float]]) -> None:
        self._time = clock.wall_seconds()
        rows = [*rows, ("time", "", self._time)]
        with self._database:
            self._database.executemany(
                "INSERT INTO state VALUES (?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value",
                [(kind, id_, json.dumps(value, separators=(",", ":"))) for kind, id_, value in rows],
            )
