"""Cost of waiting: memory and CPU of workflows, and statuses per poll.

    python benchmarks/waiting.py [workflows]

Bytes and CPU are shown next to a reference in the same run: a task that waits for an `asyncio.Event` of its
own. A pending workflow is `await eversince.produce(...)` in a task, waiting for its slot.
"""

import asyncio
import gc
import math
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence

from eversince_async import Eversince, Limits
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator import Limits as EmulatedLimits
from eversince_async.testing.virtual_time import run

ENDLESS = Scenario(walk={"running": 1e9})
CHUNK = 1000


async def measure(count: int, begin: Callable[[int], Awaitable[object]]) -> tuple[float, float]:
    """Measure `count` waits.

    Returns:
        Bytes for each wait, and the CPU microseconds to begin and to end one.
    """
    tasks: list[asyncio.Task[object]] = []

    async def one(number: int) -> object:
        return await begin(number)

    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(count):
        tasks.append(asyncio.create_task(one(number)))  # noqa: PERF401 - the list is part of the measured memory
    for _ in range(20):
        await asyncio.sleep(0)
    gc.collect()
    size = (tracemalloc.get_traced_memory()[0] - before) / count
    tracemalloc.stop()
    await cancel(tasks)
    tasks.clear()

    began = time.process_time()
    for number in range(count):
        tasks.append(asyncio.create_task(one(number)))  # noqa: PERF401
    for _ in range(20):
        await asyncio.sleep(0)
    await cancel(tasks)
    return size, (time.process_time() - began) / count * 1e6


async def cancel(tasks: Sequence[asyncio.Future[object]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def reference(_: int) -> Awaitable[object]:
    return asyncio.Event().wait()


async def pending(count: int) -> None:
    limits = Limits(projects_per_day=None, renders_per_day=None)
    async with (
        Emulator(scenario=ENDLESS, limits=EmulatedLimits.none(), credits=1e9) as emulator,
        Eversince(
            api_key=emulator.connection["api_key"], base_url=emulator.base_url, limits=limits
        ) as eversince,
    ):
        first = [eversince.start(f"film {number}") for number in range(5)]
        await asyncio.sleep(100)

        def produce(number: int) -> Awaitable[object]:
            return eversince.produce(f"film {number}")

        ours, ours_cpu = await measure(count, produce)
        theirs, theirs_cpu = await measure(count, reference)
        print(f"{count:,} pending workflows            bytes each   us to begin and end")
        print(f"  a task with an Event of its own   {theirs:10,.0f}   {theirs_cpu:10.1f}")
        print(f"  await eversince.produce(...)      {ours:10,.0f}   {ours_cpu:10.1f}   x{ours / theirs:.2f}")

        crowd = [asyncio.ensure_future(produce(number)) for number in range(count)]
        await asyncio.sleep(1)
        began, wall = time.process_time(), asyncio.get_running_loop().time()
        await asyncio.sleep(600)
        minutes = (asyncio.get_running_loop().time() - wall) / 60
        cpu = time.process_time() - began
        print(f"  a minute of looking while they wait: {1e3 * cpu / minutes:.1f} ms CPU, server included\n")
        await cancel(crowd)
        del first


async def statuses(active: int, awaited: int) -> None:
    """Measure an account of many active projects, some of which are awaited."""
    scenario = Scenario(walk={"running": 1e9})
    there = EmulatedLimits(active_projects=None, requests_per_minute=30)
    async with (
        Emulator(scenario=scenario, limits=there, credits=1e9, studio_projects=False) as emulator,
        Eversince(**emulator.connection, limits=Limits(active_projects=None)) as eversince,
    ):
        projects = [emulator.add_project(f"film {number}", status="running") for number in range(active)]
        step = active / awaited
        ids = [projects[math.floor(number * step)].id for number in range(awaited)]
        waits = [asyncio.create_task(_wait(eversince, project_id)) for project_id in ids]
        await asyncio.sleep(1000)  # each wait begins with a separate poll
        log = emulator.world.log
        log.clear()
        await asyncio.sleep(1800)
        looks = list(log)
        wanted = set(ids)
        learned = sum(len(wanted.intersection(look.shown or (look.project_id or "",))) for look in looks)
        shown = sum(len(look.shown or (look.project_id,)) for look in looks)
        print(f"{active} active projects, {awaited} awaited: {len(looks)} looks in 30 minutes")
        print(f"  {learned / len(looks):.1f} awaited statuses (of {shown / len(looks):.1f} shown) a request")
        await cancel(waits)


async def _wait(eversince: Eversince, project_id: str) -> object:
    return await eversince.wait(project_id, timeout=None)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    run(pending(count))
    run(statuses(200, 150))


if __name__ == "__main__":
    main()
