"""Safe opening of a journal's file.

Only a file that is new, or is an intact journal, is opened for writing; any other file stays untouched. So
before SQLite may write, the file's header tells whether the file is a journal of this package at all
(`check_kind`), and a connection that cannot write tells whether the file is intact (`_check_contents`).

Only SQLite itself may open a journal's file: closing any other descriptor of the file gives up all locks that
this process holds on it (POSIX), and then another process that closes the journal deletes its log in use.
"""

import contextlib
import errno
import os
import secrets
import sqlite3
import stat
import threading
import time
from pathlib import Path
from typing import Any, Final

from eversince_async._file_names import LONGEST
from eversince_async._places import CROWDED, FULL, check_room, in_words
from eversince_async.errors import JournalError, JournalLocked
from eversince_async.journal._schema import APPLICATION, LAYOUT, UPGRADES, VERSION
from eversince_async.journal._sqlite_errors import (
    DAMAGED,
    OTHER,
    READ_ONLY,
    TROUBLES,
    Passing,
    Trouble,
    is_damage,
    moved_message,
    translate,
)

_HEADER: Final = 100  # bytes of a database's header
_NEEDS: Final = (3, 37)  # SQLite with STRICT tables

BESIDE: Final = ("-wal", "-shm", "-journal")
"""Endings of the files that SQLite keeps beside its own."""

OPENING: Final = threading.Lock()
"""The lock held while a file is created or copied.

While it is held, no other thread of this process may open the file."""

MAX_CHECKED_BYTES: Final = 256 * 1024 * 1024
"""Bytes up to which a file is checked throughout when opened.

That is some 200,000 jobs, checked in a quarter of a second if the system has the file in memory. Of a larger
file, each part is checked only when it is read."""


def connect(path: Path, patience: float) -> sqlite3.Connection:
    """Open the journal's file, or create it.

    Args:
        path: The journal's file.
        patience: Time to wait for other processes, in seconds.

    Raises:
        JournalError: The file cannot be used; it is left as it was.
    """
    if sqlite3.sqlite_version_info < _NEEDS:
        raise JournalError(f"journals need SQLite 3.37 or later; Python has {sqlite3.sqlite_version}")
    try:
        with OPENING:
            is_new = not _is_there(path)
            if is_new and not path.exists():
                create_private(path)
        if not is_new:
            _check_contents(path, patience)
    except OSError as error:
        kind = Passing if error.errno in FULL | CROWDED else JournalError
        raise kind(f"{path}: {_problem(error)}") from None
    try:
        return _open(path, patience)
    except TROUBLES as error:
        raise translate(path, error) from error


def _problem(error: OSError) -> str:
    if error.errno in FULL | CROWDED or error.errno == errno.ENAMETOOLONG:
        return in_words(error)
    return f"{READ_ONLY} ({error.strerror or error})"


def _open(path: Path, patience: float) -> sqlite3.Connection:
    connection = _connection(path, "rw", patience)
    try:
        _create_tables(connection, path)
        _enable_wal(connection, path, patience)
        # FULL: a commit that was acknowledged survives even a power cut. On macOS, that needs fullfsync.
        for pragma in ("synchronous = FULL", "fullfsync = ON", "foreign_keys = ON", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _connection(path: Path, mode: str, patience: float) -> sqlite3.Connection:
    # One thread at a time uses the connection, but different threads may open and close it.
    return sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=patience,
        isolation_level=None,
        check_same_thread=False,
    )


def create_private(path: Path) -> None:
    """Create an empty file that only its owner can read.

    SQLite gives the -wal and -shm files the same permissions. Briefs, ids and addresses are private,
    regardless of the umask.
    """
    with contextlib.suppress(FileExistsError):  # another process may have been quicker
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


# -- Before SQLite may write ----------------------------------------------------------------------------


def _is_there(path: Path) -> bool:
    """Return True if a journal exists, False if it must be created."""
    if len(os.fsencode(path.name + BESIDE[-1])) > LONGEST:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    if not path.parent.is_dir():
        raise JournalError(f"{path}: there is no folder {path.parent}; make it first")
    if not path.exists():
        if not os.access(path.parent, os.W_OK):
            raise JournalError(f"{path}: {READ_ONLY}")
        check_room(path.parent)
        return False
    if not path.is_file():
        raise JournalError(f"{path}: is no file; name one for the journal")
    for ending in BESIDE:  # SQLite would wait for a pipe, and write to the target of a link
        place = path.with_name(path.name + ending)
        if not _is_absent_or_regular(place):
            raise JournalError(
                f"{place}: is no file of the journal's but a link, a pipe or the like; remove it"
            )
    is_laid_out = check_kind(path)
    for place in (path, path.parent):  # beside it, SQLite writes the -wal file
        if not os.access(place, os.W_OK):
            raise JournalError(f"{path}: {READ_ONLY}")
    return is_laid_out


def _is_absent_or_regular(place: Path) -> bool:
    """Return True if SQLite can keep a file at this path.

    Another process may create and delete the file at any moment.
    """
    try:
        return stat.S_ISREG(place.lstat().st_mode)
    except FileNotFoundError:
        return True


