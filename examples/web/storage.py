"""Storage of films in a file.

The films thus survive crashes, restarts and reloads.
"""

import json
import os
from pathlib import Path
from typing import Any


class FilmStorage:
    """A file with a line for each change of a film.

    The last line of a film counts. A line is written at once, which takes microseconds. An application with a
    database has a table instead.

    Args:
        path: The file; None stores nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    @classmethod
    def from_environment(cls) -> "FilmStorage":
        """Create a storage for the file that FILMS names."""
        name = os.environ.get("FILMS")
        return cls(Path(name) if name else None)

    def put(self, record: dict[str, Any]) -> None:
        """Store the present state of a film."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    def records(self) -> list[dict[str, Any]]:
        """Return the stored films, and compact the file.

        The file is rewritten with one line for each film.
        """
        if self._path is None or not self._path.exists():
            return []
        latest: dict[str, dict[str, Any]] = {}
        for line in self._path.read_text("utf-8").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue  # the process was killed while writing it
            latest[record["id"]] = record
        anew = self._path.with_suffix(".new")
        anew.write_text("".join(f"{json.dumps(record)}\n" for record in latest.values()), "utf-8")
        anew.replace(self._path)
        return list(latest.values())
