"""Keeping the leases of what is being worked on."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from eversince_async.errors import JournalError
from eversince_async.journal import LEASE
from eversince_async.tasks import end


@asynccontextmanager
async def heartbeat(beat: Callable[[], Awaitable[object]]) -> AsyncGenerator[None, None]:
    """Renew leases well before they run out, as long as this lasts.

    Args:
        beat: Renews them. A journal that fails is no reason to end: whoever writes next learns of it.
    """
    beating = asyncio.create_task(_beating(beat), name="eversince leases")
    try:
        yield
    finally:
        await end(beating)


async def _beating(beat: Callable[[], Awaitable[object]]) -> None:
    while True:
        await asyncio.sleep(LEASE / 3)
        with suppress(JournalError):
            await beat()
