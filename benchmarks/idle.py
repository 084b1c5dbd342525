"""CPU cost of waiting on a real clock, as a core's share.

    python benchmarks/idle.py [--seconds 20] [1 100 10000]

The benchmark uses asyncio's own loop and real HTTP. The share is that of the thread that runs both the client
and the emulator, measured once only waiting is left. Five productions run, the others wait for their slots.
The target is at most 1 % of a core with 100 productions.
"""

import argparse
import asyncio
import time

from eversince_async import Eversince
from eversince_async.emulator import Emulator, Scenario

ENDLESS = Scenario(walk={"generating": 1e6})
SETTLING_SECONDS = 3.0


async def idle_share(count: int, seconds: float) -> tuple[float, float, float]:
    """Measure the load while `count` productions wait.

    Returns:
        Share of a core, decisions a minute and requests a minute.
    """
    async with (
        Emulator(scenario=ENDLESS, credits=1e9) as emulator,
        Eversince(**emulator.connection) as eversince,
    ):
        waiting = [asyncio.ensure_future(eversince.produce(f"film {number}")) for number in range(count)]
        await asyncio.sleep(SETTLING_SECONDS)
        await until_quiet()
        poller, log = eversince._poller, emulator.world.log  # noqa: SLF001 - the poller counts its decisions
        wall, cpu, decided, sent = time.perf_counter(), time.thread_time(), poller.decisions, len(log)
        await asyncio.sleep(seconds)
        took = time.perf_counter() - wall
        share = (time.thread_time() - cpu) / took
        decisions, requests = poller.decisions - decided, len(log) - sent
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    return share, decisions / took * 60, requests / took * 60


async def until_quiet() -> None:
    """Wait for a second below a tenth of a core.

    The wait ends after half a minute at most.
    """
    for _ in range(30):
        cpu = time.thread_time()
        await asyncio.sleep(1)
        if time.thread_time() - cpu < 0.1:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("counts", nargs="*", type=int, default=[1, 100, 10_000])
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds to measure each count")
    options = parser.parse_args()
    print("   waiting   share of a core   decisions/min   requests/min")
    for count in options.counts:
        share, decisions, requests = asyncio.run(idle_share(count, options.seconds))
        print(f"{count:10,}   {share:15.2%}   {decisions:13.0f}   {requests:12.0f}")


if __name__ == "__main__":
    main()
