"""Cost of the request limiter next to asyncio.Semaphore, and servers' refusals.

    python benchmarks/limiter.py

Prints
- E1: an uncontended `admit` against an uncontended acquire and release of a semaphore,
- E2: CPU for each grant while a thousand requests wait, and the same for a semaphore,
- E3: the most requests in any window and the pace, for every lane and two patterns of demand,
- E4: refusals in ten minutes when requests arrive up to 300 ms late, by servers with sliding and with fixed
  windows, and the wait of a user next to a batch that takes all it can get.

E1 and E2 are ratios of medians, measured in turns; the references are run in the same rounds.
"""

import asyncio
import statistics
import time
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random

from eversince_async.governor import Departure, Governor, Lane, Limits
from eversince_async.testing import VirtualTimeLoop

ROUNDS = 15
LIMIT, WINDOW, MINUTES = 30, 60.0, 10

# -- E1, E2: cost -----------------------------------------------------------------------------------------


async def uncontended() -> None:
    """Measure 25 admissions at a time.

    Their responses are recorded outside the measured time, so that the budget is never short.
    """
    admitting, answering, semaphoring = list[float](), list[float](), list[float]()
    lane = Lane.INTERACTIVE
    for _ in range(ROUNDS):
        governor = Governor(Limits(requests_per_minute=10_000))
        governor.answered(await governor.admit())
        spent = [0.0, 0.0]
        for _ in range(200):
            began = time.perf_counter()
            departures = [await governor.admit(lane) for _ in range(25)]
            admitted = time.perf_counter()
            for departure in departures:
                governor.answered(departure)
            spent[0] += admitted - began
            spent[1] += time.perf_counter() - admitted
        admitting.append(spent[0] / 5_000)
        answering.append(spent[1] / 5_000)
        semaphore = asyncio.Semaphore(25)
        began = time.perf_counter()
        for _ in range(5_000):
            await semaphore.acquire()
            semaphore.release()
        semaphoring.append((time.perf_counter() - began) / 5_000)
    ratio = statistics.median(a / b for a, b in zip(admitting, semaphoring, strict=True))
    print("E1  uncontended                              ns")
    print(f"    Semaphore acquire + release       {1e9 * statistics.median(semaphoring):8.0f}   1.00")
    print(f"    Governor.admit                    {1e9 * statistics.median(admitting):8.0f}   {ratio:.2f}")
    print(f"    Governor.answered                 {1e9 * statistics.median(answering):8.0f}")


async def contended(acquire: Callable[[], Awaitable[object]], release: Callable[[object], None]) -> float:
    """Return the CPU seconds for each of a thousand grants.

    The cost of creating the tasks is left out.
    """

    async def one() -> None:
        release(await acquire())

    tasks = [asyncio.create_task(one()) for _ in range(1_000)]
    began = time.process_time()
    await asyncio.gather(*tasks)
    return (time.process_time() - began) / 1_000


async def contended_semaphore() -> float:
    semaphore = asyncio.Semaphore(1)
    return await contended(semaphore.acquire, lambda _: semaphore.release())


async def contended_governor(lane: Lane) -> float:
    """Measure the governor in virtual time.

    Thirty requests leave in each minute, and a timer wakes the next.
    """
    governor = Governor(Limits(requests_per_minute=LIMIT))

    async def acquire() -> Departure:
        return await governor.admit(lane)

    def release(departure: object) -> None:
        assert isinstance(departure, int)
        governor.answered(Departure(departure))

    return await contended(acquire, release)


async def contended_sleep() -> float:
    """Measure the cost of a separate time for each grant.

    It is a timer and a round of the event loop.
    """
    moments = iter(range(1_000))
    return await contended(lambda: asyncio.sleep(next(moments)), lambda _: None)


