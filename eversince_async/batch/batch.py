"""`Batch`: many videos, each made once, however often the process dies in between."""

import asyncio
import functools
from collections.abc import AsyncIterator, Generator, Sized
from contextlib import AsyncExitStack, aclosing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import attrs

from eversince_async.batch.closing import BatchRun
from eversince_async.batch.crew import UNLIMITED, ComesLast, Crew, Work, WorkedElsewhere, usual_places
from eversince_async.batch.interrupts import first_interrupt
from eversince_async.batch.item import each
from eversince_async.batch.maker import Maker
from eversince_async.batch.order import BatchOrder
from eversince_async.batch.outcome import Outcome, Progress, Report, Tally
from eversince_async.batch.outlook import forecast
from eversince_async.batch.pace import Forecast
from eversince_async.batch.pausing import LOOK as CREDITS_LOOK
from eversince_async.batch.pausing import Pause
from eversince_async.batch.usage import Usage
from eversince_async.errors import ConfigurationError, JournalError, UnexpectedCancellation, copy_of
from eversince_async.orchestrator.accounts import need_ours
from eversince_async.orchestrator.desk import Desk, now
from eversince_async.orchestrator.leases import heartbeat
from eversince_async.orchestrator.spending import learn_what_is_left
from eversince_async.orchestrator.targets import check_folder
from eversince_async.orchestrator.tracing import WorkflowBegun, around
from eversince_async.streams import Stream
from eversince_async.tasks import end, finish

DRAINED: Final = "drained: what had begun was brought to its end"
"""Why a batch has stopped that somebody drained."""


