"""The lease of a pipeline's job: ours while something is done, anybody's while it waits for a person."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from eversince_async.durable.status import FINISHED, RUNNING, WAITING
from eversince_async.errors import EversinceError, JournalError, JournalLocked
from eversince_async.journal import LEASE_SECONDS, JobChange, Journal
from eversince_async.tasks import end, finish


class JobLease:
    """The lease of one job, of which several branches make use.

    Args:
        journal: The journal.
        key: The job, which is ours to begin with.
        taken_again: Awaited when it is ours again: somebody else may have worked on it meanwhile.

    Attributes:
        is_held: Whether the lease is ours, as far as we know.
        is_lost: Whether somebody else has taken it over, and the task that runs this was stopped for that.
        is_over: Whether the function has come to its end: there is nothing to be stopped.
    """

    def __init__(self, journal: Journal, key: str, taken_again: Callable[[], Awaitable[None]]) -> None:
        self._journal = journal
        self._key = key
        self._on_reacquire = taken_again
        self._changing = asyncio.Lock()
        self._at_work = 0
        self._task = asyncio.current_task()
        self.is_held = True
        self.is_lost = False
        self.is_finished = False

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None, None]:
        """While something is done, the lease is ours.

        Raises:
            Lost: Somebody else works on it.
        """
        self._at_work += 1
        try:
            await self._acquire()
            yield
        except JournalLocked as locked:
            raise LeaseLost(str(locked)) from locked
        finally:
            self._at_work -= 1

    async def suspend(self) -> None:
        """Let go of the lease, if nothing is done now: who takes it up meanwhile waits as well as we do."""
        async with self._changing:
            if self.is_held and not self._at_work:
                self.is_held = False
                try:
                    await self._journal.change(self._key, JobChange(stage=WAITING, release=True))
                except JournalLocked as locked:
                    raise LeaseLost(str(locked)) from locked
                except BaseException:  # it may be ours still, and is then let go of with the rest
                    self.is_held = True
                    raise

    async def renew(self) -> None:
        """Renew the lease, and stop the run if it is another's by now, as after a computer has slept.

        Raises:
            JournalError: It cannot be written.
        """
        async with self._changing:
            if not self.is_held or self._key in await self._journal.renew([self._key]) or self.is_finished:
                return
            self.is_held, self.is_lost = False, True
            assert self._task is not None
            self._task.cancel()

    async def _acquire(self) -> None:
        async with self._changing:
            if self.is_held:
                return
            job = await self._journal.acquire(self._key)
            if job.stage in FINISHED:
                await finish(self._journal.release(self._key))
                raise LeaseLost("it has been brought to its end elsewhere")
            self.is_held = True
            await self._journal.change(self._key, JobChange(stage=RUNNING))
            await self._on_reacquire()


class RunStopped(BaseException):
    """The function is left where it is; another run of it comes by here again."""


class LeaseLost(RunStopped):
    """Somebody else works on it now."""


class Suspended(RunStopped):
    """It waits for a person or a time, and who runs it does not.

    Attributes:
        told: What is told of that.
    """

    def __init__(self, told: EversinceError) -> None:
        super().__init__(str(told))
        self.error = told


@asynccontextmanager
async def renew_leases(
    beat: Callable[[], Awaitable[object]], every: float = LEASE_SECONDS / 3
) -> AsyncGenerator[None, None]:
    """Do something again and again as long as this lasts: renew leases, well before they run out.

    Args:
        beat: Does it. A journal that fails is no reason to end: whoever writes next learns of it.
        every: Seconds between two times.
    """
    beating = asyncio.create_task(_renew_loop(beat, every), name="eversince heartbeat")
    try:
        yield
    finally:
        await end(beating)


async def _renew_loop(beat: Callable[[], Awaitable[object]], every: float) -> None:
    while True:
        await asyncio.sleep(every)
        with suppress(JournalError):
            await beat()
