"""Keeping the world on disk, so that a killed emulator comes back as it was.

SQLite: each account and each project is a row, and one transaction after each request writes what the
request changed. That is atomic, survives `kill -9`, and costs the same with ten projects and ten thousand.
The request windows, the log and the contents of uploads are not kept.
"""

import json
import sqlite3
from pathlib import Path

import attrs

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


@attrs.define
class Store:
    """A state file.

    Attributes:
        path: Where it is.
    """

    path: Path
    _database: sqlite3.Connection = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._database = sqlite3.connect(self.path)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute(
            "PRAGMA synchronous=NORMAL"
        )  # the process may die at any time; the machine less so
        with self._database:
            self._database.execute(_SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
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
        if not world.touched:
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

    def _write(self, rows: list[tuple[str, str, Json]]) -> None:
        with self._database:
            self._database.executemany(
                "INSERT INTO state VALUES (?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value",
                [(kind, id_, json.dumps(value, separators=(",", ":"))) for kind, id_, value in rows],
            )
