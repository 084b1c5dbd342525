"""Many workflows at once, and another client of the account."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

from eversince_async import Eversince, Limits, ProjectFailed
from eversince_async.emulator import Emulator, Faults, Scenario
from eversince_async.emulator import Limits as EmulatedLimits

FULL: Final = "EVERSINCE_FULL_LIMITS" in os.environ
"""True runs at full size.

1,000 workflows and five seeds take some minutes."""

SEEDS: Final = (1, 2, 3, 4, 5) if FULL else (1,)
WORKFLOWS: Final = 1000 if FULL else 150

NO_CAPS: Final = Limits(projects_per_day=None, renders_per_day=None)
NO_CAPS_THERE: Final = EmulatedLimits(projects_per_day=None, renders_per_day=None)


def scenario(seed: int, **changes: Any) -> Scenario:
    """Return a scenario of short lives, so that much happens.

    Some projects fail, and some render by themselves.
    """
    usual: dict[str, Any] = {
        "queued": (2, 10),
        "running": (5, 20),
        "images": (10, 40),
        "videos": (30, 120),
        "rendering": (15, 60),
        "self_render": 0.2,
        "failure": 0.03,
        "render_failure": 0.03,
    }
    return Scenario(seed=seed, **{**usual, **changes})


@asynccontextmanager
async def account(
    *,
    seed: int = 1,
    limits: Limits = NO_CAPS,
    there: EmulatedLimits = NO_CAPS_THERE,
    faults: Faults | None = None,
    projects: Scenario | None = None,
    **options: Any,
) -> AsyncGenerator[tuple[Emulator, Eversince]]:
    """Run an emulator with plenty of credits, and a client of it."""
    async with (
        Emulator(
            scenario=projects or scenario(seed),
            limits=there,
            faults=faults,
            credits=1e9,
            studio_projects=False,
        ) as emulator,
        Eversince(**emulator.connection, limits=limits, **options) as eversince,
    ):
        yield emulator, eversince


async def run_mixed(eversince: Eversince, count: int, seed: int) -> Counter[str]:
    """Run workflows of all kinds and count their outcomes."""
    rng = random.Random(seed)
    kinds = rng.choices(("images", "film", "link", "draft"), weights=(2, 3, 4, 1), k=count)
    return Counter(await asyncio.gather(*(_one(eversince, kind, n) for n, kind in enumerate(kinds))))


async def _one(eversince: Eversince, kind: str, number: int) -> str:
    options: dict[str, dict[str, Any]] = {
        "images": {"expected_output": "assets"},
        "film": {"share": False},
        "link": {},
        "draft": {"render": None, "share": False},
    }
    try:
        await eversince.produce(f"{kind} {number}", **options[kind])
    except ProjectFailed:
        return "failed"
    return "made"


class Stranger:
    """Another client of the account, which knows nothing of ours.

    It uses two slots and ten requests a minute.

    Attributes:
        refusals: The number of responses with 429.
    """

    def __init__(self, emulator: Emulator) -> None:
        self.refusals = 0
        self._emulator = emulator

    @asynccontextmanager
    async def at_work(self) -> AsyncGenerator["Stranger"]:
        headers = {"Authorization": f"Bearer {self._emulator.connection['api_key']}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            tasks = [asyncio.create_task(self._produce_on_and_on(http)) for _ in range(2)]
            await asyncio.sleep(1)
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)

    async def _produce_on_and_on(self, http: aiohttp.ClientSession) -> None:
        while True:
            project = await self._call(http, "POST", "/projects", {"brief": "something else"})
            status = "queued"
            while status not in {"idle", "failed"}:
                await asyncio.sleep(12)
                status = (await self._call(http, "GET", f"/projects/{project['id']}"))["status"]

    async def _call(
        self, http: aiohttp.ClientSession, method: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        while True:
            async with http.request(method, self._emulator.base_url + path, json=body) as response:
                if response.status != 429:
                    return dict(await response.json())
            self.refusals += 1
            await asyncio.sleep(float(response.headers.get("Retry-After", 10)))


def refused(emulator: Emulator, statuses: Iterable[int] = (429,)) -> int:
    """Count the requests that were answered with these statuses."""
    return sum(emulator.world.log.statuses()[status] for status in statuses)
