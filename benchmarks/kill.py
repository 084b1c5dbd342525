"""Kill a batch again and again with SIGKILL, and count what was paid for.

An emulator runs in a process of its own, with its state on disk; a batch runs in another, with a journal.
Both live in compressed time. At random moments the batch is killed and started again; the last one comes to
its end. Then there must be exactly one project, one render, one share and one whole file for each item.

    python benchmarks/kill.py --kills 20 --items 40
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from eversince_async import Eversince, Limits
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.limits import Limits as Kept
from eversince_async.testing import VirtualTimeLoop

QUICK = Scenario(queued=2, running=10, images=10, videos=30, rendering=30, cycles=1, scenes=(1, 1))


async def emulate(state: str, address: str) -> None:
    """Run the emulator, and answer on SIGTERM with what it has counted."""
    kept = Kept(renders_per_day=None, projects_per_day=None, requests_per_minute=600)
    async with Emulator(scenario=QUICK, limits=kept, state=state, credits=1e9) as emulator:
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        Path(address).write_text(emulator.base_url)
        await ended.wait()
        counts = emulator.world.counts
        sys.stdout.write(" ".join(str(counts[name]) for name in ("projects", "renders", "shares")))


async def batch(address: str, journal: str, folder: str, items: int) -> None:
    """Run the batch to its end."""
    limits = Limits(renders_per_day=None, projects_per_day=None)
    connection = {"api_key": "es_live_emulator", "base_url": Path(address).read_text()}
    async with Eversince(**connection, limits=limits) as eversince:
        briefs = [{"key": f"item-{n}", "brief": f"Film number {n}"} for n in range(items)]
        report = await eversince.batch(briefs, journal=journal, download=folder)
    sys.stdout.write(f"{report.counts}")


def _spawn(speed: float, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, __file__, *map(str, arguments), "--speed", str(speed)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def measure(kills: int, items: int, speed: float, longest: float, seed: int) -> int:
    """Kill and count; the exit code."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        address, folder = root / "address", root / "videos"
        emulator = _spawn(speed, "--emulate", root / "emulator.db", address)
        try:
            while not address.exists():
                time.sleep(0.05)
            began, killed = time.monotonic(), 0
            while True:
                running = _spawn(speed, "--batch", address, root / "campaign.db", folder, "--items", items)
                moment = chance.uniform(0.3, longest) if killed < kills else None
                try:
                    told, _ = running.communicate(timeout=moment)
                except subprocess.TimeoutExpired:
                    os.kill(running.pid, signal.SIGKILL)
                    running.communicate()
                    killed += 1
                    continue
                break
        finally:
            emulator.terminate()
            counted, _ = emulator.communicate()
        files = [path for path in folder.iterdir() if path.suffix == ".mp4" and path.stat().st_size > 0]
        left = [path.name for path in folder.iterdir() if path.suffix != ".mp4"]
        found = [int(number) for number in counted.split()] + [len(files)]
        took = time.monotonic() - began
        sys.stdout.write(
            f"{killed} kills in {took:.0f} s; the last run told {told}\n"
            f"projects, renders, shares, files: {found}; expected {items} of each; left over: {left}\n"
        )
        return 0 if running.returncode == 0 and found == [items] * 4 and not left else 1


def main() -> int:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--speed", type=float, default=60.0, help="seconds of virtual time in a real one")
    parser.add_argument("--longest", type=float, default=2.0, help="real seconds until a kill, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--emulate", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--batch", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()

    def loop() -> asyncio.AbstractEventLoop:
        return VirtualTimeLoop(speed=options.speed)

    act: Any = None
    if options.emulate:
        act = emulate(*options.emulate)
    if options.batch:
        act = batch(*options.batch, options.items)
    if act is None:
        return measure(options.kills, options.items, options.speed, options.longest, options.seed)
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(act)
    return 0


if __name__ == "__main__":
    sys.exit(main())
