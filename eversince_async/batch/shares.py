"""Shares that an earlier run may have made: found out before any new one is."""

import asyncio
from contextlib import suppress

from eversince_async.batch.stages import WORKING
from eversince_async.errors import JournalLocked
from eversince_async.journal import Effect, Journal
from eversince_async.orchestrator.desk import Desk
from eversince_async.orchestrator.sharing import settle_share


class SharesInDoubt:
    """Finds out what became of the shares that are in doubt, each in a task of its own.

    The list of shares names no project: while one is in doubt, no other may be made.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._settling: dict[str, asyncio.Task[None]] = {}

    async def begin(self, journal: Journal) -> list[asyncio.Task[None]]:
        """Begin to find out; the tasks are the caller's to end."""
        for job_id, effect in (await _in_doubt(journal)).items():
            self._settling[job_id] = asyncio.create_task(self._settled(journal, effect))
        return list(self._settling.values())

    async def settled(self, job_id: str) -> None:
        """Wait until nothing of this job is in doubt, or somebody else finds it out."""
        if job_id in self._settling:
            await asyncio.wait([self._settling[job_id]])

    async def _settled(self, journal: Journal, effect: Effect) -> None:
        with suppress(JournalLocked):
            await settle_share(self._desk, journal, effect)


async def _in_doubt(journal: Journal) -> dict[str, Effect]:
    """Shares that an earlier run may have made, by job."""
    found: dict[str, Effect] = {}
    async for job in journal.jobs(WORKING):
        for effect in await journal.effects(job.id):
            if effect.kind == "share" and effect.is_open:
                found[job.id] = effect
    return found
