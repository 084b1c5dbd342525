"""The main stories, told on whatever loop they are run, and what they cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import attrs
from aiohttp import web

from eversince_async import Eversince, Limits, PollSchedule, Run, WebhookReceiver, pipeline
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator import Limits as EmulatedLimits
from eversince_async.journal import MemoryJournal

QUICK: Final = Scenario(queued=2, running=4, images=4, videos=4, rendering=4, cycles=1, scenes=(1, 1))
QUICKEST: Final = Scenario(walk={"queued": 2, "running": 2}, rendering=3, scenes=(1, 1))
OFTEN: Final = PollSchedule(intervals=dict.fromkeys(["queued", "running", "generating", "rendering"], 8))
ENDLESS: Final = Scenario(walk={"generating": 1e6})
SECRET: Final = "whsec_of_the_running_clock"


@attrs.frozen
class Cost:
    """What a story has cost.

    Attributes:
        made: Projects, renders and shares that the server has made.
        minutes: The loop's minutes that it took.
        decisions: How often the watcher decided when to look.
        looks: Requests that only look.
    """

    made: tuple[int, int, int]
    minutes: float
    decisions: int
    looks: int


@attrs.frozen
class Scene:
    """An account and its client.

    Attributes:
        emulator: The account.
        eversince: The client.
        options: What each production is given, too.
    """

    emulator: Emulator
    eversince: Eversince
    options: dict[str, Any]


Story = Callable[[Scene], Awaitable[object]]


async def cost_of(
    story: Story,
    *,
    scenario: Scenario = QUICK,
    schedule: PollSchedule | None = None,
    webhooks: bool = False,
) -> Cost:
    """Tell a story on an account of its own, on the running loop."""
    loop = asyncio.get_running_loop()
    async with set_up(scenario, schedule=schedule, webhooks=webhooks) as scene:
        began = loop.time()
        await story(scene)
        counts, poller = scene.emulator.world.counts, scene.eversince._poller
        return Cost(
            made=(counts["projects"], counts["renders"], counts["shares"]),
            minutes=(loop.time() - began) / 60,
            decisions=poller.decisions,
            looks=sum(entry.method == "GET" for entry in scene.emulator.world.log),
        )


@asynccontextmanager
async def set_up(
    scenario: Scenario, *, schedule: PollSchedule | None = None, webhooks: bool = False
) -> AsyncIterator[Scene]:
    limits = Limits(projects_per_day=None, renders_per_day=None)
    there = EmulatedLimits(projects_per_day=None, renders_per_day=None)
    async with (
        Emulator(
            scenario=scenario, limits=there, credits=1e9, webhook_secret=SECRET, allow_loopback_webhooks=True
        ) as emulator,
        Eversince(**emulator.connection, limits=limits, schedule=schedule) as eversince,
        receiver(eversince) as url,
    ):
        yield Scene(emulator, eversince, {"webhook_url": url} if webhooks else {})


@asynccontextmanager
async def receiver(eversince: Eversince) -> AsyncIterator[str]:
    """Where webhooks for a client arrive."""
    app = WebhookReceiver(eversince, secret=SECRET).aiohttp_app()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def productions(count: int) -> Story:
    """So many films at once."""

    async def story(scene: Scene) -> None:
        produce = scene.eversince.produce
        await asyncio.gather(*(produce(f"Film {n}", share=True, **scene.options) for n in range(count)))

    return story


def batch(count: int) -> Story:
    """So many films as a batch."""

    async def story(scene: Scene) -> None:
        items = [{"brief": f"Film {n}", "share": True, **scene.options} for n in range(count)]
        async with scene.eversince.batch(items, drain_on_interrupt=False) as running:
            assert ["succeeded"] * count == [outcome.status async for outcome in running]

    return story


@pipeline
async def _campaign(run: Run, versions: int) -> None:
    film = await run.produce("A film", share=True)
    await run.sleep(1)
    for _ in range(versions):
        version = await run.variation(film, "Create a 9:16 version for TikTok")
        await run.render_and_share(version)


def campaign(versions: int) -> Story:
    """A pipeline: a film, a pause, and other versions of it."""

    async def story(scene: Scene) -> None:
        async with MemoryJournal() as journal:
            await scene.eversince.run(_campaign, versions, key="film", journal=journal)

    return story


@attrs.frozen
class Idle:
    """What waiting has cost.

    Attributes:
        share: Share of a core that this thread has used, the server's included.
        decisions: The watcher's decisions for each minute of the loop.
    """

    share: float
    decisions: float


async def idle(count: int, *, settle: float, seconds: float) -> Idle:
    """Let so many productions wait, and see what that costs.

    Args:
        count: How many.
        settle: Seconds of the loop until nothing but waiting is left.
        seconds: Seconds of the loop to watch them.
    """
    loop = asyncio.get_running_loop()
    async with set_up(ENDLESS) as scene:
        waiting = [asyncio.ensure_future(scene.eversince.produce(f"Film {n}")) for n in range(count)]
        await asyncio.sleep(settle)
        poller = scene.eversince._poller
        wall, cpu, began, decided = time.monotonic(), time.thread_time(), loop.time(), poller.decisions
        await asyncio.sleep(seconds)
        cost = Idle(
            share=(time.thread_time() - cpu) / (time.monotonic() - wall),
            decisions=(poller.decisions - decided) / (loop.time() - began) * 60,
        )
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    return cost