class Batch(AsyncIterator[Outcome]):
    """Many videos: await it for a report, or open it for the outcomes as they come.

        async with eversince.batch(briefs, journal="campaign.db") as batch:
            async for outcome in batch:
                print(outcome.key, outcome.status, outcome.share_url)

    It runs once. Leaving the block early cancels what is being waited for; the projects go on at the server,
    and the same batch with the same journal takes them up again. If the batch had failed by then, e.g. for
    its journal, and nobody was told, leaving raises that.
    """

    def __init__(self, desk: Desk, order: BatchOrder) -> None:
        self._desk = desk
        self._order = order
        self._journal = order.journal
        self._tally = Tally()
        self._crew = Crew(order.concurrency or usual_places(desk), self._work, self._is_held_up)
        self._pause = Pause(desk, order.max_credits, self._crew.stop)
        self._usage = Usage(desk.governor, order.journal)
        self._maker = Maker(desk, order, self._crew, self._pause, self._usage)
        self._broken: BaseException | None = None
        self._is_told = False
        self._outcomes = Stream[Outcome]()
        self._read = 0
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
        self._running.add_done_callback(lambda _: self._outcomes.end())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._running is not None
        try:
            await end(self._running)
        finally:
            await self._interrupts.aclose()
            self._seconds = now() - self._began
        failure = self._failure()
        if failure is None or self._is_told:
            return
        if exc is None:
            raise failure  # nobody asked how it ended, and it ended badly
        exc.add_note(f"The batch had failed as well: {failure!r}")

    def __aiter__(self) -> Self:
        """The outcomes as they come.

        A step that is cancelled, e.g. by a timeout, loses nothing: the next one goes on.

        Raises:
            JournalError: The journal fails; nothing is begun any more.
            OtherAccount: The journal is of another server or account; nothing was begun.
            DownloadFailed: The folder for the videos cannot be written; nothing was begun.
            UnexpectedCancellation: The source of the items ended with `CancelledError`: some may be missing.
        """
        if self._running is None:
            raise ConfigurationError("open the batch with `async with` to follow its outcomes")
        return self

    async def __anext__(self) -> Outcome:
        """The next outcome."""
        if self._running is None:
            raise ConfigurationError("open the batch with `async with` to follow its outcomes")
        async for outcome in self._outcomes:
            self._crew.has_room()
            return outcome
        failure = self._failure()
        if failure is None:
            raise StopAsyncIteration
        self._is_told = True
        raise copy_of(failure)

    def _failure(self) -> BaseException | None:
        """What the batch has failed of; None if it has not, or was left."""
        running = self._running
        if running is None or not running.done() or running.cancelled():
            return self._broken
        return running.exception()

    def drain(self) -> None:
        """Begin nothing any more; bring to its end what has begun at the server. Ctrl-C does this.

        What waits for a person, for another day, or for more than two minutes of a `run.sleep`, is not
        waited for: its outcome is `paused`.
        """
        self._pause.begins(DRAINED)
        self._crew.let_rests_go()

    # -- How it stands ----------------------------------------------------------------------------------

    @property
    def report(self) -> Report:
        """What came of it so far, without the outcomes."""
        seconds = now() - self._began if self._seconds is None else self._seconds
        return Report(
            counts=dict(self._tally.counts),
            left=max(0, (self._read if self._total is None else self._total) - self._tally.counts.total()),
            paused=self._why_paused(),
            cause=self._pause.cause,
            packages=self._pause.packages,
            seconds=self._usage.seconds,
            run_seconds=seconds,
            slots=self._usage.slots,
            requests=self._usage.minutes,
            requests_per_minute=self._usage.limit,
            credits_spent=self._usage.credits_spent,
            balance_fell=self._pause.spent,
            others=len(self._maker.meter.others),
            addresses=self._desk.store.addresses,
        )

    def _why_paused(self) -> str | None:
        """Why it stopped; drained, it says so if not all that had begun came to its end."""
        tally = self._tally
        if self._pause.reason != DRAINED or not tally.unfinished:
            return self._pause.reason
        why = "" if tally.first_trouble is None else f": {tally.first_trouble}"
        return f"drained: nothing more was begun, and {tally.unfinished} that had begun are not finished{why}"

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
            stack.push_async_callback(self._save_usage)
            stack.push_async_callback(self._crew.leave)
            if journal is not None:
                allowed = self._order.allow_other_account
                account = await need_ours(self._desk, journal, allow_other=allowed)
                await self._maker.begin(journal, account)
                await learn_what_is_left(journal, self._desk)
            await self._maker.prepare()
            await self._usage.begin()
            if journal is not None:
                await stack.enter_async_context(heartbeat(self._usage.save))
            await self._pause.learn_balance()
            await stack.enter_async_context(heartbeat(self._watch_credits, CREDITS_LOOK))
            try:
                await self._take()
            except Exception as failure:  # noqa: BLE001 - the caller's items; what was paid for comes first
                self._broken = failure
                self._crew.close()
            await self._crew.finish()
            await self._pause.learn_what_to_buy()
            await self._usage.learn_the_end(self._desk)
            await self._maker.keep_knowledge()
        if self._broken is not None:
            raise self._broken

    async def _save_usage(self) -> None:
        with suppress(JournalError):  # what was made matters more
            await finish(self._usage.end())

    async def _take(self) -> None:
        """Take items until there are no more, or none is begun any more: a source may well wait for ever."""
        taking = asyncio.create_task(self._take_all())
        stopping = asyncio.create_task(self._crew.stopped.wait())
        try:
            await asyncio.wait([taking, stopping], return_when=asyncio.FIRST_COMPLETED)
            is_over = taking.done()
        finally:
            await end(taking, stopping)
        if not taking.cancelled():
            taking.result()
        elif is_over:  # nobody here has cancelled it
            raise UnexpectedCancellation("the source of items")

    async def _take_all(self) -> None:
        """Take items as long as there is room."""
        async with aclosing(each(self._order.items)) as items:
            async for given in items:
                self._read += 1
                item = self._order.intake.item(self._tally.taken, given)
                await self._crew.begin(self._maker.named(item))
                if self._crew.stopped.is_set():  # items that need no wait leave no moment to cancel us
                    return
                self._tally.taken += 1
        self._total = self._tally.taken

    async def _watch_credits(self) -> None:
        """Look at the balance while something may cost, if it matters."""
        if self._crew.is_under_way:
            await self._maker.watch_credits()

    def _is_held_up(self) -> bool:
        """Whether outcomes pile up: who does not take them holds up the intake."""
        return len(self._outcomes) >= max(UNLIMITED, self._crew.places)

    async def _work(self, work: Work) -> None:
        try:
            outcome = await self._maker.outcome(work)
            if outcome.status == "succeeded" and work.age is not None:
                self._crew.pace.ended(work.age)
            self._tally.add(outcome)
            self._outcomes.put(outcome)
        except (WorkedElsewhere, ComesLast, asyncio.CancelledError):
            raise
        except (KeyboardInterrupt, SystemExit, GeneratorExit):  # the interpreter, or the loop, is to end
            raise
        except BaseException as failure:  # noqa: BLE001 - e.g. what a test that has failed raises
            self._broken = self._broken or failure
            self._crew.stop()
