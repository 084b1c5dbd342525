"""Clients with much under way, cancelled and closed at random: nothing is left, whatever the order."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from eversince_async import Eversince, Limits, Run, pipeline
from eversince_async.emulator import Emulator
from eversince_async.emulator.faults import Faults
from eversince_async.errors import EversinceError
from eversince_async.journal import SqliteJournal
from helpers.interruptions import CHEAP, LONGEST_CLOSING, _our_tasks, no_lease_is_left

if TYPE_CHECKING:
    from pathlib import Path

LIVES = 20
"""As many as take some seconds; run more of them after changes to what is shared."""


@pipeline
async def campaign(run: Run, brief: str) -> str:
    first, _ = await run.gather(run.produce(brief, share=False, name="a"), run.sleep(20))
    await run.approval("ship it?", timeout=40)
    return first.project_id


class Life:
    """One client, what is asked of it, and how it ends."""

    def __init__(self, seed: int, eversince: Eversince, journal: SqliteJournal) -> None:
        self.dice = random.Random(seed)
        self.eversince = eversince
        self.journal = journal
        self.tasks: list[asyncio.Task[Any]] = []

    async def live(self) -> float:
        """Begin things, cancel some, and close; returns how long closing took."""
        for number in range(self.dice.randint(1, 8)):
            story = self.dice.choice(
                [self.production, self.started, self.batch, self.pipeline, self.conversation]
            )
            self.tasks.append(asyncio.create_task(self.quietly(story(number)), name=f"story {number}"))
            await asyncio.sleep(self.dice.expovariate(1 / 4))
            if self.dice.random() < 0.4:
                self.dice.choice(self.tasks).cancel()
        await asyncio.sleep(self.dice.expovariate(1 / 20))
        took = await self.close()
        _, left = await asyncio.wait(self.tasks, timeout=600)
        assert not left, [task.get_stack() for task in left]
        return took

    async def close(self) -> float:
        loop = asyncio.get_running_loop()
        how: Any = self.dice.choice(["leave", "cancel", "drain"])
        closing = asyncio.create_task(self.eversince.aclose(productions=how, drain_timeout=30))
        began = loop.time()
        await asyncio.sleep(0)  # what has not begun is closed by nobody
        if self.dice.random() < 0.6:
            await self.a_moment()
            closing.cancel()
        if self.dice.random() < 0.3:
            await self.a_moment()
            closing.cancel()
        await asyncio.wait([closing])
        return loop.time() - began

    async def a_moment(self) -> None:
        for _ in range(self.dice.randint(0, 30)):
            await asyncio.sleep(0)
        if self.dice.random() < 0.5:
            await asyncio.sleep(self.dice.expovariate(1 / 2))

    async def quietly(self, story: Any) -> None:
        with suppress(EversinceError, TimeoutError):
            async with asyncio.timeout(self.dice.choice([None, 5, 60])):
                await story

    async def production(self, number: int) -> None:
        await self.eversince.produce(f"Film {number}", on_cancel=self.dice.choice(["leave", "cancel"]))

    async def started(self, number: int) -> None:
        await self.eversince.start(f"Film {number}", on_cancel="cancel")

    async def batch(self, number: int) -> None:
        items = [{"key": f"{number}-{each}", "brief": "A film"} for each in range(4)]
        async with self.eversince.batch(items, journal=self.journal, retry_failed=True) as batch:
            async for _ in batch:
                if self.dice.random() < 0.3:
                    batch.drain()

    async def pipeline(self, number: int) -> None:
        await self.eversince.run(campaign, "A film", key=f"p{number}", journal=self.journal)

    async def conversation(self, _: int) -> None:
        async with self.eversince.converse("A film", on_cancel="cancel") as conversation:
            async for turn in conversation:
                if turn.number == 2:
                    break
                await turn.reply("Go on")


@pytest.mark.parametrize("seed", range(LIVES))
async def test_nothing_is_left(tmp_path: Path, seed: int) -> None:
    faults = Faults(latency=0.2)
    async with (
        Emulator(scenario=CHEAP, faults=faults) as emulator,
        SqliteJournal(tmp_path / "j.db") as journal,
    ):
        eversince = Eversince(**emulator.connection, limits=Limits(active_projects=2))
        took = await Life(seed, eversince, journal).live()

        assert took < 30 + LONGEST_CLOSING
        assert not eversince._transport.is_open
        assert not eversince._store.is_open
        assert 0 == len(eversince._runtime.registry)
        assert () == eversince.governor.snapshot().waits
        assert [] == [lease for lease in eversince.governor.snapshot().slots.leases if lease.held]
        await no_lease_is_left(journal, type("Scene", (), {"nth": seed}))  # type: ignore[arg-type]
        assert [] == _our_tasks()
