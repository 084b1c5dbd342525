"""Duration of a batch, next to handwritten loops and the theoretical bound.

    python benchmarks/makespan.py [--seeds 3] [--jobs 60] [--latency 0.0] [--speed 60] [--draw chart.svg]

The benchmark uses real HTTP in virtual time, which jumps. With `--speed` it runs on a clock that many times
faster than the real one (at 60, a seed of 60 jobs takes some ten minutes). The emulator enforces the request
window and the five slots, but not the daily caps. Every contender makes the same projects with the same
durations: videos of 5 to 15 minutes and jobs of 1 to 2.5. Each project is created, awaited, rendered, awaited
and shared. The bound is the duration of list scheduling on five slots if polls cost nothing and show
everything at once. Meanwhile a user requests a project about every 20 s, and the benchmark measures how long
that takes.
"""

import argparse
import asyncio
import heapq
import random
import statistics
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import attrs

from eversince_async import Eversince, Limits
from eversince_async.emulator import Emulator, Faults, Scenario
from eversince_async.emulator import Limits as EmulatedLimits
from eversince_async.testing.virtual_time import run

SLOTS: Final = 5
JOBS: Final = 60
MIXES: Final = {"videos of 5-15 min": (300.0, 900.0), "jobs of 1-2.5 min": (60.0, 150.0)}
PROBE_EVERY: Final = 20.0
DOCUMENTED: Final = {"queued": 5.0, "running": 30.0, "generating": 45.0, "rendering": 30.0}
FIXED: Final = dict.fromkeys(DOCUMENTED, 5.0)
SETTLED: Final = {"idle", "failed", "cancelled"}


@attrs.frozen
class Course:
    """The seconds that one project spends in each status."""

    queued: float
    running: float
    generating: float
    finishing: float
    rendering: float

    @classmethod
    def drawn(cls, rng: random.Random, shortest: float, longest: float) -> "Course":
        total = rng.uniform(shortest, longest)
        parts = [
            rng.uniform(0.01, 0.04),
            rng.uniform(0.1, 0.2),
            rng.uniform(0.4, 0.6),
            0.1,
            rng.uniform(0.15, 0.25),
        ]
        return cls(*(total * part / sum(parts) for part in parts))

    @property
    def total(self) -> float:
        return self.queued + self.running + self.generating + self.finishing + self.rendering

    @property
    def walk(self) -> tuple[tuple[str, float], ...]:
        return (
            ("queued", self.queued),
            ("running", self.running),
            ("generating", self.generating),
            ("running", self.finishing),
        )


@attrs.frozen
class Result:
    """The result of one contender with one mix."""

    ratio: float
    requests: float
    refusals: int
    p99: float


# -- By hand --------------------------------------------------------------------------------------------


class ExactLimiter:
    """A limiter: at most 30 requests in any minute, oldest first."""

    def __init__(self, limit: int = 30, window: float = 60.5) -> None:
        self.limit, self.window = limit, window
        self.log: deque[float] = deque()
        self.turn = asyncio.Lock()

    async def wait(self) -> None:
        async with self.turn:
            loop = asyncio.get_running_loop()
            if len(self.log) == self.limit:
                await asyncio.sleep(max(0.0, self.log.popleft() + self.window - loop.time()))
            self.log.append(loop.time())


class ByHand:
    """A typical handwritten loop.

    It has a semaphore for the slots, a limiter, and a sleep for each status.
    """

    def __init__(self, emulator: Emulator, http: aiohttp.ClientSession, intervals: dict[str, float]) -> None:
        self.base_url, self.http, self.intervals = emulator.base_url, http, intervals
        self.slots, self.limiter = asyncio.Semaphore(SLOTS), ExactLimiter()

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        while True:
            await self.limiter.wait()
            async with self.http.request(method, self.base_url + path, json=body) as response:
                if response.status != 429:
                    return dict(await response.json())
            await asyncio.sleep(float(response.headers.get("Retry-After", 5)))

    async def get(self, project_id: str) -> dict[str, Any]:
        return await self.call("GET", f"/projects/{project_id}")

    async def settle(self, project_id: str) -> None:
        status = "queued"
        while status not in SETTLED:
            await asyncio.sleep(self.intervals[status])
            status = (await self.get(project_id))["status"]

    async def produce(self, brief: str) -> None:
        async with self.slots:
            created = await self.call("POST", "/projects", {"brief": brief, "expected_output": "assembled"})
            await self.settle(created["id"])
            await self.call("POST", f"/projects/{created['id']}/render", {})
            await self.settle(created["id"])
        await self.call("POST", f"/projects/{created['id']}/share", {})


