"""`Batch`: many videos, each made once, however often the process dies in between."""

import asyncio
import functools
from collections.abc import AsyncIterator, Generator, Sized
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

from eversince_async.batch.closing import BatchRun
from eversince_async.batch.crew import UNLIMITED, Crew, Work, ended, usual_places
from eversince_async.batch.interrupts import first_interrupt
from eversince_async.batch.item import each
from eversince_async.batch.maker import Maker
from eversince_async.batch.order import BatchOrder
from eversince_async.batch.outcome import Outcome, Progress, Report, Tally
from eversince_async.batch.outlook import forecast
from eversince_async.batch.pace import Forecast
from eversince_async.batch.pausing import Pause
from eversince_async.batch.usage import Usage
from eversince_async.errors import ConfigurationError, JournalError
from eversince_async.orchestrator.desk import Desk, now
from eversince_async.orchestrator.leases import heartbeat
from eversince_async.orchestrator.part import check_folder
from eversince_async.orchestrator.spending import count_what_was_spent
from eversince_async.orchestrator.tracing import WorkflowBegun, around


class Batch:
    """Many videos: await it for a report, or open it for the outcomes as they come.

        async with eversince.batch(briefs, journal="campaign.db") as batch:
            async for outcome in batch:
                print(outcome.key, outcome.status, outcome.share_url)

    It runs once. Leaving the block early cancels what is being waited for; the projects go on at the server,
    and the same batch with the same journal takes them up again.
    """

    def __init__(self, desk: Desk, order: BatchOrder) -> None:
        self._desk = desk
        self._order = order
        self._journal = order.journal
        self._tally = Tally()
        self._crew = Crew(order.concurrency or usual_places(desk), self._work)
        self._pause = Pause(desk, order.max_credits, self._crew.stop)
        self._usage = Usage(desk.governor)
        self._maker = Maker(desk, order, self._crew, self._pause, self._usage)
        self._broken: Exception | None = None
        # Who does not take outcomes holds up the intake, or they would pile up.
        self._outcomes: asyncio.Queue[Outcome] = asyncio.Queue(max(UNLIMITED, self._crew.places))
        self._total = len(order.items) if isinstance(order.items, Sized) else None
        self._running: asyncio.Task[None] | None = None
        self._interrupts = AsyncExitStack()
        self._began = 0.0
        self._seconds: float | None = None

    def __repr__(self) -> str:
        of = "" if self._total is None else f" of {self._total}"
        return f"<Batch {sum(self._tally.counts.values())}{of} items done, {len(self._crew.works)} at work>"

    # -- Running it -------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, Report]:
        return self._reported().__await__()

    async def _reported(self) -> Report:
        async with self:
            outcomes = [outcome async for outcome in self]
        return attrs.evolve(self.report, outcomes=outcomes)

    async def __aenter__(self) -> Self:
        if self._running is not None:
            raise ConfigurationError("a batch runs once; make another one, with the same journal")
        if self._order.drain_on_interrupt:
            self._interrupts.enter_context(first_interrupt(self.drain))
        self._began = now()
        self._running = asyncio.create_task(self._run(), name="eversince batch")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._running is not None
        self._running.cancel()
        await asyncio.wait([self._running])
        await self._interrupts.aclose()
        self._seconds = now() - self._began

    async def __aiter__(self) -> AsyncIterator[Outcome]:
        """The outcomes as they come.

        Raises:
            JournalError: The journal fails; nothing is begun any more.
            DownloadFailed: The folder for the videos cannot be written; nothing was begun.
        """
        if self._running is None:
            raise ConfigurationError("open the batch with `async with` to follow its outcomes")
        while (outcome := await self._next(self._running)) is not None:
            yield outcome
        await self._running

    async def _next(self, running: "asyncio.Task[None]") -> Outcome | None:
        if self._outcomes.empty() and not running.done():
            getting = asyncio.create_task(self._outcomes.get())
            try:
                await asyncio.wait([getting, running], return_when=asyncio.FIRST_COMPLETED)
                if getting.done():
                    return getting.result()
            finally:
                getting.cancel()
        return None if self._outcomes.empty() else self._outcomes.get_nowait()

    def drain(self) -> None:
        """Begin nothing any more; bring to its end what has begun at the server. Ctrl-C does this."""
        self._pause.begins("drained: what had begun was brought to its end")

    # -- How it stands ----------------------------------------------------------------------------------

    @property
    def report(self) -> Report:
        """What came of it so far, without the outcomes."""
        seconds = now() - self._began if self._seconds is None else self._seconds
        return Report(
            counts=dict(self._tally.counts),
            left=max(0, (self._total or 0) - self._tally.counts.total()),
            paused=self._pause.reason,
            cause=self._pause.cause,
            packages=self._pause.packages,
            seconds=seconds,
            requests=self._usage.minutes,
            requests_per_minute=self._usage.limit,
            credits_spent=self._usage.credits_spent,
        )

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        likely = self._forecast()
        return Progress(
            total=self._total,
            taken=self._tally.taken,
            active=len(self._crew.works),
            counts=dict(self._tally.counts),
            earlier=self._tally.earlier,
            eta=None if likely is None else likely.middle,
            eta_range=None if likely is None else likely.nine_in_ten,
        )

    def _forecast(self) -> Forecast | None:
        if self._total is None:
            return None
        begun = sum(not work.may_be_dropped for work in self._crew.works)
        waiting = self._total - sum(self._tally.counts.values()) - begun
        renders = self._order.intake.wishes.render is not None
        return forecast(self._crew, waiting, self._desk.governor, renders=renders)

    # -- Inside -----------------------------------------------------------------------------------------

    async def _run(self) -> None:
        begun = WorkflowBegun(name="batch", key="batch", project_id=None)
        remembered = self._journal is not None
        with (
            BatchRun(self._desk.underway, self._crew, self.drain, is_remembered=remembered),
            around(self._desk.tracer, begun),
        ):
            await self._run_all()

    async def _run_all(self) -> None:
        if (folder := self._order.intake.wishes.download) is not None:
            await asyncio.to_thread(check_folder, Path(folder))
        async with AsyncExitStack() as stack:
            stack.enter_context(self._usage.counted(self._desk))
            journal = self._journal
            if journal is not None and self._order.opens_journal:
                await stack.enter_async_context(journal)
            if journal is not None:
                keep = functools.partial(self._crew.keep_leases, journal)
                await stack.enter_async_context(heartbeat(keep))
            stack.push_async_callback(self._crew.leave)
            if journal is not None:
                await count_what_was_spent(journal, self._desk.governor)
            await self._pause.learn_balance()
            try:
                await self._take()
            except Exception as failure:  # noqa: BLE001 - the caller's items; what was paid for comes first
                self._broken = failure
                self._crew.close()
            await self._crew.finish()
            await self._pause.learn_what_to_buy()
            await self._usage.learn_the_end(self._desk)
        if self._broken is not None:
            raise self._broken

    async def _take(self) -> None:
        """Take items until there are no more, or none is begun any more: a source may well wait for ever."""
        taking = asyncio.create_task(self._take_all())
        stopping = asyncio.create_task(self._crew.stopped.wait())
        try:
            await asyncio.wait([taking, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await ended([taking, stopping])
        if not taking.cancelled():
            taking.result()

    async def _take_all(self) -> None:
        """Take items as long as there is room."""
        async with aclosing(each(self._order.items)) as items:
            async for given in items:
                await self._crew.begin(self._order.intake.item(self._tally.taken, given))
                if self._crew.stopped.is_set():  # items that need no wait leave no moment to cancel us
                    return
                self._tally.taken += 1
        self._total = self._tally.taken

    async def _work(self, work: Work) -> None:
        try:
            outcome = await self._maker.outcome(work)
            if outcome.status == "succeeded" and work.age is not None:
                self._crew.pace.ended(work.age)
            await self._outcomes.put(outcome)
            self._tally.add(outcome)
        except JournalError as failure:
            self._broken = self._broken or failure
            self._crew.stop()
