"""Reading a journal without changing its file.

No file is created beside it, either.
"""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from eversince_async.errors import JournalError
from eversince_async.journal._sqlite_errors import TROUBLES, translate
from eversince_async.journal._sqlite_file import OPENING, check_kind, needs_a_writer
from eversince_async.journal.base import Journal
from eversince_async.journal.memory import MemoryJournal
from eversince_async.journal.sqlite import PATIENCE, SqliteJournal


@asynccontextmanager
async def copy_to_read(path: str | os.PathLike[str]) -> AsyncGenerator[Journal, None]:
    """Open a private copy of a journal's present content.

    The copy is empty if there is no such file. Another process may work on the journal meanwhile.

    Args:
        path: The journal's file.

    Raises:
        JournalError: The file is no journal or cannot be read, or its folder does not exist.
    """
    file = await asyncio.to_thread(Path(path).resolve)
    if not await asyncio.to_thread(_is_there, file):
        async with MemoryJournal() as empty:
            yield empty
        return
    with tempfile.TemporaryDirectory(prefix="eversince-") as folder:  # only its owner can read it
        copy = Path(folder, "copy.db")
        await asyncio.to_thread(_copy, file, copy)
        journal = SqliteJournal(copy)
        try:
            await journal.open()
        except JournalError as error:  # name the file that was copied
            problem = str(error).replace(os.fspath(journal.path), os.fspath(file))
        else:
            try:
                yield journal
            finally:
                await journal.aclose()
            return
    raise JournalError(problem)


def _is_there(file: Path) -> bool:
    if not file.parent.is_dir():
        raise JournalError(f"{file}: there is no folder {file.parent}; make it first")
    return file.exists()


def _copy(file: Path, copy: Path) -> None:
    try:
        check_kind(file)
        with OPENING:  # or closing the file would give up the locks of another opener here
            is_in_use = all(file.with_name(file.name + ending).exists() for ending in ("-wal", "-shm"))
            if not is_in_use:
                _copy_files(file, copy)
        if is_in_use:
            _copy_in_use(file, copy)
    except OSError as error:
        raise JournalError(f"{file}: cannot be read ({error.strerror or error})") from None


def _copy_files(file: Path, copy: Path) -> None:
    """Copy the files on the disk.

    If the log has not been written back, SQLite does so when the copy is opened.
    """
    for ending in ("", "-wal"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(file.with_name(file.name + ending), copy.with_name(copy.name + ending))


def _copy_in_use(file: Path, copy: Path) -> None:
    try:
        with (
            contextlib.closing(
                sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=PATIENCE)
            ) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except TROUBLES as error:
        if not needs_a_writer(error):
            raise translate(file, error) from error
        _copy_files(file, copy)  # the process that wrote it has died
