"""Memory, journal size and startup time of a very large batch.

    python benchmarks/crowd.py [--items 100000] [--slots 50] [--full] [--trace]

A real batch with a real journal makes real projects over real HTTP, in virtual time and in one process with
the emulator. The items come from a generator, and the outcomes are consumed as they arrive. Projects are
short, the limits on requests and days are lifted, and the emulator drops each project that is done; otherwise
the benchmark would measure the emulator's memory. By default projects are only created and awaited; `--full`
renders and shares them, too. `--trace` measures the memory of Python's objects instead of that of the
process, which is slower.
"""

import argparse
import asyncio
import gc
import itertools
import os
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eversince_async import Eversince, Limits
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator import Limits as EmulatedLimits
from eversince_async.testing.virtual_time import run

SHORT = Scenario(walk={"running": 20.0}, rendering=10.0, image_credits=0, video_credits=0, audio_credits=0)
MIB = 2**20
FORGOTTEN: Any = (None, None)


def resident() -> float:
    """Return the memory of this process in MiB."""
    gc.collect()
    if tracemalloc.is_tracing():
        return tracemalloc.get_traced_memory()[0] / MIB
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB


def forgetful(emulator: Emulator) -> None:
    """Let the emulator number projects independently of those it still holds."""
    numbers = itertools.count(1)
    emulator.world.next_number = lambda: next(numbers)  # type: ignore[method-assign]  # the emulator counts its projects


def forget(emulator: Emulator, project_id: str) -> None:
    """Make the emulator drop a completed project and its request log."""
    world, holdings = emulator.world, emulator.world.holdings
    project = world.projects.pop(project_id)
    holdings.listed.remove(project)
    for projects in holdings.by_status.values():
        projects.pop(project_id, None)
    holdings.by_idempotency_key.pop(project.idempotency_key or "", None)
    for token in [token for token, (_, of) in world.shares.items() if of is project]:
        share, _ = world.shares[token]
        holdings.account.shares.remove(share)
        world.shares[token] = FORGOTTEN  # the number of shares determines the next token
    world.log.clear()
    holdings.account.created_today.stamps.clear()
    holdings.account.rendered_today.stamps.clear()


def briefs(count: int) -> Iterator[dict[str, str]]:
    for number in range(count):
        yield {"key": f"item-{number}", "brief": f"Film number {number}"}


async def first_project(emulator: Emulator, began: float) -> float:
    while not emulator.world.projects:  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.01)
    return time.monotonic() - began


async def measure(items: int, slots: int, journal: Path, *, full: bool) -> None:
    limits = Limits(
        active_projects=slots, requests_per_minute=None, projects_per_day=None, renders_per_day=None
    )
    checkpoints = {count for power in range(2, 7) for count in (10**power, 3 * 10**power)} | {items}
    async with (
        Emulator(
            scenario=SHORT, limits=EmulatedLimits.none(), credits=1e12, studio_projects=False
        ) as emulator,
        Eversince(**emulator.connection, limits=limits) as eversince,
    ):
        forgetful(emulator)
        began, cpu = time.monotonic(), time.process_time()
        beginning = asyncio.create_task(first_project(emulator, began))
        batch = eversince.batch(
            briefs(items),
            journal=journal,
            render="1080p" if full else None,
            share=full,
            drain_on_interrupt=False,
        )
        print(
            f"{'items':>8} {'MiB':>8} {'journal MiB':>12} {'seconds':>8} {'ms CPU each':>12} {'virtual':>9}"
        )
        async with batch:
            done = 0
            async for outcome in batch:
                done += 1
                assert outcome.status == "succeeded", (outcome, batch.report)
                assert outcome.project_id is not None
                forget(emulator, outcome.project_id)
                if done in checkpoints:
                    spent = time.process_time() - cpu
                    print(
                        f"{done:8,} {resident():8.1f} {journal.stat().st_size / MIB:12.1f} "
                        f"{time.monotonic() - began:8.0f} {1e3 * spent / done:12.2f} "
                        f"{asyncio.get_running_loop().time() / 3600:7.1f} h",
                        flush=True,
                    )
        print(f"first project after {1e3 * await beginning:.0f} ms; {batch.report.counts}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--slots", type=int, default=50)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--trace", action="store_true")
    options = parser.parse_args()
    if options.trace:
        tracemalloc.start()
    with tempfile.TemporaryDirectory() as root:
        run(measure(options.items, options.slots, Path(root) / "campaign.db", full=options.full))


if __name__ == "__main__":
    main()
