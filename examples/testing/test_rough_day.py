"""A test with lost responses, a shaky server and scarce slots.

The bill is correct all the same.
"""

import asyncio

import pytest
from film_desk import film

from eversince_async import Eversince
from eversince_async.emulator import Emulator, Faults, Reset

FAULTS = Faults(error_503=0.1, latency=(0.1, 2.0), seed=3)
FAULTS.once("POST", "/projects", Reset(after_commit=True), times=3)


@pytest.mark.eversince(faults=FAULTS, revision="2026-05")
async def test_nothing_is_paid_for_twice(eversince: Eversince, emulator: Emulator) -> None:
    messages = await asyncio.gather(*(film(eversince, f"Mug number {number}") for number in range(10)))

    assert all("Watch it" in message for message in messages)
    assert emulator.world.counts["projects"] == 10
