"""Keeping the leases of what is being worked on."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, suppress

from eversince_async.errors import JournalError
from eversince_async.journal import LEASE, Journal


@asynccontextmanager
async def renewing(journal: Journal, job_ids: Callable[[], Iterable[str]]) -> AsyncGenerator[None, None]:
    """Prolong leases as long as this lasts; those that are not ours are left alone.

    Args:
        journal: The journal.
        job_ids: Says which jobs are being worked on.
    """
    beating = asyncio.create_task(_beat(journal, job_ids), name="eversince leases")
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.wait([beating])


async def _beat(journal: Journal, job_ids: Callable[[], Iterable[str]]) -> None:
    while True:
        await asyncio.sleep(LEASE / 3)
        with suppress(JournalError):  # whoever writes next learns of it
            await journal.renew(job_ids())
