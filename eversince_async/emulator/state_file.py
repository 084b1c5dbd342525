"""Opening a state file.

A file that cannot be used is reported before anything in it is changed.
"""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from eversince_async.emulator.setting_errors import SettingRefused

APPLICATION: Final = 0x45765374
"""SQLite application ID that marks a state file: `EvSt`."""

LAYOUT: Final = 1
"""Version of the state file's layout; changes with its content."""

_BEGINS: Final = b"SQLite format 3\0"
_OTHER: Final = "name another file, or move this one away to begin afresh"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, id)
)
"""


class StateFileError(SettingRefused):
    """The emulator cannot use its state file; the file's content is unchanged."""

    def __init__(self, path: Path, problem: str, remedy: str = _OTHER) -> None:
        super().__init__(f"state file {ascii(str(path))[1:-1]} {problem}; {remedy}")


def open_state(path: Path) -> sqlite3.Connection:
    """Open a state file, and create it if it does not exist.

    Raises:
        StateFileError: The file cannot be used.
    """
    _check_place(path)
    _check_beginning(path)
    with reading(path):
        database = sqlite3.connect(path)
        try:
            if not _is_fresh(database):
                _check_kind(path, database)
            _prepare(database)
        except BaseException:
            database.close()
            raise
    return database


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Translate SQLite's errors into messages about the named file.

    Raises:
        StateFileError: SQLite reported an error.
    """
    try:
        yield
    except sqlite3.Error as error:
        problem = _meaning(error)
    else:
        return
    raise StateFileError(path, *problem)


def exists(path: Path) -> bool:
    """Return True if the file exists and is not empty.

    Raises:
        StateFileError: The file exists but cannot be used.
    """
    _check_place(path)
    return path.exists() and path.stat().st_size > 0


def _meaning(error: sqlite3.Error) -> tuple[str, str] | tuple[str]:
    text = str(error)
    if "malformed" in text or "not a database" in text or "corrupt" in text:
        return (f"is damaged or cut off: {text}",)
    if "locked" in text:
        return "is in use by another process", "end that one, or name another file"
    if "full" in text or "disk I/O" in text:
        return f"cannot be written: {text}", "make room, and start again"
    if "no such" in text:
        return (f"has not the tables of a state: {text}",)
    return (f"cannot be used: {text}",)


def _check_place(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            raise StateFileError(path, "is a link that leads nowhere") from None
        _check_folder(path)
        return
    except NotADirectoryError:
        raise StateFileError(path, "is below something that is no folder", "name another place") from None
    except PermissionError:
        raise StateFileError(path, "may not be looked at by this user", "name another place") from None
    except (OSError, ValueError) as error:
        problem = f"cannot be: {getattr(error, 'strerror', None) or error}"
    else:
        if stat.S_ISDIR(mode):
            raise StateFileError(path, "is a folder", "name a file in it, such as state.db")
        if not stat.S_ISREG(mode):
            raise StateFileError(path, "is no regular file")
        if not os.access(path, os.R_OK | os.W_OK):
            raise StateFileError(path, "may not be read and written by this user", "change its permissions")
        _check_folder(path)  # SQLite creates files beside the database
        return
    raise StateFileError(path, problem, "name another file")


def _check_folder(path: Path) -> None:
    folder = path.absolute().parent
    if not folder.exists():
        raise StateFileError(path, "is in a folder that does not exist", "make the folder first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StateFileError(path, "is in a folder this user may not write to", "name another place")


def _check_beginning(path: Path) -> None:
    """Refuse a file that is not an SQLite database.

    SQLite would refuse it too, but its message would not say what the file contains.
    """
    if not exists(path) or _may_be_in_use(path):
        return
    with path.open("rb") as file:
        header = file.read(len(_BEGINS))
    if header == _BEGINS:
        return
    if _BEGINS.startswith(header):
        raise StateFileError(path, "is cut off: not even its first line is whole")
    what = "JSON or another text" if header.isascii() else "something else"
    raise StateFileError(path, f"is no state of the emulator, but {what}")


def _may_be_in_use(path: Path) -> bool:
    """Return True if SQLite can read the file.

    Opening and closing such a file here would release the locks that this process may hold on it.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        try:
            database.execute("PRAGMA application_id").fetchone()
        except sqlite3.Error as error:
            return error.sqlite_errorname != "SQLITE_NOTADB"
    return path.stat().st_size >= len(_BEGINS)


def _is_fresh(database: sqlite3.Connection) -> bool:
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return not tables


def _check_kind(path: Path, database: sqlite3.Connection) -> None:
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (layout,) = database.execute("PRAGMA user_version").fetchone()
    if (application, layout) == (0, 0) and _has_only_the_table(database):
        return  # written before files had an application ID
    if application != APPLICATION:
        raise StateFileError(path, "is a database of something else, such as a journal", "name another file")
    if layout != LAYOUT:
        raise StateFileError(
            path,
            f"was written by another version of the emulator (layout {layout}; this one reads {LAYOUT})",
            "use that version, or name another file",
        )


def _has_only_the_table(database: sqlite3.Connection) -> bool:
    names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = [column for _, column, *_ in database.execute("PRAGMA table_info(state)")]
    return names == ["state"] and columns == ["kind", "id", "value"]


def _prepare(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA journal_mode=WAL")
    # The process may be killed at any time; the machine rarely crashes.
    database.execute("PRAGMA synchronous=NORMAL")
    with database:
        database.execute(f"PRAGMA application_id={APPLICATION}")
        database.execute(f"PRAGMA user_version={LAYOUT}")
        database.execute(_SCHEMA)
