"""The processes that are killed: an emulator and workers.

    python -m killing.processes emulate|proxy|work|answer SETTINGS

The emulator keeps its state on disk, the workers share a journal. All live in the same compressed time, also
after a restart.
"""

import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from eversince_async import Eversince, Limits, Run, pipeline
from eversince_async.emulator import Emulator, Faults, Scenario
from eversince_async.emulator.faults import Latency
from eversince_async.emulator.limits import Limits as Kept
from eversince_async.journal import SqliteJournal
from eversince_async.testing import VirtualTimeLoop
from killing import proxy

QUICK = Scenario(
    queued=1, running=(2, 4), images=2, videos=(4, 12), rendering=(4, 12), cycles=1, scenes=(1, 1)
)
REQUESTS = 600
AT_ONCE = 10
"""Number of pipelines that one process runs at once."""

ON_THE_WAY = (0.1, 4.0)
"""Seconds from the departure of a request until it is carried out."""

ON_THE_WAY_BACK = 2.0
"""Seconds from then until the response leaves."""


@attrs.frozen(kw_only=True)
class Settings:
    """The settings that all processes of one measurement share.

    Attributes:
        root: The folder of all files.
        items: Number of items.
        speed: Seconds of compressed time in a real one.
        epoch: Unix seconds when both times were the same.
        port: Port of the emulator's API; its storage is at the next one.
        faults: Share of requests that fail in some way.
        video_bytes: Size of each video.
        skew: Seconds by which the workers' clocks are ahead of the emulator's.
        pipeline: True if each item is a run of a pipeline with two videos, instead of one video of a batch.
        chaos: Share of requests that a proxy damages; None for no proxy.
        requests: Request limit of the account for a minute.
        workers: Number of processes that share the journal.
    """

    root: Path
    items: int
    speed: float
    epoch: float
    port: int
    faults: float
    video_bytes: int
    skew: float
    pipeline: bool
    chaos: float | None = None
    requests: int = REQUESTS
    workers: int = 1

    @property
    def videos(self) -> int:
        """The number of videos of each item."""
        return 2 if self.pipeline else 1

    @property
    def messages(self) -> int:
        """The number of messages that a project receives.

        With a pipeline these are its brief, a request for a variation, and a request to switch to that one.
        """
        return 3 if self.pipeline else 1

    @property
    def effects(self) -> int:
        """The number of journal entries of each item at the end."""
        return 19 if self.pipeline else 4

    @property
    def journal(self) -> Path:
        return self.root / "campaign.db"

    @property
    def folder(self) -> Path:
        return self.root / "videos"

    @property
    def proxy_log(self) -> Path:
        return self.root / "proxy.jsonl"

    @property
    def proxied(self) -> dict[int, int]:
        """The emulator's port for each port of the proxy."""
        return {self.port + 2: self.port, self.port + 3: self.port + 1}

    @property
    def base_url(self) -> str:
        """The base URL of the API for the workers."""
        return f"http://127.0.0.1:{self.port + (2 if self.chaos is not None else 0)}/api/v1"

    @property
    def briefs(self) -> dict[str, str]:
        return {f"item-{number}": f"Film number {number}" for number in range(self.items)}

    def to_json(self) -> str:
        return json.dumps(attrs.asdict(self) | {"root": str(self.root)})

    @classmethod
    def from_json(cls, text: str) -> "Settings":
        values = json.loads(text)
        return cls(**values | {"root": Path(values["root"])})

    def loop(self, role: str) -> VirtualTimeLoop:
        """Create a loop whose wall time continues that of dead processes."""
        ahead = self.skew if role in {"work", "answer"} else 0
        wall = self.epoch + (time.time() - self.epoch) * self.speed + ahead
        return VirtualTimeLoop(speed=self.speed, start=datetime.fromtimestamp(wall, UTC))