def check_kind(path: Path) -> bool:
    """Refuse a file that does not begin as a journal does.

    Returns:
        False if the file is empty.

    Raises:
        JournalError: The file is of another kind, or of a later version.
        OSError: The file cannot be read.
    """
    size = path.stat().st_size
    if size == 0:
        return False
    if size < _HEADER:
        raise JournalError(f"{path}: {OTHER}")
    if not os.access(path, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    try:
        # Wait for no lock, and neither look for a log nor create one: the file may be another program's.
        with contextlib.closing(_connection(path, "ro&immutable=1", 0)) as connection:
            _check_marks(connection, path)
    except TROUBLES as error:
        if getattr(error, "sqlite_errorname", None) == "SQLITE_NOTADB":
            raise JournalError(f"{path}: {OTHER}") from None
        # Another process is writing, or died in the middle of a write, or files cannot be opened now. The
        # connection that waits for locks will tell.
    return True


def _check_marks(connection: sqlite3.Connection, path: Path) -> None:
    application, version = (_pragma(connection, name) for name in ("application_id", "user_version"))
    if application != APPLICATION:
        raise JournalError(f"{path}: is the database of another application; name another file")
    if version > VERSION:
        raise JournalError(
            f"{path}: was written by a later eversince_async (layout {version}, this one knows {VERSION}); "
            "upgrade to use it"
        )


def _check_contents(path: Path, patience: float) -> None:
    try:
        with contextlib.closing(_connection(path, "ro", patience)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            whole = path.stat().st_size <= MAX_CHECKED_BYTES
            problems = connection.execute("PRAGMA quick_check(1)").fetchall() if whole else [("ok",)]
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            _check_marks(connection, path)
    except TROUBLES as error:
        if is_damage(error):
            raise JournalError(f"{path}: {DAMAGED} ({error})") from error
        if not needs_a_writer(error):
            raise translate(path, error) from error
    else:
        if problems != [("ok",)]:
            raise JournalError(f"{path}: {DAMAGED} ({problems[0][0]})")


def needs_a_writer(error: Trouble) -> bool:
    """Return True if only a writer can recover the journal.

    A process has died in the middle of a write, which only a writer can undo.
    """
    name = getattr(error, "sqlite_errorname", None) or ""
    return name in {"SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_RECOVERY", "SQLITE_READONLY_CANTINIT"}


# -- Creating ---------------------------------------------------------------------------------------------


def _create_tables(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables of a new file, or upgrade an older one.

    This happens in one transaction, before the file gets its write-ahead log. So the file itself says what it
    is from its first byte on, and not only together with its -wal file.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been quicker, and a process that died may have left a file without pages.
        if not connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
            for statement in LAYOUT:
                connection.execute(statement)
        elif _pragma(connection, "application_id") == APPLICATION:
            _upgrade(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    application, version = (_pragma(connection, name) for name in ("application_id", "user_version"))
    if (application, version) != (APPLICATION, VERSION):
        raise JournalError(f"{path}: another program has just made it another database; name another file")


def _upgrade(connection: sqlite3.Connection) -> None:
    """Upgrade an older journal to this layout.

    Another process may have done so a moment ago.
    """
    while (version := _pragma(connection, "user_version")) in UPGRADES:
        for statement in UPGRADES[version]:
            connection.execute(statement)


def _enable_wal(connection: sqlite3.Connection, path: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            mode = _pragma(connection, "journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # Two processes open a new file at once: SQLite does not wait here, as both might wait forever.
            if not isinstance(translate(path, error), JournalLocked) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            break
    if mode != "wal":
        raise JournalError(
            f"{path}: the file system cannot share memory between processes, as network disks cannot; keep "
            "the journal on a local disk"
        )
    connection.execute("SELECT 1 FROM job LIMIT 1").fetchone()  # now the -wal file is there


def _pragma(connection: sqlite3.Connection, text: str) -> Any:
    return connection.execute(f"PRAGMA {text}").fetchone()[0]


# -- The guard of an open file --------------------------------------------------------------------------


class FileGuard:
    """A check that the open file still has its name.

    If it has not, everything that the journal holds is saved to a file beside it, and nothing more is written
    until the journal's file is back.

    Args:
        path: The journal's file, just opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = (path, path.with_name(f"{path.name}-wal"))
        self._identities = self._identities_now()
        self._copy: Path | None = None
        self._problem: str | None = None

    def check_before(self) -> None:
        """Raise an error before a write if the file is gone.

        A file that was gone and is back is accepted, and the saved copy is deleted.

        Raises:
            JournalError: The error that `check_after` has raised.
        """
        if self._problem is None:
            return
        if not self._is_there():
            raise JournalError(self._problem)
        self._problem = None
        if self._copy is not None:
            self._copy.unlink(missing_ok=True)

    def check_after(self, connection: sqlite3.Connection) -> None:
        """Raise an error after a write if the file is gone.

        Then the written data can no longer be found under the file's name.

        Raises:
            JournalError: The file was deleted, moved or replaced.
        """
        if not self._is_there():
            self._copy = _save_copy(connection, self._path)
            self._problem = f"{self._path}: {moved_message(self._copy)}"
            raise JournalError(self._problem)

    def _is_there(self) -> bool:
        try:
            return self._identities_now() == self._identities
        except OSError:
            return False

    def _identities_now(self) -> list[tuple[int, int]]:
        return [(found.st_dev, found.st_ino) for found in map(os.stat, self._files)]


def _save_copy(connection: sqlite3.Connection, path: Path) -> Path | None:
    """Copy an open journal's content to a file beside it.

    Returns:
        The copy; None if it could not be made.
    """
    copy = path.with_name(f"{path.name}.saved-{secrets.token_hex(4)}")
    try:
        create_private(copy)
        connection.execute("VACUUM INTO ?", (os.fspath(copy),))
    except (*TROUBLES, OSError):
        return None
    return copy
