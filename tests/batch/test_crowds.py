"""A batch of 100,000 items holds only active items in memory.

It also begins at once.
"""

from __future__ import annotations

import asyncio
import gc
import os
import tracemalloc

import pytest

from eversince_async import Eversince
from eversince_async.emulator import Emulator

pytestmark = [pytest.mark.usefixtures("no_long_hold"), pytest.mark.slow]

MANY = 100_000
KIB = 1024
THROUGH = 20_000 if "EVERSINCE_FULL_LIMITS" in os.environ else 4_000
"""Items that pass while memory is watched, which takes a millisecond each."""


async def test_items_are_read_only_as_there_is_room():
    """The first project exists before the eleventh item is read."""
    taken = 0

    def briefs():
        nonlocal taken
        for taken in range(1, MANY + 1):
            yield f"Film {taken}"

    async with (
        Emulator() as emulator,
        Eversince(**emulator.connection) as eversince,
        eversince.batch(briefs(), drain_on_interrupt=False) as batch,
    ):
        while not emulator.world.counts["projects"]:
            await asyncio.sleep(0.05)
        waited, read = batch.report.seconds, taken

    assert waited < 1
    assert read <= 11


async def test_memory_stays_flat():
    """Items that fail before any request pass through in large numbers."""
    async with Emulator() as emulator, Eversince(**emulator.connection) as eversince:
        batch = eversince.batch(({"title": "no brief"} for _ in range(THROUGH)), drain_on_interrupt=False)
        tracemalloc.start()
        try:
            async with batch:
                seen = before = 0
                async for _ in batch:
                    seen += 1
                    if seen == THROUGH // 10:
                        before = _held()
                after = _held()
        finally:
            tracemalloc.stop()

    assert THROUGH == seen
    assert after - before < 12 * THROUGH, "bytes: a reference that is kept for each item costs more"


def _held() -> int:
    """Return the bytes in use, without garbage that is not collected yet."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
