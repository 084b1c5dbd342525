"""The journals of pipelines.

An open journal is used as it is. A file is opened once, however many pipelines use it.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import attrs

from eversince_async.errors import JournalError
from eversince_async.journal import Journal

JournalLike = str | os.PathLike[str] | Journal | None
"""A journal's file, an open journal, or None for the usual file.

A file is opened as a `SqliteJournal`."""

DEFAULT_FILE: Final = "eversince.db"
"""The default file, in the current directory.

The environment variable EVERSINCE_JOURNAL may name another."""


@attrs.define
class _SharedJournal:
    journal: Journal
    users: int = 0
    is_open: bool = False
    opening: asyncio.Lock = attrs.field(factory=asyncio.Lock)


_open: dict[tuple[asyncio.AbstractEventLoop, Path], _SharedJournal] = {}


@asynccontextmanager
async def open_journal(journal: JournalLike, *, must_exist: bool = False) -> AsyncGenerator[Journal, None]:
    """Open a journal for the length of a block.

    Args:
        journal: The journal's file, an open journal, or None for the usual file.
        must_exist: True to refuse a file that does not exist, instead of creating it.

    Raises:
        JournalError: The file cannot be used, or does not exist.
    """
    if journal is None:
        journal = os.environ.get("EVERSINCE_JOURNAL") or DEFAULT_FILE
    if not isinstance(journal, str | os.PathLike):
        yield journal
        return
    from eversince_async.journal.sqlite import SqliteJournal

    file = SqliteJournal(journal)
    if must_exist and not await asyncio.to_thread(file.path.exists):
        raise JournalError(f"{file.path}: there is no such journal")
    place = (asyncio.get_running_loop(), file.path)
    shared = _open.setdefault(place, _SharedJournal(file))
    shared.users += 1
    try:
        async with shared.opening:
            if not shared.is_open:
                await shared.journal.open()
                shared.is_open = True
        yield shared.journal
    finally:
        shared.users -= 1
        if not shared.users:
            del _open[place]
            await shared.journal.aclose()
