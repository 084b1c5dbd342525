"""The lease of a pipeline's job.

The run holds the lease while it does something. While the pipeline waits for a person or a time, any process
may take the job over.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from eversince_async.durable.status import FINISHED, RUNNING, WAITING
from eversince_async.errors import EversinceError, JournalError, JournalLocked
from eversince_async.journal import LEASE_SECONDS, JobChange, Journal
from eversince_async.tasks import end, finish


class JobLease:
    """The lease of one job, shared by several branches.

    Args:
        journal: The journal.
        key: The job, whose lease this run holds to begin with.
        taken_again: Awaited when this run has taken the lease again: another process may have worked on the
            job meanwhile.

    Attributes:
        is_held: True if this run holds the lease, as far as it knows.
        is_lost: True if another process has taken the job over, and the task that runs the pipeline was
            cancelled for that.
        is_finished: True if the pipeline's function has ended, so that there is nothing to cancel.
    """

    def __init__(self, journal: Journal, key: str, on_reacquire: Callable[[], Awaitable[None]]) -> None:
        self._journal = journal
        self._key = key
        self._on_reacquire = on_reacquire
        self._changing = asyncio.Lock()
        self._at_work = 0
        self._task = asyncio.current_task()
        self.is_held = True
        self.is_lost = False
        self.is_finished = False

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None, None]:
        """Hold the lease inside the block.

        Raises:
            LeaseLost: Another process works on the job.
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
        """Release the lease while the pipeline only waits.

        Does nothing while any branch is executing a step. Another process that takes the job over waits as
        well as this one.

        Raises:
            LeaseLost: Another process works on the job.
        """
        async with self._changing:
            if self.is_held and not self._at_work:
                self.is_held = False
                try:
                    await self._journal.change(self._key, JobChange(stage=WAITING, release=True))
                except JournalLocked as locked:
                    raise LeaseLost(str(locked)) from locked
                except BaseException:  # this run may still hold it, and then releases it at its end
                    self.is_held = True
                    raise

    async def renew(self) -> None:
        """Renew the lease, or cancel the run if it was lost.

        The lease may be lost after a computer has slept.

        Raises:
            JournalError: The journal cannot be written.
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
                raise LeaseLost("another process has finished it")
            self.is_held = True
            await self._journal.change(self._key, JobChange(stage=RUNNING))
            await self._on_reacquire()


class RunStopped(BaseException):
    """The end of a run before its function has ended.

    Another run of the function passes the same place again.
    """


class LeaseLost(RunStopped):
    """Another process works on the job now."""


class Suspended(RunStopped):
    """A pipeline waits longer than its runner does.

    The pipeline waits for a person or a time.

    Attributes:
        error: The error to raise to the runner's caller.
    """

    def __init__(self, told: EversinceError) -> None:
        super().__init__(str(told))
        self.error = told


@asynccontextmanager
async def renew_leases(
    beat: Callable[[], Awaitable[object]], every: float = LEASE_SECONDS / 3
) -> AsyncGenerator[None, None]:
    """Renew leases in the background as long as the block lasts.

    The leases are renewed well before they run out.

    Args:
        beat: A function that renews them. A journal that fails is no reason to end: the next write raises the
            error.
        every: Seconds between two renewals.
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
