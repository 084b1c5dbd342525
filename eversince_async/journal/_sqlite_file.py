"""Opening a journal's file: only one that is a journal, or is new, and is whole; any other stays untouched.

So before SQLite may write, its header tells whether this is a journal of ours at all (`check_kind`), and a
connection that cannot write whether it is intact (`_check_contents`).

Only SQLite itself may open a journal's file: closing any other descriptor of it gives up all locks that this
process holds on it (POSIX), and then another process that closes the journal deletes its log in use.
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
"""Held while a file is looked for and made, or copied: meanwhile nobody else here may open it."""

MAX_CHECKED_BYTES: Final = 256 * 1024 * 1024
"""Bytes up to which a file is checked throughout when opened: some 200,000 jobs, in a quarter of a second if
the system has it in memory. Of a larger one, only what is read is checked, when it is read."""


def connect(path: Path, patience: float) -> sqlite3.Connection:
    """Open the journal, or make it.

    Args:
        path: Its file.
        patience: Seconds to wait for other processes.

    Raises:
        JournalError: It cannot be used; it is as it was.
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
        # FULL: a commit that was acknowledged survives even a power cut. The macOS kind of it is another.
        for pragma in ("synchronous = FULL", "fullfsync = ON", "foreign_keys = ON", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _connection(path: Path, mode: str, patience: float) -> sqlite3.Connection:
    # Each use is by one thread at a time, but opening and closing may be by different ones.
    return sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=patience,
        isolation_level=None,
        check_same_thread=False,
    )


def create_private(path: Path) -> None:
    """Create an empty file that only its owner can read; SQLite makes -wal and -shm in its likeness.

    Briefs, ids and addresses are nobody else's business, whatever the umask is.
    """
    with contextlib.suppress(FileExistsError):  # another process may have been quicker
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


# -- Before SQLite may write ----------------------------------------------------------------------------


def _is_there(path: Path) -> bool:
    """Whether there is a journal already; False: it is to be made."""
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
    for ending in BESIDE:  # a pipe would be waited for, and what a link leads to be written
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
    """Whether SQLite can keep a file here; another process may make and delete it at any moment."""
    try:
        return stat.S_ISREG(place.lstat().st_mode)
    except FileNotFoundError:
        return True


def check_kind(path: Path) -> bool:
    """Refuse a file that begins otherwise than a journal does; False: it is empty.

    Raises:
        JournalError: It is another file, or a later version's.
        OSError: It cannot be read.
    """
    size = path.stat().st_size
    if size == 0:
        return False
    if size < _HEADER:
        raise JournalError(f"{path}: {OTHER}")
    if not os.access(path, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    try:
        # No lock is waited for, and no log is looked for or made: the file may be anybody's.
        with contextlib.closing(_connection(path, "ro&immutable=1", 0)) as connection:
            _check_marks(connection, path)
    except TROUBLES as error:
        if getattr(error, "sqlite_errorname", None) == "SQLITE_NOTADB":
            raise JournalError(f"{path}: {OTHER}") from None
        # Somebody writes just now, or died in the middle of it, or files cannot be opened now: who waits for
        # locks can tell.
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
    """Whether a process died in the middle of something that only a writer can take back."""
    name = getattr(error, "sqlite_errorname", None) or ""
    return name in {"SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_RECOVERY", "SQLITE_READONLY_CANTINIT"}


# -- Making ---------------------------------------------------------------------------------------------


def _create_tables(connection: sqlite3.Connection, path: Path) -> None:
    """Lay a new file out, or upgrade an older one, in one transaction and before it is written ahead.

    So the file itself says what it is from its first byte on, and not only together with its -wal file.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been quicker, and one that died may have left a file of no pages.
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
        raise JournalError(f"{path}: somebody made another database of it just now; name another file")


def _upgrade(connection: sqlite3.Connection) -> None:
    """Bring an older journal to this layout; another process may have done so a moment ago."""
    while (version := _pragma(connection, "user_version")) in UPGRADES:
        for statement in UPGRADES[version]:
            connection.execute(statement)


def _enable_wal(connection: sqlite3.Connection, path: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            mode = _pragma(connection, "journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # Two that open a new file at once: SQLite does not wait here, since both might wait for ever.
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


# -- Whether it is still there --------------------------------------------------------------------------


class FileGuard:
    """Notices when the file that is open is no longer the one under its name.

    Then all that it held is saved beside it, and nothing is written any more until it is back.

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
        """Before writing: raise if the file was gone before, and is not back.

        Raises:
            JournalError: What `check_after` has raised.
        """
        if self._problem is None:
            return
        if not self._is_there():
            raise JournalError(self._problem)
        self._problem = None
        if self._copy is not None:
            self._copy.unlink(missing_ok=True)

    def check_after(self, connection: sqlite3.Connection) -> None:
        """After writing: raise if what was written can no longer be found.

        Raises:
            JournalError: Somebody deleted, moved or replaced the file.
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
    """A copy of what an open journal holds, beside it; None if there can be none."""
    copy = path.with_name(f"{path.name}.saved-{secrets.token_hex(4)}")
    try:
        create_private(copy)
        connection.execute("VACUUM INTO ?", (os.fspath(copy),))
    except (*TROUBLES, OSError):
        return None
    return copy
