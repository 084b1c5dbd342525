"""A process that runs a batch and interrupts itself: see `test_signals`.

python pressing.py <state of the emulator> <journal> <number of presses>
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

from eversince_async import Eversince
from eversince_async.emulator import Emulator, Scenario
from eversince_async.testing import VirtualTimeLoop

QUICK = Scenario(queued=2, running=20, images=20, videos=60, rendering=30, cycles=1, scenes=(1, 1))
ITEMS = [f"Film {number}" for number in range(8)]


async def press(emulator: Emulator, times: int) -> None:
    while not emulator.world.counts["projects"]:
        await asyncio.sleep(1)
    for _ in range(times):
        await asyncio.sleep(10)
        os.kill(os.getpid(), signal.SIGINT)


async def main(state: str, journal: str, presses: int) -> None:
    async with Emulator(scenario=QUICK, state=state) as emulator:
        pressing = asyncio.create_task(press(emulator, presses))
        try:
            async with Eversince(**emulator.connection) as eversince:
                report = await eversince.batch(ITEMS, journal=journal)
        finally:
            pressing.cancel()
        made = dict(emulator.world.counts)
    sys.stdout.write(json.dumps({"counts": report.counts, "paused": report.paused, "made": made}))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores the signal
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
