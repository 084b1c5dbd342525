"""What waiting costs on a real clock: the share of a core while productions wait.

    python benchmarks/idle.py [--seconds 20] [1 100 10000]

Asyncio's own loop, real HTTP. The share is that of the thread that runs the client and the emulator together,
from the moment on at which nothing is left but waiting. Five productions are under way, the others wait for
their slots. The target is at most 1 % of a core at 100.
"""

import argparse
import asyncio
import time

from eversince_async import Eversince
from eversince_async.emulator import Emulator, Scenario

ENDLESS = Scenario(walk={"generating": 1e6})
SETTLING_SECONDS = 3.0


async def idle_share(count: int, seconds: float) -> tuple[float, float, float]:
    """Share of a core, and decisions and requests a minute, while so many productions wait."""
    async with (
        Emulator(scenario=ENDLESS, credits=1e9) as emulator,
        Eversince(**emulator.connection) as eversince,
    ):
        waiting = [asyncio.ensure_future(eversince.produce(f"film {number}")) for number in range(count)]
        await asyncio.sleep(SETTLING_SECONDS)
        await until_quiet()
        poller, log = eversince._poller, emulator.world.log  # noqa: SLF001 - it counts its decisions
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
    """Wait until a second has passed that used less than a tenth of a core, half a minute at most."""
    for _ in range(30):
        cpu = time.thread_time()
        await asyncio.sleep(1)
        if time.thread_time() - cpu < 0.1:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("counts", nargs="*", type=int, default=[1, 100, 10_000])
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to watch each")
    options = parser.parse_args()
    print("   waiting   share of a core   decisions/min   requests/min")
    for count in options.counts:
        share, decisions, requests = asyncio.run(idle_share(count, options.seconds))
        print(f"{count:10,}   {share:15.2%}   {decisions:13.0f}   {requests:12.0f}")


if __name__ == "__main__":
    main()
