"""`Batch`: many videos, each made once even if the process dies."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence, Sized
from contextlib import AsyncExitStack, aclosing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import attrs

from eversince_async._signals import on_first_sigint
from eversince_async.account.identity import need_ours
from eversince_async.batch.estimate import estimate_completion
from eversince_async.batch.items import BatchOptions, iterate
from eversince_async.batch.limits import LOOK as CREDITS_LOOK
from eversince_async.batch.limits import StopCondition
from eversince_async.batch.outcome import Counts, Outcome, Progress
from eversince_async.batch.report import Report
from eversince_async.batch.runner import ItemRunner
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

DRAINED: Final = "drained: everything that had started was completed"
"""The reason that a batch reports after a drain."""


class Batch(AsyncIterator[Outcome]):
    """A batch of videos: awaitable for a report, iterable for the outcomes.

        async with eversince.batch(briefs, journal="campaign.db") as batch:
            async for outcome in batch:
                print(outcome.key, outcome.status, outcome.share_url)

    A batch runs once. Leaving the block early cancels all waits; the projects go on at the server, and the
    same batch with the same journal resumes them. If the batch has failed, e.g. because of its journal, and
    the caller has not received the error, leaving the block raises it.
    """

    def __init__(self, runtime: Runtime, options: BatchOptions) -> None:
        self._runtime = runtime
        self._options = options
        self._journal = options.journal
        self._tally = Counts()
        self._workers = WorkerPool(
            options.concurrency or default_concurrency(runtime), self._process, self._is_held_up
        )
        self._pause = StopCondition(runtime, options.max_credits, self._workers.stop)
        self._usage = UsageRecorder(runtime.governor, options.journal)
        self._runner = ItemRunner(runtime, options, self._workers, self._pause, self._usage)
        self._error: BaseException | None = None
        self._is_error_raised = False
        self._outcomes = Stream[Outcome]()
        self._read = 0
        self._total = len(options.items) if isinstance(options.items, Sized) else None
        self._running: asyncio.Task[None] | None = None
        self._interrupts = AsyncExitStack()
        self._began = 0.0
        self._elapsed: float | None = None

    def __repr__(self) -> str:
        of = "" if self._total is None else f" of {self._total}"
        return (
            f"<Batch {sum(self._tally.counts.values())}{of} items done, {len(self._workers.active)} at work>"
        )

    # -- Running ----------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, Report]:
        return self._collect().__await__()

    async def _collect(self) -> Report:
        async with self:
            outcomes = [outcome async for outcome in self]
        return attrs.evolve(self.report, outcomes=outcomes)

    async def __aenter__(self) -> Self:
        if self._running is not None:
            raise ConfigurationError("a batch runs once; make another one, with the same journal")
        if self._options.drain_on_interrupt:
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
        if failure is None or self._is_error_raised:
            return
        if exc is None:
            raise failure  # the caller has not received the error
        exc.add_note(f"The batch had failed as well: {failure!r}")

    def __aiter__(self) -> Self:
        """Return the batch itself, which yields the outcomes as they come.

        Cancelling one step of the iteration, e.g. by a timeout, loses nothing: the next step continues.

        Raises:
            JournalError: The journal failed; the batch starts nothing more.
            OtherAccount: The journal belongs to another server or account; the batch started nothing.
            DownloadFailed: The folder for the videos cannot be written; the batch started nothing.
            UnexpectedCancellation: The source of the items ended with `CancelledError`; items may be missing.
        """
        if self._running is None:
            raise ConfigurationError("open the batch with `async with` to follow its outcomes")
        return self

    async def __anext__(self) -> Outcome:
        """Wait for the next outcome and return it."""
        if self._running is None:
            raise ConfigurationError("open the batch with `async with` to follow its outcomes")
        async for outcome in self._outcomes:
            self._workers.has_room()
            return outcome
        failure = self._failure()
        if failure is None:
            raise StopAsyncIteration
        self._is_error_raised = True
        raise copy_of(failure)

    def _failure(self) -> BaseException | None:
        """Return the error that ended the batch.

        None if the batch has not failed, or if the caller has left the block early.
        """
        running = self._running
        if running is None or not running.done() or running.cancelled():
            return self._error
        return running.exception()

    def drain(self) -> None:
        """Start nothing more, and complete what has started at the server.

        Ctrl-C does this. The batch does not wait for an item that needs a person, the daily reset, or more
        than two minutes of a `run.sleep`: the outcome of such an item is `paused`.
        """
        self._pause.trigger(DRAINED)
        self._workers.let_rests_go()

    # -- Status -----------------------------------------------------------------------------------------

    @property
    def report(self) -> Report:
        """The result so far, without the outcomes."""
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
        """Return the reason why the batch stopped; None if it has not.

        After a drain, the reason says how many started items are unfinished, if there are any.
        """
        tally = self._tally
        if self._pause.reason != DRAINED or not tally.unfinished:
            return self._pause.reason
        why = "" if tally.first_trouble is None else f": {tally.first_trouble}"
        return f"drained: nothing more was started, and {tally.unfinished} started items are unfinished{why}"

    @property
    def progress(self) -> Progress:
        """The counts so far, and the estimated time to the end."""
        estimate = self._forecast()
        return Progress(
            total=self._total,
            items_read=self._tally.items_read,
            active=len(self._workers.active),
            counts=dict(self._tally.counts),
            recorded=self._tally.recorded,
            eta=None if estimate is None else estimate.median,
            eta_range=None if estimate is None else estimate.interval_90,
        )

    def _forecast(self) -> CompletionEstimate | None:
        if self._total is None:
            return None
        in_progress = sum(not work.is_unstarted for work in self._workers.active)
        waiting = self._total - sum(self._tally.counts.values()) - in_progress
        renders = self._options.parser.delivery.render is not None
        return estimate_completion(self._workers, waiting, self._runtime.governor, renders=renders)

    # -- Inside -----------------------------------------------------------------------------------------

    async def _run(self) -> None:
        start = WorkflowStarted(name="batch", key="batch", project_id=None)
        has_journal = self._journal is not None
        with (
            BatchRun(self._runtime.registry, self._workers, self.drain, is_remembered=has_journal),
            trace_workflow(self._runtime.tracer, start),
        ):
            await self._run_all()

    async def _run_all(self) -> None:
        if (folder := self._options.parser.delivery.download) is not None:
            await asyncio.to_thread(check_folder, Path(folder))
        async with AsyncExitStack() as stack:
            stack.enter_context(self._usage.recording(self._runtime))
            journal = self._journal
            if journal is not None and self._options.opens_journal:
                await stack.enter_async_context(journal)
            if journal is not None:
                renew = functools.partial(self._workers.renew_leases, journal)
                await stack.enter_async_context(renew_leases(renew))
            stack.push_async_callback(self._save_usage)
            stack.push_async_callback(self._workers.cancel_all)
            if journal is not None:
                allowed = self._options.allow_other_account
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
            except Exception as failure:  # noqa: BLE001 - the caller's iterable; items paid for come first
                self._error = failure
                self._workers.stop_accepting()
            await self._workers.join()
            await self._pause.fetch_packages()
            await self._usage.record_final_balance(self._runtime)
            await self._runner.keep_knowledge()
        if self._error is not None:
            raise self._error

    async def _save_usage(self) -> None:
        with suppress(JournalError):  # the outcomes matter more than the usage
            await finish(self._usage.end())

    async def _read_items(self) -> None:
        """Read items until the source ends or the batch stops.

        A stop cancels the reading, because a source may wait for ever.
        """
        taking = asyncio.create_task(self._read_all_items())
        stopping = asyncio.create_task(self._workers.stopped.wait())
        try:
            await asyncio.wait([taking, stopping], return_when=asyncio.FIRST_COMPLETED)
            is_over = taking.done()
        finally:
            await end(taking, stopping)
        if not taking.cancelled():
            taking.result()
        elif is_over:  # this method has not cancelled the task
            raise UnexpectedCancellation("the source of items")

    async def _read_all_items(self) -> None:
        """Read items as long as the worker pool has room for them."""
        async with aclosing(iterate(self._options.items)) as items:
            async for given in items:
                self._read += 1
                item = self._options.parser.parse(self._tally.items_read, given)
                await self._workers.submit(self._runner.with_shared_key(item))
                if self._workers.stopped.is_set():  # a source that never waits cannot be cancelled
                    return
                self._tally.items_read += 1
        self._total = self._tally.items_read

    async def _watch_credits(self) -> None:
        """Refresh the balance while items are active, if credits need watching."""
        if self._workers.is_active:
            await self._runner.watch_credits()

    def _is_held_up(self) -> bool:
        """Return True if too many outcomes wait to be taken.

        A caller that takes no outcomes thus holds up the reading of items.
        """
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
        except (KeyboardInterrupt, SystemExit, GeneratorExit):  # the interpreter or the event loop ends
            raise
        except BaseException as failure:  # noqa: BLE001 - e.g. the exception of a failing test
            self._error = self._error or failure
            self._workers.stop()


class BatchRun(ActiveRun):
    """The registry's entry for a batch while the batch runs.

    Args:
        registry: The client's registry of everything that runs.
        workers: The batch's worker pool.
        drain: Stops the batch from starting anything more.
        is_remembered: True if the batch has a journal, with which the same batch resumes.
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
        """Stop the batch from starting anything more."""
        self._drain()

    def interrupt(self) -> None:
        """End the batch, and record the productions that are in progress.

        The productions are known only until the batch ends.
        """
        self._left = self._left or tuple(self._iter_unfinished())
        super().interrupt()

    def unfinished(self) -> Sequence[UnfinishedProduction]:
        """Return the productions that were in progress when the batch was ended.

        The work of pipelines is left out: only the journal can describe it.
        """
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
