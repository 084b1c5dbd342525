"""`Batch`: many videos, each made once, however often the process dies in between."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence, Sized
from contextlib import AsyncExitStack, aclosing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import attrs

from eversince_async.account.identity import need_ours
from eversince_async.batch.estimate import estimate_completion
from eversince_async.batch.items import BatchOptions, iterate
from eversince_async.batch.limits import LOOK as CREDITS_LOOK
from eversince_async.batch.limits import StopCondition
from eversince_async.batch.outcome import Counts, Outcome, Progress, Report
from eversince_async.batch.runner import ItemRunner
from eversince_async.batch.signals import on_first_sigint
from eversince_async.batch.throughput import CompletionEstimate
from eversince_async.batch.usage import UsageRecorder
from eversince_async.batch.workers import (
    DEFAULT_WORKERS,
    ActiveItem,
    ComesLast,
    ItemLocked,
    WorkerPool,
    default_concurrency,
)
from eversince_async.durable.api import loop_time
from eversince_async.durable.lease import renew_leases
from eversince_async.errors import ConfigurationError, JournalError, UnexpectedCancellation, copy_of
from eversince_async.orchestrator.handle import Handle
from eversince_async.orchestrator.recovery import learn_what_is_left
from eversince_async.orchestrator.registry import ActiveRun, RunRegistry, UnfinishedProduction
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.orchestrator.tracing import WorkflowStarted, trace_workflow
from eversince_async.streams import Stream
from eversince_async.tasks import end, finish
from eversince_async.transfers.target import check_folder

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

    def __init__(self, runtime: Runtime, order: BatchOptions) -> None:
        self._runtime = runtime
        self._order = order
        self._journal = order.journal
        self._tally = Counts()
        self._workers = WorkerPool(
            order.concurrency or default_concurrency(runtime), self._process, self._is_held_up
        )
        self._pause = StopCondition(runtime, order.max_credits, self._workers.stop)
        self._usage = UsageRecorder(runtime.governor, order.journal)
        self._runner = ItemRunner(runtime, order, self._workers, self._pause, self._usage)
        self._error: BaseException | None = None
        self._is_told = False
        self._outcomes = Stream[Outcome]()
        self._read = 0
        self._total = len(order.items) if isinstance(order.items, Sized) else None
        self._running: asyncio.Task[None] | None = None
        self._interrupts = AsyncExitStack()
        self._began = 0.0
        self._elapsed: float | None = None

    def __repr__(self) -> str:
        of = "" if self._total is None else f" of {self._total}"
        return (
            f"<Batch {sum(self._tally.counts.values())}{of} items done, {len(self._workers.active)} at work>"
        )

    # -- Running it -------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, Report]:
        return self._collect().__await__()

    async def _collect(self) -> Report:
        async with self:
            outcomes = [outcome async for outcome in self]
        return attrs.evolve(self.report, outcomes=outcomes)

    async def __aenter__(self) -> Self:
        if self._running is not None:
            raise ConfigurationError("a batch runs once; make another one, with the same journal")
        if self._order.drain_on_interrupt:
            self._interrupts.enter_context(on_first_sigint(self.drain))
        self._began = loop_time()
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
            self._elapsed = loop_time() - self._began
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
            self._workers.has_room()
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
            return self._error
        return running.exception()

    def drain(self) -> None:
        """Begin nothing any more; bring to its end what has begun at the server. Ctrl-C does this.

        What waits for a person, for another day, or for more than two minutes of a `run.sleep`, is not
        waited for: its outcome is `paused`.
        """
        self._pause.trigger(DRAINED)
        self._workers.let_rests_go()

    # -- How it stands ----------------------------------------------------------------------------------

    @property
    def report(self) -> Report:
        """What came of it so far, without the outcomes."""
        seconds = loop_time() - self._began if self._elapsed is None else self._elapsed
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
            balance_fell=self._pause.credits_spent,
            others=len(self._runner.meter.others),
            addresses=self._runtime.store.addresses,
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
            items_read=self._tally.items_read,
            active=len(self._workers.active),
            counts=dict(self._tally.counts),
            is_recorded=self._tally.is_recorded,
            eta=None if likely is None else likely.median,
            eta_range=None if likely is None else likely.interval_90,
        )

    def _forecast(self) -> CompletionEstimate | None:
        if self._total is None:
            return None
        begun = sum(not work.is_unstarted for work in self._workers.active)
        waiting = self._total - sum(self._tally.counts.values()) - begun
        renders = self._order.parser.delivery.render is not None
        return estimate_completion(self._workers, waiting, self._runtime.governor, renders=renders)

    # -- Inside -----------------------------------------------------------------------------------------

    async def _run(self) -> None:
        begun = WorkflowStarted(name="batch", key="batch", project_id=None)
        remembered = self._journal is not None
        with (
            BatchRun(self._runtime.registry, self._workers, self.drain, is_remembered=remembered),
            trace_workflow(self._runtime.tracer, begun),
        ):
            await self._run_all()

    async def _run_all(self) -> None:
        if (folder := self._order.parser.delivery.download) is not None:
            await asyncio.to_thread(check_folder, Path(folder))
        async with AsyncExitStack() as stack:
            stack.enter_context(self._usage.recording(self._runtime))
            journal = self._journal
            if journal is not None and self._order.opens_journal:
                await stack.enter_async_context(journal)
            if journal is not None:
                keep = functools.partial(self._workers.renew_leases, journal)
                await stack.enter_async_context(renew_leases(keep))
            stack.push_async_callback(self._save_usage)
            stack.push_async_callback(self._workers.cancel_all)
            if journal is not None:
                allowed = self._order.allow_other_account
                account = await need_ours(self._runtime, journal, allow_other=allowed)
                await self._runner.begin(journal, account)
                await learn_what_is_left(journal, self._runtime)
            await self._runner.prepare()
            await self._usage.begin()
            if journal is not None:
                await stack.enter_async_context(renew_leases(self._usage.save))
            await self._pause.fetch_balance()
            await stack.enter_async_context(renew_leases(self._watch_credits, CREDITS_LOOK))
            try:
                await self._read_items()
            except Exception as failure:  # noqa: BLE001 - the caller's items; what was paid for comes first
                self._error = failure
                self._workers.stop_accepting()
            await self._workers.join()
            await self._pause.fetch_packages()
            await self._usage.record_final_balance(self._runtime)
            await self._runner.keep_knowledge()
        if self._error is not None:
            raise self._error

    async def _save_usage(self) -> None:
        with suppress(JournalError):  # what was made matters more
            await finish(self._usage.end())

    async def _read_items(self) -> None:
        """Take items until there are no more, or none is begun any more: a source may well wait for ever."""
        taking = asyncio.create_task(self._read_all_items())
        stopping = asyncio.create_task(self._workers.stopped.wait())
        try:
            await asyncio.wait([taking, stopping], return_when=asyncio.FIRST_COMPLETED)
            is_over = taking.done()
        finally:
            await end(taking, stopping)
        if not taking.cancelled():
            taking.result()
        elif is_over:  # nobody here has cancelled it
            raise UnexpectedCancellation("the source of items")

    async def _read_all_items(self) -> None:
        """Take items as long as there is room."""
        async with aclosing(iterate(self._order.items)) as items:
            async for given in items:
                self._read += 1
                item = self._order.parser.parse(self._tally.items_read, given)
                await self._workers.submit(self._runner.with_shared_key(item))
                if self._workers.stopped.is_set():  # items that need no wait leave no moment to cancel us
                    return
                self._tally.items_read += 1
        self._total = self._tally.items_read

    async def _watch_credits(self) -> None:
        """Look at the balance while something may cost, if it matters."""
        if self._workers.is_active:
            await self._runner.watch_credits()

    def _is_held_up(self) -> bool:
        """Whether outcomes pile up: who does not take them holds up the intake."""
        return len(self._outcomes) >= max(DEFAULT_WORKERS, self._workers.concurrency)

    async def _process(self, work: ActiveItem) -> None:
        try:
            outcome = await self._runner.run(work)
            if outcome.status == "succeeded" and work.age is not None:
                self._workers.pace.record(work.age)
            self._tally.add(outcome)
            self._outcomes.put(outcome)
        except (ItemLocked, ComesLast, asyncio.CancelledError):
            raise
        except (KeyboardInterrupt, SystemExit, GeneratorExit):  # the interpreter, or the loop, is to end
            raise
        except BaseException as failure:  # noqa: BLE001 - e.g. what a test that has failed raises
            self._error = self._error or failure
            self._workers.stop()


class BatchRun(ActiveRun):
    """Around a batch while it runs.

    Args:
        registry: What runs in its client.
        workers: Its items at work.
        drain: Has it begin nothing any more.
        is_remembered: Whether it has a journal, with which the same batch goes on.
    """

    __slots__ = ("_drain", "_is_remembered", "_left", "_workers")

    def __init__(
        self, registry: RunRegistry, workers: WorkerPool, drain: Callable[[], object], *, is_remembered: bool
    ) -> None:
        super().__init__(registry)
        self._workers = workers
        self._drain = drain
        self._is_remembered = is_remembered
        self._left: tuple[UnfinishedProduction, ...] = ()

    def drain(self) -> None:
        """Begin nothing any more."""
        self._drain()

    def interrupt(self) -> None:
        """End it; what was at work is known only until then."""
        self._left = self._left or tuple(self._iter_unfinished())
        super().interrupt_all()

    def unfinished(self) -> Sequence[UnfinishedProduction]:
        """What was at work when it was ended; what a pipeline does is only its journal's to tell."""
        return self._left

    def _iter_unfinished(self) -> Iterator[UnfinishedProduction]:
        for work in self._workers.active:
            steps, item = work.steps, work.item
            if steps is None or item.brief is None:
                continue
            brief = attrs.evolve(item.brief, idempotency_key=steps.key)
            handle = Handle(
                key=steps.key,
                project_id=steps.project_id,
                delivery=item.to_do,
                brief=None if steps.project_id is not None else brief,
            )
            yield UnfinishedProduction(handle, is_resumable_by_handle=not self._is_remembered)
