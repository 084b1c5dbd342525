"""What is done again and again while something lasts, as keeping its leases."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from eversince_async.errors import JournalError
from eversince_async.journal import LEASE
from eversince_async.tasks import end


@asynccontextmanager
async def heartbeat(
    beat: Callable[[], Awaitable[object]], every: float = LEASE / 3
) -> AsyncGenerator[None, None]:
    """Do something again and again as long as this lasts: renew leases, well before they run out.

    Args:
        beat: Does it. A journal that fails is no reason to end: whoever writes next learns of it.
        every: Seconds between two times.
    """
    beating = asyncio.create_task(_beating(beat, every), name="eversince heartbeat")
    try:
        yield
    finally:
        await end(beating)


async def _beating(beat: Callable[[], Awaitable[object]], every: float) -> None:
    while True:
        await asyncio.sleep(every)
        with suppress(JournalError):
            await beat()
