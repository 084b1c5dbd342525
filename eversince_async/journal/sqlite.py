"""A journal in a SQLite file, shared by one host's processes.

Every write is durable when it is acknowledged.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from eversince_async._places import check_name
from eversince_async.errors import ConfigurationError, JournalError
from eversince_async.journal._sqlite_errors import TROUBLES, translate
from eversince_async.journal._sqlite_file import FileGuard, connect
from eversince_async.journal._sqlite_tables import SqliteTables
from eversince_async.journal._thread import Failed, WriterThread
from eversince_async.journal.base import Journal
from eversince_async.journal.tables import Tables
from eversince_async.tasks import finish

T = TypeVar("T")

PATIENCE: Final = 10.0
"""Seconds to wait for another process's write by default.

One write takes milliseconds."""


class SqliteJournal(Journal):
    """A journal in a file.

        async with SqliteJournal("campaign.db") as journal:
            job = await journal.put("mug", {"brief": "A film about a mug"})

    The meaning of each method is documented at `Journal`. Any number of tasks of the event loop that opened
    the journal may use it; their writes share commits. Any number of processes of one host may open the same
    file: they share the jobs by leases.

    While the journal is open, two more files stand beside it, `-wal` and `-shm`, which belong to it: copy the
    journal with `sqlite3 campaign.db "VACUUM INTO 'copy.db'"`, or while it is closed. The file must be on a
    local disk. On a network disk (NFS, SMB) locks and shared memory do not work between hosts, and two of
    them would damage the file; SQLite cannot detect that, so neither can this class.

    New files are readable and writable by their owner only (0600). A link to a journal is followed; a link
    that leads to no file raises `JournalError` when the journal is opened.

    To look at the journal: `sqlite3 campaign.db "SELECT * FROM jobs"`, or `effects`.

    Args:
        path: The file; created if it does not exist.
        patience: Time to wait for other processes, in seconds of real time, before `JournalLocked`.

    Attributes:
        path: The file's absolute path.
        commits: The number of commits since the journal was opened.

    Raises:
        ConfigurationError: The path cannot be that of a file.
    """

    def __init__(self, path: str | os.PathLike[str], *, patience: float = PATIENCE) -> None:
        super().__init__()
        if os.fspath(path) in {"", ":memory:"}:
            raise ConfigurationError("name a file for the journal; MemoryJournal is one without")
        try:
            check_name(path)
        except OSError as error:
            raise ConfigurationError(f"{os.fspath(path)!a}: {error.strerror}") from None
        self._named = Path(os.path.abspath(path))
        self.path = Path(os.path.realpath(path))
        self.commits = 0
        self._patience = patience
        self._thread: WriterThread[Tables] | None = None
        self._process = 0
        self._connection: sqlite3.Connection | None = None
        self._presence: FileGuard | None = None

    def __repr__(self) -> str:
        return f"<SqliteJournal {self.path.name}, {'closed' if self._thread is None else 'open'}>"

    # -- On the loop ------------------------------------------------------------------------------------

    async def _open(self) -> None:
        if self._thread is not None:
            raise ConfigurationError("the journal is being opened or closed already")
        thread, self._process = WriterThread[Tables](), os.getpid()
        self._thread = thread
        thread.set_commit(self._commit)
        try:
            await thread.call(self._connect)
        except BaseException:
            await self._close()
            raise

    async def _close(self) -> None:
        if self._thread is not None:
            thread, self._thread = self._usable(), None
            await finish(thread.stop(self._disconnect))

    async def _write(self, transaction: Callable[[Tables], T]) -> T:
        return await self._usable().write(transaction)

    def _write_later(self, transaction: Callable[[Tables], object]) -> None:
        if self._thread is not None:
            self._thread.write_later(transaction)

    async def _read(self, query: Callable[[Tables], T]) -> T:
        return await self._usable().call(lambda: self._run_query(query))

    def _usable(self) -> WriterThread[Tables]:
        if self._thread is None:
            raise ConfigurationError("the journal is not open: use it inside `async with journal:`")
        if self._process != os.getpid():
            raise ConfigurationError(
                "the journal was opened before the process forked; open one in each process, after the fork"
            )
        if asyncio.get_running_loop() is not self._thread.loop:
            raise ConfigurationError(
                "the journal was opened in another event loop; open it in the one that uses it"
            )
        return self._thread

    # -- In the thread ----------------------------------------------------------------------------------

    def _connect(self) -> None:
        self.commits = 0
        if os.path.islink(self._named) and not os.path.exists(self._named):
            raise JournalError(
                f"{self._named}: is a link that leads to no file; remove it, or name the file itself"
            )
        self._connection = connect(self.path, self._patience)
        self._presence = FileGuard(self.path)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _run_query(self, query: Callable[[Tables], T]) -> T:
        assert self._connection is not None
        try:
            return query(SqliteTables(self._connection))
        except TROUBLES as error:
            raise translate(self.path, error) from error

    def _commit(self, transactions: Sequence[Callable[[Tables], Any]]) -> Sequence[Any]:
        """Run functions in one transaction.

        If a function raises, its own changes are undone, and no other function's.
        """
        connection = self._connection
        assert connection is not None
        assert self._presence is not None
        self._presence.check_before()
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                outcomes = [self._outcome(connection, transaction) for transaction in transactions]
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except TROUBLES as error:
            raise translate(self.path, error) from error
        self._presence.check_after(connection)
        self.commits += 1
        return outcomes

    def _outcome(self, connection: sqlite3.Connection, transaction: Callable[[Tables], Any]) -> Any:
        connection.execute("SAVEPOINT one")
        try:
            outcome = transaction(SqliteTables(connection))
        except Exception as error:  # only the caller of this function gets it
            if not connection.in_transaction:  # a full disk may end the whole transaction at once
                raise
            connection.execute("ROLLBACK TO one")
            outcome = Failed(translate(self.path, error) if isinstance(error, TROUBLES) else error)
        connection.execute("RELEASE one")
        return outcome