@asynccontextmanager
async def by_hand(emulator: Emulator, intervals: dict[str, float]) -> AsyncIterator[ByHand]:
    headers = {"Authorization": f"Bearer {emulator.connection['api_key']}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        yield ByHand(emulator, http, intervals)


class Ours:
    """The orchestrator of this package with its defaults."""

    def __init__(self, eversince: Eversince) -> None:
        self.eversince = eversince

    async def produce(self, brief: str) -> None:
        await self.eversince.produce(brief, expected_output="assembled")

    async def get(self, project_id: str) -> Any:
        return await self.eversince.projects.get(project_id)


@asynccontextmanager
async def ours(emulator: Emulator) -> AsyncIterator[Ours]:
    limits = Limits(projects_per_day=None, renders_per_day=None)
    async with Eversince(**emulator.connection, limits=limits) as eversince:
        yield Ours(eversince)


CONTENDERS: Final[dict[str, Callable[[Emulator], Any]]] = {
    "by hand, documented intervals": lambda emulator: by_hand(emulator, DOCUMENTED),
    "by hand, every 5 s": lambda emulator: by_hand(emulator, FIXED),
    "eversince_async": ours,
}

# -- Running --------------------------------------------------------------------------------------------


def courses_of(seed: int, span: tuple[float, float], jobs: int) -> list[Course]:
    rng = random.Random(seed)
    return [Course.drawn(rng, *span) for _ in range(jobs)]


def bound(courses: list[Course]) -> float:
    """Return the seconds that list scheduling takes.

    Whenever a slot becomes free, the next project starts.
    """
    free_at = [0.0] * SLOTS
    for executor in courses:
        heapq.heapreplace(free_at, free_at[0] + executor.total)
    return max(free_at)


def scenario_of(courses: list[Course]) -> Scenario:
    scenario = Scenario()
    for number, executor in enumerate(courses):
        scenario = scenario.when(brief_of(number), walk=executor.walk, rendering=executor.rendering)
    return scenario


def brief_of(number: int) -> str:
    return f"film number {number:03d}."


async def contest(contender: Callable[[Emulator], Any], courses: list[Course], latency: float) -> Result:
    loop = asyncio.get_running_loop()
    limits = EmulatedLimits(projects_per_day=None, renders_per_day=None)
    faults = Faults(latency=latency or None)
    async with (
        Emulator(scenario=scenario_of(courses), limits=limits, faults=faults, credits=1e9) as emulator,
        contender(emulator) as client,
    ):
        waits: list[float] = []
        probing = asyncio.create_task(probe(emulator, client.get, waits))
        began = loop.time()
        await asyncio.gather(*(client.produce(brief_of(number)) for number in range(len(courses))))
        took = loop.time() - began
        probing.cancel()
        log = emulator.world.log
        assert emulator.world.counts["shares"] == len(courses)
        assert emulator.world.most_active <= SLOTS
        return Result(
            ratio=took / bound(courses),
            requests=(len(log) - len(waits)) / len(courses),
            refusals=log.statuses()[429],
            p99=percentile(waits, 0.99),
        )


async def probe(emulator: Emulator, get: Callable[[str], Awaitable[Any]], waits: list[float]) -> None:
    """Request the first project now and then, and measure the wait."""
    rng = random.Random(7)
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(rng.uniform(0.5, 1.5) * PROBE_EVERY)
        project_id = emulator.world.holdings.listed[0].id
        requested_at = loop.time()
        await get(project_id)
        waits.append(loop.time() - requested_at)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(seeds: int, jobs: int, latency: float, speed: float | None) -> dict[str, dict[str, list[Result]]]:
    """Return the results of all seeds by mix and contender."""

    def result(contender: Callable[[Emulator], Any], span: tuple[float, float], seed: int) -> Result:
        return run(contest(contender, courses_of(seed, span, jobs), latency), speed=speed)

    return {
        f"{jobs} {mix}": {
            name: [result(contender, span, seed) for seed in range(1, seeds + 1)]
            for name, contender in CONTENDERS.items()
        }
        for mix, span in MIXES.items()
    }


# -- Showing --------------------------------------------------------------------------------------------


def table(measured: dict[str, dict[str, list[Result]]]) -> str:
    lines = []
    for mix, contenders in measured.items():
        lines.append(f"{mix:32}  x of the bound        requests/video   429s   user waits (p99)")
        for name, results in contenders.items():
            ratios = [result.ratio for result in results]
            lines.append(
                f"  {name:30}  {statistics.mean(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})"
                f"  {statistics.mean(result.requests for result in results):10.1f}"
                f"  {sum(result.refusals for result in results):9d}"
                f"  {max(result.p99 for result in results):12.1f} s"
            )
        lines.append("")
    return "\n".join(lines)


def chart(measured: dict[str, dict[str, list[Result]]]) -> str:
    """Draw the time beyond the bound as bars, in SVG."""
    rows: list[str] = []
    y = 30
    longest = max(mean_excess(results) for contenders in measured.values() for results in contenders.values())
    for mix, contenders in measured.items():
        rows.append(f'<text x="10" y="{y}" class="mix">{mix}: time beyond the bound</text>')
        for name, results in contenders.items():
            y += 26
            width = max(1.0, 300 * mean_excess(results) / longest)
            color = "#2a6f97" if name == "eversince_async" else "#a9b4bd"
            requests = statistics.mean(result.requests for result in results)
            label = f"+{100 * mean_excess(results):.1f} %, {requests:.0f} requests a video"
            rows += [
                f'<text x="10" y="{y}">{name}</text>',
                f'<rect x="240" y="{y - 13}" width="{width:.1f}" height="17" fill="{color}"/>',
                f'<text x="{246 + width:.1f}" y="{y}">{label}</text>',
            ]
        y += 40
    style = "text{font:13px sans-serif;fill:#222}.mix{font-weight:bold}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{y - 10}"><style>{style}</style>'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(rows)}</svg>\n'
    )


def mean_excess(results: list[Result]) -> float:
    return max(0.0, statistics.mean(result.ratio for result in results) - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=JOBS, help="projects of each mix")
    parser.add_argument(
        "--speed", type=float, help="run the clock this many times faster, instead of letting it jump"
    )
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that each request takes")
    parser.add_argument("--draw", type=Path, metavar="FILE.svg", help="file in which to draw the makespans")
    options = parser.parse_args()
    measured = measure(options.seeds, options.jobs, options.latency, options.speed)
    print(table(measured))
    if options.draw is not None:
        options.draw.write_text(chart(measured))


if __name__ == "__main__":
    main()
