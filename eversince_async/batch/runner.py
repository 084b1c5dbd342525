"""`ItemRunner`: execution of one item, under its job in a journal."""

import asyncio
import functools
from collections.abc import Sized
from contextlib import suppress

import attrs

from eversince_async.account.costs import kind_of_film
from eversince_async.account.knowledge import Knowledge
from eversince_async.account.meter import Meter
from eversince_async.account.quality_gate import QualityGate, is_rendered, may_render_otherwise
from eversince_async.batch.credit_reserve import CreditReserve
from eversince_async.batch.delivery import is_complete, missing_files
from eversince_async.batch.execution import run_item
from eversince_async.batch.failures import (
    comes_last,
    failure_to_json,
    next_attempt,
    outcome_status,
    stops_batch,
)
from eversince_async.batch.items import BatchOptions, Item
from eversince_async.batch.limits import StopCondition
from eversince_async.batch.outcome import Outcome, new_outcome, recorded_outcome, result_to_json
from eversince_async.batch.shared_keys import Naming
from eversince_async.batch.timeline import SlotNumbering, recorder_for
from eversince_async.batch.usage import UsageRecorder, merge_usage
from eversince_async.batch.workers import ActiveItem, ComesLast, ItemLocked, WorkerPool
from eversince_async.durable.status import FINISHED, RUNNING, WAITING
from eversince_async.errors import (
    ApprovalPending,
    BelongsToAnother,
    InDoubt,
    JournalError,
    JournalLocked,
    PipelineChanged,
    QualityRefused,
    SpecChanged,
    UnexpectedCancellation,
)
from eversince_async.journal import Job, JobChange, Journal, Json
from eversince_async.journal.fields import UnreadableRow
from eversince_async.orchestrator.events import Event
from eversince_async.orchestrator.project import ProjectOperations
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.orchestrator.tracing import WorkflowStarted, trace_workflow
from eversince_async.pipelines.runner import next_attempt as pipeline_again
from eversince_async.report.stages import stages_to_json
from eversince_async.session.hooks import notify
from eversince_async.tasks import finish, is_cancelled


