"""A process that opens and closes a journal again and again.

It also opens the journal twice at once. Tests run it.
"""

import asyncio
import sys
from itertools import count

from eversince_async.journal import SqliteJournal
from eversince_async.journal.copies import copy_to_read


async def work(path: str, name: str, rounds: int) -> None:
    numbers = count()

    async def put(journal: SqliteJournal) -> None:
        print((await journal.put(f"{name} {next(numbers)}", {})).id, flush=True)  # noqa: T201 - the test reads it

    for _ in range(rounds):
        async with SqliteJournal(path) as journal:
            await put(journal)
            async with SqliteJournal(path) as again:
                await put(again)
            async with copy_to_read(path) as copy:
                await copy.counts()
            await put(journal)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3])))