async def emulate(settings: Settings) -> None:
    """Run the emulator, and report its state at SIGTERM."""
    share = settings.faults / 8
    faults = Faults(
        latency=ON_THE_WAY if settings.chaos is None else None,
        error_500=share,
        error_503=share,
        rate_limited=2 * share,
        reset_before_commit=share,
        reset_after_commit=share,
        truncated=share,
        not_json=share,
        cut_downloads=settings.faults,
        seed=int(time.time() * 1000),
    )
    if settings.chaos is None:  # otherwise the proxy adds the latency
        faults.once("*", "/**", Latency(seconds=ON_THE_WAY_BACK, after_commit=True), times=sys.maxsize)
    emulator = Emulator(
        scenario=QUICK,
        limits=Kept(renders_per_day=None, projects_per_day=None, requests_per_minute=settings.requests),
        faults=faults,
        state=settings.root / "emulator.db",
        credits=1e9,
        port=settings.port,
        storage_port=settings.port + 1,
        video_bytes=settings.video_bytes,
        studio_projects=False,
    )
    async with emulator:
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        say("up")
        await ended.wait()
        world = emulator.world
        shares = [(token, project.id) for token, (_, project) in world.shares.items()]
        projects = [
            (
                each.id,
                each.brief,
                len(each.rendered),
                [m["content"] for m in each.messages if m["role"] == "user"],
            )
            for each in world.projects.values()
        ]
        counts = {name: world.counts[name] for name in ("projects", "renders", "shares", "messages")}
    say(json.dumps({"counts": counts, "projects": projects, "shares": shares}))


@pipeline
async def film(run: Run, brief: str, folder: Path) -> str | None:
    """Make two videos: the master, and a variation that needs an approval."""
    master = await run.produce(brief, download=folder / "master.mp4")
    number = await run.step("number", number_of, brief)
    vertical = await run.variation(master, f"Create a 9:16 version of number {number} for TikTok")
    if not await run.approval("ship it?", show=vertical):
        return None
    return (await run.render_and_share(vertical, download=folder / "vertical.mp4")).share_url


async def number_of(brief: str) -> int:
    await asyncio.sleep(5)
    return int(brief.rpartition(" ")[2])


async def run_all(eversince: Eversince, settings: Settings) -> dict[str, Any]:
    """Run the pipeline under each key and return the problems.

    At most `AT_ONCE` runs are at work at a time.
    """
    places = asyncio.Semaphore(AT_ONCE)

    async def one(journal: SqliteJournal, key: str, brief: str) -> str | None:
        folder = settings.folder / key
        async with places:
            try:
                url = await eversince.run(film, brief, folder, key=key, journal=journal)
            except Exception as problem:  # noqa: BLE001 - reported as a problem
                return f"{key}: {problem!r}"
        return None if url else f"{key}: not approved"

    async with SqliteJournal(settings.journal) as journal:
        results = await asyncio.gather(*(one(journal, key, brief) for key, brief in settings.briefs.items()))
    return {"problems": [each for each in results if each is not None]}


async def answer(settings: Settings) -> None:
    """Approve the questions of pipelines after a while, for ever."""
    chance = random.Random()
    async with Eversince(api_key="es_live_emulator", base_url=settings.base_url) as eversince:
        say("up")
        while True:
            await asyncio.sleep(chance.uniform(1, 20))
            if settings.journal.exists():
                for question in await eversince.approvals(journal=settings.journal):
                    await eversince.approve(question.key, journal=settings.journal)


async def work(settings: Settings) -> None:
    """Run the batch or the pipelines, and report the result."""
    limits = Limits(renders_per_day=None, projects_per_day=None, requests_per_minute=settings.requests)
    async with Eversince(api_key="es_live_emulator", base_url=settings.base_url, limits=limits) as eversince:
        say("up")
        if settings.pipeline:
            say(json.dumps(await run_all(eversince, settings)))
            return
        items = [{"key": key, "brief": brief} for key, brief in settings.briefs.items()]
        report = await eversince.batch(items, journal=settings.journal, download=settings.folder)
    problems = [f"{each.key} {each.status}: {each.error!r}" for each in report.outcomes if each.error]
    say(json.dumps({"counts": dict(report.counts), "paused": report.paused, "problems": problems}))


async def obstruct(settings: Settings) -> None:
    """Run the proxy."""
    assert settings.chaos is not None
    chance = random.Random(time.time_ns())
    await proxy.run(proxy.Proxy(settings.proxied, settings.chaos, chance, settings.proxy_log), say)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


ROLES = {"emulate": emulate, "proxy": obstruct, "work": work, "answer": answer}


def main() -> None:
    settings = Settings.from_json(sys.argv[2])
    role: Coroutine[Any, Any, None] = ROLES[sys.argv[1]](settings)
    with asyncio.Runner(loop_factory=partial(settings.loop, sys.argv[1])) as runner:
        runner.run(role)


if __name__ == "__main__":
    main()
