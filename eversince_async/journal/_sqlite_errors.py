"""Translations of SQLite's errors: the problem, and what the user can do."""

import sqlite3
from pathlib import Path
from typing import Final

from eversince_async._places import in_words, open_files_error
from eversince_async.errors import JournalError, JournalLocked

FULL: Final = (
    "the disk is full: make room and try again; nothing that was acknowledged is lost, and nothing of this "
    "was written"
)
DAMAGED: Final = (
    "the file is damaged: restore an earlier copy of it, or save what can be read with "
    "`sqlite3 FILE .recover`; nothing has been written to it"
)
GONE: Final = "the file was moved, deleted or replaced while in use; nothing more is written"
OTHER: Final = "is no journal; name another file"
READ_ONLY: Final = "the file or its folder cannot be written: check permissions and the disk"


Trouble = sqlite3.Error | UnicodeDecodeError
"""The errors that SQLite raises.

Python cannot decode SQLite's message if it quotes bytes of a damaged file."""

TROUBLES: Final = (sqlite3.Error, UnicodeDecodeError)


_FILES: Final = 4
"""The number of files that SQLite opens for a journal.

If one of them cannot be opened, SQLite closes the others again."""


class Passing(JournalError):
    """A journal error that passes, such as a full disk.

    When the lack is over, the journal can be used again.
    """


def translate(path: Path, error: Trouble) -> JournalError:
    """Return the error to raise for an error of SQLite's."""
    if isinstance(error, UnicodeDecodeError):
        return JournalError(f"{path}: {DAMAGED}")
    name = getattr(error, "sqlite_errorname", None) or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return JournalLocked(
            f"{path}: another process holds the lock of the journal; end that process, or wait"
        )
    if name == "SQLITE_FULL":
        return Passing(f"{path}: {FULL}")
    if name.startswith("SQLITE_CANTOPEN") and (lacking := open_files_error(_FILES)) is not None:
        return Passing(f"{path}: {in_words(lacking)}")
    return JournalError(f"{path}: {_describe(name, error)}")


def _describe(name: str, error: sqlite3.Error) -> str:
    if name == "SQLITE_READONLY_DBMOVED":
        return moved_message(None)
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return DAMAGED
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_CANTOPEN")):
        return f"{READ_ONLY} ({error})"
    if name.startswith("SQLITE_IOERR"):
        return f"the disk failed ({name}); what was acknowledged before is safe, this may not be"
    return f"SQLite says: {error}"


def moved_message(copy: Path | None) -> str:
    """Describe a journal file that is no longer under its name.

    Args:
        copy: The file to which the journal's whole content has been saved; None if saving failed.
    """
    if copy is None:
        return f"{GONE}: put it back with its -wal file, or start anew"
    return f"{GONE}: put it back with its -wal file, or rename {copy.name}, which holds all of it"


def is_damage(error: Trouble) -> bool:
    """Return True if an error means that the file's contents are damaged."""
    if isinstance(error, UnicodeDecodeError):
        return True
    name = getattr(error, "sqlite_errorname", None) or ""
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
