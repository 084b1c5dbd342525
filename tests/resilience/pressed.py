"""A process on a real clock that is interrupted from outside, and says what is left: see `test_pressed`.

python pressed.py <story> <journal>
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from functools import partial

from eversince_async import Eversince, Run, pipeline
from eversince_async.emulator import Emulator, Scenario
from eversince_async.testing import VirtualTimeLoop

WALK = Scenario(walk={"queued": 5, "running": 200}, rendering=20)  # longer than whoever drains is left


@pipeline
async def film(run: Run, brief: str) -> str:
    made = await run.produce(brief)
    await run.sleep(30)
    return made.project_id


async def story(name: str, journal: str, eversince: Eversince) -> None:
    items = [f"Film {number}" for number in range(200)]
    match name:
        case "batch":
            await eversince.batch(items, journal=journal)
        case "pipelines":
            await eversince.batch(items, pipeline=film, journal=journal)
        case "pipeline":
            for number in range(200):
                await eversince.run(film, "A film", key=str(number), journal=journal)
        case "produce":
            await asyncio.gather(*(eversince.produce(item, on_cancel="cancel") for item in items))


async def say_when_begun(emulator: Emulator) -> None:
    """Say that there is something under way: before that, draining ends at once."""
    while not emulator.world.counts["projects"]:
        await asyncio.sleep(0.2)
    sys.stdout.write("begins\n")
    sys.stdout.flush()


async def main(name: str, journal: str) -> None:
    emulator = Emulator(scenario=WALK)
    async with emulator:
        begun = asyncio.create_task(say_when_begun(emulator))
        eversince = Eversince(**emulator.connection)
        try:
            async with eversince:
                await story(name, journal, eversince)
        finally:
            begun.cancel()
            ours = [task for task in asyncio.all_tasks() if "eversince" in task.get_name()]
            left = {
                "open": eversince._transport.is_open or eversince._store.is_open,
                "tasks": [repr(task) for task in ours],
                "runs": len(eversince._runtime.registry),
            }
            sys.stdout.write(json.dumps(left) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
    try:
        with asyncio.Runner(loop_factory=partial(VirtualTimeLoop, speed=20)) as runner:
            runner.run(main(sys.argv[1], sys.argv[2]))
    finally:
        restored = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        sys.stdout.write(json.dumps({"handler": restored}) + "\n")
        sys.stdout.flush()