def grants() -> None:
    contenders: dict[str, Callable[[], Awaitable[float]]] = {
        "Semaphore, all at one moment": contended_semaphore,
        "sleep, each to its own moment": contended_sleep,
        **{f"Governor, {lane.name.lower()}": partial(contended_governor, lane) for lane in Lane},
    }
    costs: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            costs[name].append(virtually(contender))
    print("\nE2  a thousand waiting                  µs a grant, tasks and answers included")
    for name, spent in costs.items():
        print(f"    {name:34}{1e6 * statistics.median(spent):8.1f}")


# -- E3, E4: what a server sees ---------------------------------------------------------------------------


class Server:
    """A server that counts an account's requests in windows.

    The windows are sliding, or fixed ones that begin 23 s into the run.
    """

    def __init__(self, *, fixed: bool = False) -> None:
        self.fixed = fixed
        self.counted: list[float] = []
        self.refused = 0

    def takes(self, now: float) -> None:
        start = now - (now - 23) % WINDOW if self.fixed else now - WINDOW
        first = bisect_left(self.counted, start) if self.fixed else bisect_right(self.counted, start)
        if len(self.counted) - first >= LIMIT:
            self.refused += 1
        else:
            insort(self.counted, now)

    def most(self) -> int:
        most, recent = 0, deque[float]()
        for moment in self.counted:
            recent.append(moment)
            while recent[0] <= moment - WINDOW:
                recent.popleft()
            most = max(most, len(recent))
        return most


async def run(
    server: Server, lane: Lane, *, late: float, idle_first: bool = False, waits: list[float] | None = None
) -> None:
    """Run ten minutes of greedy demand; with `waits` a user adds requests."""
    governor, random, loop = Governor(), Random(1), asyncio.get_running_loop()

    async def request(lane: Lane) -> float:
        start = loop.time()
        departure = await governor.admit(lane)
        waited = loop.time() - start
        await asyncio.sleep(random.uniform(0, late))
        server.takes(loop.time())
        await asyncio.sleep(random.uniform(0, late))
        governor.answered(departure)
        return waited

    async def user() -> None:
        while waits is not None:
            await asyncio.sleep(random.expovariate(1 / 12))
            waits.append(await request(Lane.INTERACTIVE))

    if idle_first:
        await request(lane)
        await asyncio.sleep(WINDOW)
    tasks = [asyncio.create_task(request(lane)) for _ in range(LIMIT * (MINUTES + 2))]
    tasks.append(asyncio.create_task(user()))  # type: ignore[arg-type]  # this task never ends by itself
    await asyncio.sleep(60 * MINUTES)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def windows() -> None:
    print("\nE3  most in any 60 s, and pace          at once        after an idle minute")
    for lane in Lane:
        cells = []
        for idle_first in (False, True):
            server = Server()
            virtually(partial(run, server, lane, late=0, idle_first=idle_first))
            cells.append(f"{server.most()}, {len(server.counted) / (LIMIT * MINUTES):.3f}")
        print(f"    {lane.name.lower():12}                        {cells[0]:14} {cells[1]}")


def refusals() -> None:
    print("\nE4  refused in ten minutes, late by up to 300 ms          user beside a batch waits")
    for fixed in (False, True):
        for lane in (Lane.WORK, Lane.POLL):
            server, waits = Server(fixed=fixed), list[float]()
            virtually(partial(run, server, lane, late=0.3, waits=waits))
            p50, p99 = statistics.median(waits), statistics.quantiles(waits, n=100)[-1]
            kind = "fixed windows" if fixed else "sliding window"
            pace = len(server.counted) / (LIMIT * MINUTES)
            print(
                f"    {kind:14} {lane.name.lower():5} {server.refused:6}     pace {pace:.3f}"
                f"          p50 {p50:.1f} s, p99 {p99:.1f} s"
            )


def virtually(main: Callable[[], Awaitable[float | None]]) -> float:
    """Run a coroutine function in virtual time."""

    async def wrapped() -> float:
        return await main() or 0.0

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(wrapped())


if __name__ == "__main__":
    asyncio.run(uncontended())
    grants()
    windows()
    refusals()