class ItemRunner:
    """The execution of a batch's items.

    Args:
        runtime: The client's runtime.
        options: The options of the batch.
        workers: The worker pool, which receives the items' events.
        pause: The stop condition, which receives failures that concern all items.
        usage: The recorder of the account's use.

    Attributes:
        meter: Measures the costs of videos.
    """

    def __init__(
        self,
        runtime: Runtime,
        options: BatchOptions,
        workers: WorkerPool,
        pause: StopCondition,
        usage: UsageRecorder,
    ) -> None:
        self._runtime = runtime
        self._options = options
        self._journal = options.journal
        self._workers = workers
        self._pause = pause
        self._usage = usage
        self._numbers = SlotNumbering()
        self._first_change = 0
        self._gate = QualityGate(runtime.entitlements)
        self._credit_reserve = CreditReserve(
            runtime, pause, options.max_credits, _max_active_items(runtime, options, workers)
        )
        self.meter = Meter(runtime.governor, runtime.costs)
        self._knowledge = Knowledge(runtime.entitlements, runtime.costs)
        self._naming = Naming()

    async def prepare(self) -> None:
        """Learn the name that the items share with other machines.

        Raises:
            JournalError: The journal cannot be read.
        """
        options = self._options
        self._naming = await Naming.of(
            options.idempotent_as, self._journal, is_told_to_share=options.is_told_to_share
        )

    def with_shared_key(self, item: Item) -> Item:
        """Return the item with the idempotency key that other machines share."""
        return self._naming.with_shared_key(item)

    async def begin(self, journal: Journal, account: str) -> None:
        """Record the journal's position and recall what earlier runs learned.

        Changes after that position belong to no earlier run.

        Args:
            journal: The journal.
            account: The journal's name for the account.
        """
        self._first_change = await journal.changes()
        await self._knowledge.recall(journal, account, asks_again=self._options.retry_failed)

    async def run(self, work: ActiveItem) -> Outcome:
        """Execute one item to its end.

        Raises:
            ItemLocked: Another process is working on the item.
            ComesLast: The item has stopped an earlier run, so other items go first.
            JournalError: The journal failed; nothing more can be done.
        """
        item, job, existing = work.item, None, None
        if item.error is not None:
            return new_outcome(work, "failed", error=item.error)
        if work.is_skipped:
            return new_outcome(work, "paused")
        try:
            await self._pause.learn_balance_again()
            if self._pause.reason is not None:
                return new_outcome(work, "paused")
            existing = None if self._journal is None else await self._journal.load(item.key)
            quality = await self._requested_quality(item, existing)
            is_paid, is_over = self._is_paid(item, existing), self._is_over(existing)
            kind = _kind_of(item)
            async with (
                self._gate.turn(quality, is_paid=is_paid),
                self._credit_reserve.turn(item.key, kind, is_paid=is_paid or is_over),
            ):
                if self._pause.reason is not None:
                    return new_outcome(work, "paused")
                if self._journal is not None:
                    existing = None
                    job = await self._acquire_job(self._journal, work)
                    if job.stage in FINISHED and work.missing is None:
                        self._usage.merge(job.result)
                        return recorded_outcome(work, job, self._runtime, await missing_files(job))
                with self.meter.film(None if is_paid else kind):
                    outcome = await self._execute(work, job)
                    self._credit_reserve.ends(kind, outcome, is_paid=is_paid)
                    outcome = await self._learn_cost(outcome)
                return await self._learn_quality(outcome, quality)
        except QualityRefused as failure:  # nothing was done before this, so no lease is held
            return new_outcome(work, "paused", job=existing, error=failure)
        except SpecChanged as failure:
            return new_outcome(work, "failed", error=failure)
        except asyncio.CancelledError as cancelled:
            if not is_cancelled():
                return await self._record_failure(work, job, _unexpected_cancellation(item, cancelled))
            if self._journal is not None and job is not None:
                await finish(self._release_cancelled(self._journal, work, job))
            if work.is_skipped:
                return new_outcome(work, "paused", job=job)
            if work.has_lost_lease:
                raise ItemLocked from None
            raise
        except UnreadableRow as failure:  # the row stays, to be repaired from a copy; others are usable
            if self._journal is not None and work.is_leased:
                await self._release(self._journal, work)
            return new_outcome(work, "failed", job=job, error=failure)
        except (ItemLocked, ComesLast, JournalError):
            raise
        except Exception as failure:  # noqa: BLE001 - an odd journal record concerns this item alone
            if self._journal is not None and work.is_leased:
                await self._release(self._journal, work)
            problem = f"the journal's record of {item.key!r} cannot be read: {failure!r}"
            return new_outcome(work, "failed", job=job, error=JournalError(problem))
        except GeneratorExit:  # the event loop is gone
            raise
        except BaseException:  # e.g. the interpreter ends, or a test has failed
            if self._journal is not None and job is not None and work.is_leased:
                await finish(self._release_cancelled(self._journal, work, job))
            raise
        finally:
            if work.record is not None:
                work.record.close()

    async def watch_credits(self) -> None:
        """Fetch the balance, if credits need watching."""
        await self._pause.learn_balance_again()
        self._credit_reserve.look_again()

    async def _learn_cost(self, outcome: Outcome) -> Outcome:
        self.meter.complete(succeeded=outcome.status == "succeeded")
        await self._pause.learn_what_it_cost()
        self.meter.update()
        return outcome

    def _is_over(self, job: Job | None) -> bool:
        """Return True if an earlier run ended the item for good.

        This run then does not retry it.
        """
        if job is None or job.stage not in FINISHED:
            return False
        return not (job.stage == "failed" and self._options.retry_failed)

    def _is_paid(self, item: Item, job: Job | None) -> bool:
        """Return True if the item resumes a project of an earlier run.

        Raises:
            UnreadableRow: The stored failure cannot be read.
        """
        if job is None or job.project_id is None:
            return False
        is_retried = job.stage == "failed" and self._options.retry_failed and item.call is None
        return not is_retried or next_attempt(job).project_id is not None

    async def _requested_quality(self, item: Item, job: Job | None) -> str | None:
        """Return the quality that the item will render in, or None.

        None if the item needs no render, or had it already.
        """
        quality = item.delivery.render
        if quality is None or job is None or self._journal is None:
            return quality
        return None if self._is_over(job) or await is_rendered(self._journal, job) else quality

    async def _learn_quality(self, outcome: Outcome, quality: str | None) -> Outcome:
        """Share what the item shows about the account's right to qualities.

        Other items of this run and later runs use it.
        """
        self._credit_reserve.complete(outcome)
        if outcome.status == "succeeded":
            self._gate.was_made(quality)
        await self.keep_knowledge()
        return outcome

    async def keep_knowledge(self) -> None:
        """Store what this run has learned about the account, for later runs."""
        self.meter.update()
        if self._journal is not None:
            await self._knowledge.keep(self._journal)

    async def _put(self, journal: Journal, item: Item) -> Job:
        """Return the item's job, creating it if necessary.

        A job without a render accepts another quality.

        Raises:
            SpecChanged: The item's key was used for something else.
            ItemLocked: Another process is working on the item.
        """
        try:
            return await journal.put(item.key, item.spec, stage=RUNNING)
        except SpecChanged:
            job = await journal.load(item.key)
            if job is None or not await may_render_otherwise(journal, job, item.spec):
                raise
        try:
            await journal.acquire(job.id)
        except JournalLocked:
            raise ItemLocked from None
        new_job = await finish(journal.change(job.id, JobChange(spec=item.spec, release=True)))
        return attrs.evolve(new_job, updated_change=job.updated_change)  # its result is as old as before

    async def _acquire_job(self, journal: Journal, work: ActiveItem) -> Job:
        """Return the item's job, leased if there is anything to do.

        Raises:
            SpecChanged: The item's key was used for something else.
            ItemLocked: Another process is working on the item.
            ComesLast: The item has stopped an earlier run, so other items go first.
        """
        item = work.item
        job = await self._put(journal, item)
        if comes_last(job) and not work.is_last:
            raise ComesLast
        # If the job failed after this batch began, another process has retried it: once is enough.
        is_retried = (
            self._options.retry_failed and job.stage == "failed" and job.updated_change <= self._first_change
        )
        if job.stage == "succeeded":
            if is_complete(item, job):
                return await self._with_its_files(journal, work, job)
            is_retried = True  # the job was recorded as finished, and lacks a page or a file
        elif job.stage in FINISHED and not is_retried:
            return job
        try:
            job = await journal.acquire(job.id)
        except JournalLocked:
            raise ItemLocked from None
        work.is_leased = True
        try:
            if is_retried and job.stage == "failed":
                again = next_attempt if item.call is None else pipeline_again
                job = await journal.change(job.id, again(job))
            elif job.stage == "succeeded" and not is_complete(item, job):
                job = await journal.change(job.id, JobChange(stage=RUNNING))
        except BaseException:
            await self._release(journal, work)
            raise
        if job.stage in FINISHED:  # another process ended the item just before this one got the lease
            await self._release(journal, work)
        return job

    async def _with_its_files(self, journal: Journal, work: ActiveItem, job: Job) -> Job:
        """Return a finished job, leased if a file needs a new download."""
        missing = await missing_files(job) if self._options.refetch else ()
        if not missing:
            return job
        try:
            job = await journal.acquire(job.id)
        except JournalLocked:
            raise ItemLocked from None
        work.is_leased, work.missing = True, missing[0]
        return job

    async def _release(self, journal: Journal, work: ActiveItem) -> None:
        """Release a lease that was just acquired."""
        work.is_leased = False
        with suppress(JournalError):  # the lease runs out
            await finish(journal.release(work.item.key))

    async def _release_cancelled(self, journal: Journal, work: ActiveItem, job: Job) -> None:
        """Release a cancelled item's job, with its stages so far."""
        # The job may have ended, or another process may have it already; and there is no caller left to
        # receive an error of the journal.
        with suppress(JournalError):
            if work.record is None or work.missing is not None:
                await journal.release(job.id)
            else:
                await journal.change(job.id, JobChange(result=self._result_to_store(work, job), release=True))

    def _result_to_store(self, work: ActiveItem, job: Job | None) -> dict[str, Json]:
        """Return the values for the report that the journal stores."""
        stages = () if work.record is None else work.record.stages
        earlier = None if job is None else job.result
        return {"stages": stages_to_json(stages), **merge_usage(earlier, self._usage.take_unsaved())}

    async def _execute(self, work: ActiveItem, job: Job | None) -> Outcome:
        record = work.record = await recorder_for(job, self._journal, self._numbers, self._first_change)
        if job is not None:
            self._usage.merge(job.result)
            if job.created_change <= self._first_change and work.missing is None:
                await self._usage.learn_the_beginning(self._runtime)

        def on_start(steps: ProjectOperations) -> None:
            work.steps = steps

        def emit(event: Event) -> None:
            record.on_event(event)
            self._workers.on_event(work, event)
            self._usage.record_balance()
            self._pause.check_credits()
            self.meter.update()
            self._credit_reserve.update(work.item.key, None if work.steps is None else work.steps.project_id)
            trace(event)
            if self._options.on_event is not None:
                notify(functools.partial(self._options.on_event, work.item.key), event)

        start = WorkflowStarted(name="item", key=work.item.key, project_id=None)
        try:
            with trace_workflow(self._runtime.tracer, start) as trace:
                made = await run_item(
                    self._runtime,
                    work.item,
                    self._options.policy,
                    job=job,
                    journal=self._journal,
                    emit=emit,
                    on_start=on_start,
                    stopping_since=lambda: self._workers.stopped_at,
                    missing=work.missing,
                )
            result = {**result_to_json(work, made, self._runtime), **self._result_to_store(work, job)}
        except PipelineChanged:
            await self._record_end(work, job, JobChange())  # no failure: the run resumes with its old code
            raise
        except JournalLocked:
            raise ItemLocked from None
        except JournalError as failure:
            if not isinstance(failure, InDoubt | BelongsToAnother):
                raise
            return await self._record_failure(work, job, failure)
        except Exception as failure:  # noqa: BLE001 - any failure concerns this item alone
            return await self._record_failure(work, job, failure)
        await self._record_end(work, job, JobChange(stage="succeeded", result=result, error=None))
        return new_outcome(work, "succeeded", job=job, made=made)

    async def _record_failure(self, work: ActiveItem, job: Job | None, failure: Exception) -> Outcome:
        status = outcome_status(failure)
        stage: str = RUNNING if status == "paused" else status
        if isinstance(failure, ApprovalPending):
            stage = WAITING
        change = JobChange(
            stage=stage, error=failure_to_json(failure), result=self._result_to_store(work, job)
        )
        # A finished item remains finished if only the new download of its file failed.
        await self._record_end(work, job, change if work.missing is None else JobChange())
        if stops_batch(failure):
            self._pause.trigger(str(failure), failure)
        return new_outcome(work, status, job=job, error=failure)

    async def _record_end(self, work: ActiveItem, job: Job | None, change: JobChange) -> None:
        work.is_leased = False
        if self._journal is not None and job is not None:
            try:
                await finish(self._journal.change(job.id, attrs.evolve(change, release=True)))
            except JournalLocked:
                raise ItemLocked from None


def _max_active_items(runtime: Runtime, options: BatchOptions, workers: WorkerPool) -> int:
    """Return the number of items that can be active at once."""
    slots = runtime.governor.limits.active_projects or workers.concurrency
    count = len(options.items) if isinstance(options.items, Sized) else slots
    return min(slots, workers.concurrency, count)


def _kind_of(item: Item) -> str | None:
    return None if item.brief is None else kind_of_film(item.brief, item.delivery.render)


def _unexpected_cancellation(item: Item, cancelled: asyncio.CancelledError) -> UnexpectedCancellation:
    failure = UnexpectedCancellation(f"item {item.key!r}")
    failure.__cause__ = cancelled
    return failure
