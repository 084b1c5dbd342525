"""One item to its end, whatever that is: under its job, if there is a journal."""

import asyncio
import functools
from collections.abc import Sized
from contextlib import suppress

import attrs

from eversince_async.account.costs import kind_of_film
from eversince_async.account.knowledge import Knowledge
from eversince_async.account.meter import Meter
from eversince_async.batch.credit_reserve import Purse
from eversince_async.batch.delivery import is_complete, missing_files
from eversince_async.batch.execution import run_item
from eversince_async.batch.failures import (
    comes_last,
    failure_to_json,
    next_attempt,
    outcome_status,
    stops_batch,
)
from eversince_async.batch.history import recorder_for
from eversince_async.batch.items import BatchOptions, Item
from eversince_async.batch.limits import StopCondition
from eversince_async.batch.outcome import Outcome, new_outcome, recorded_outcome, result_to_json
from eversince_async.batch.quality_gate import QualityGate, is_rendered, may_render_otherwise
from eversince_async.batch.shared_keys import Naming
from eversince_async.batch.timeline import SlotNumbering
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
    """Brings items to their ends.

    Args:
        runtime: What to work with.
        order: What the batch is asked for.
        workers: Told of what happens to its items.
        pause: Told of what concerns all items.
        usage: What is used of the account.

    Attributes:
        meter: Measures what films cost.
    """

    def __init__(
        self,
        runtime: Runtime,
        order: BatchOptions,
        workers: WorkerPool,
        pause: StopCondition,
        usage: UsageRecorder,
    ) -> None:
        self._runtime = runtime
        self._order = order
        self._journal = order.journal
        self._workers = workers
        self._pause = pause
        self._usage = usage
        self._numbers = SlotNumbering()
        self._began = 0
        self._gate = QualityGate(runtime.entitlements)
        self._purse = Purse(runtime, pause, order.max_credits, _abreast(runtime, order, workers))
        self.meter = Meter(runtime.governor, runtime.costs)
        self._knowledge = Knowledge(runtime.entitlements, runtime.costs)
        self._naming = Naming()

    async def prepare(self) -> None:
        """Learn what items are known by on other machines.

        Raises:
            JournalError: The journal cannot be read.
        """
        order = self._order
        self._naming = await Naming.of(
            order.idempotent_as, self._journal, is_told_to_share=order.is_told_to_share
        )

    def with_shared_key(self, item: Item) -> Item:
        """An item as it is to be made here."""
        return self._naming.with_shared_key(item)

    async def begin(self, journal: Journal, account: str) -> None:
        """Note where the journal stands: what changes from now on is no earlier run's.

        Args:
            journal: The journal.
            account: The journal's name for the account.
        """
        self._began = await journal.changes()
        await self._knowledge.recall(journal, account, asks_again=self._order.retry_failed)

    async def run(self, work: ActiveItem) -> Outcome:
        """Bring one item to its end.

        Raises:
            ItemLocked: Another process works on it.
            ComesLast: It has stopped an earlier run, so others go first.
            JournalError: The journal fails; nothing can be done any more.
        """
        item, job, known = work.item, None, None
        if item.error is not None:
            return new_outcome(work, "failed", error=item.error)
        if work.is_skipped:
            return new_outcome(work, "paused")
        try:
            await self._pause.learn_balance_again()
            if self._pause.reason is not None:
                return new_outcome(work, "paused")
            known = None if self._journal is None else await self._journal.load(item.key)
            quality = await self._quality_asked_for(item, known)
            is_paid, is_over = self._is_paid(item, known), self._is_over(known)
            kind = _kind_of(item)
            async with (
                self._gate.turn(quality, is_paid=is_paid),
                self._purse.turn(item.key, kind, is_paid=is_paid or is_over),
            ):
                if self._pause.reason is not None:
                    return new_outcome(work, "paused")
                if self._journal is not None:
                    known = None
                    job = await self._acquire_job(self._journal, work)
                    if job.stage in FINISHED and work.missing is None:
                        self._usage.merge(job.result)
                        return recorded_outcome(work, job, self._runtime, await missing_files(job))
                with self.meter.film(None if is_paid else kind):
                    outcome = await self._execute(work, job)
                    self._purse.ends(kind, outcome, is_paid=is_paid)
                    outcome = await self._with_its_cost_known(outcome)
                return await self._learn_quality(outcome, quality)
        except QualityRefused as failure:  # before anything was done, and so nothing is held
            return new_outcome(work, "paused", job=known, error=failure)
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
        except UnreadableRow as failure:  # others can be used; this one stays as it is, for a copy to mend
            if self._journal is not None and work.is_leased:
                await self._release(self._journal, work)
            return new_outcome(work, "failed", job=job, error=failure)
        except (ItemLocked, ComesLast, JournalError):
            raise
        except Exception as failure:  # noqa: BLE001 - what the journal keeps may be odd; that is this item's alone
            if self._journal is not None and work.is_leased:
                await self._release(self._journal, work)
            problem = f"what the journal keeps of {item.key!r} cannot be read: {failure!r}"
            return new_outcome(work, "failed", job=job, error=JournalError(problem))
        except GeneratorExit:  # its event loop has gone
            raise
        except BaseException:  # the interpreter is to end, say, or a test has failed
            if self._journal is not None and job is not None and work.is_leased:
                await finish(self._release_cancelled(self._journal, work, job))
            raise
        finally:
            if work.record is not None:
                work.record.close()

    async def watch_credits(self) -> None:
        """Look at the balance, if it matters."""
        await self._pause.learn_balance_again()
        self._purse.look_again()

    async def _with_its_cost_known(self, outcome: Outcome) -> Outcome:
        self.meter.complete(succeeded=outcome.status == "succeeded")
        await self._pause.learn_what_it_cost()
        self.meter.update()
        return outcome

    def _is_over(self, job: Job | None) -> bool:
        """Whether an earlier run has brought an item to its end, and this one does not try it again."""
        if job is None or job.stage not in FINISHED:
            return False
        return not (job.stage == "failed" and self._order.retry_failed)

    def _is_paid(self, item: Item, job: Job | None) -> bool:
        """Whether an item goes on with a project of an earlier run.

        Raises:
            UnreadableRow: It cannot be told.
        """
        if job is None or job.project_id is None:
            return False
        is_tried_again = job.stage == "failed" and self._order.retry_failed and item.call is None
        return not is_tried_again or next_attempt(job).project_id is not None

    async def _quality_asked_for(self, item: Item, job: Job | None) -> str | None:
        """What an item will ask the server to render it in; None: nothing, or that was done."""
        quality = item.delivery.render
        if quality is None or job is None or self._journal is None:
            return quality
        return None if self._is_over(job) or await is_rendered(self._journal, job) else quality

    async def _learn_quality(self, outcome: Outcome, quality: str | None) -> Outcome:
        """Have other items, and later runs, know what renders the account is given and refused."""
        self._purse.complete(outcome)
        if outcome.status == "succeeded":
            self._gate.was_made(quality)
        await self.keep_knowledge()
        return outcome

    async def keep_knowledge(self) -> None:
        """Have later runs know what this one has learned of the account."""
        self.meter.update()
        if self._journal is not None:
            await self._knowledge.keep(self._journal)

    async def _put(self, journal: Journal, item: Item) -> Job:
        """The item's job; one that nothing was rendered of may be rendered in another quality.

        Raises:
            SpecChanged: Its key was used for something else.
            ItemLocked: Somebody else works on it.
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
        changed = await finish(journal.change(job.id, JobChange(spec=item.spec, release=True)))
        return attrs.evolve(changed, updated_change=job.updated_change)  # what it came to, it came to before

    async def _acquire_job(self, journal: Journal, work: ActiveItem) -> Job:
        """The item's job, ours alone if there is something to do.

        Raises:
            SpecChanged: Its key was used for something else.
            ItemLocked: Somebody else works on it.
            ComesLast: It has stopped an earlier run, so others go first.
        """
        item = work.item
        job = await self._put(journal, item)
        if comes_last(job) and not work.is_last:
            raise ComesLast
        # What has failed since this batch began was tried again by another process: once is enough.
        is_retried = self._order.retry_failed and job.stage == "failed" and job.updated_change <= self._began
        if job.stage == "succeeded":
            if is_complete(item, job):
                return await self._with_its_files(journal, work, job)
            is_retried = True  # it was taken for finished, and is not
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
        if job.stage in FINISHED:  # it came to its end elsewhere in the moment before it was ours
            await self._release(journal, work)
        return job

    async def _with_its_files(self, journal: Journal, work: ActiveItem, job: Job) -> Job:
        """A finished item's job: ours alone if its file is to be fetched again."""
        missing = await missing_files(job) if self._order.refetch else ()
        if not missing:
            return job
        try:
            job = await journal.acquire(job.id)
        except JournalLocked:
            raise ItemLocked from None
        work.is_leased, work.missing = True, missing[0]
        return job

    async def _release(self, journal: Journal, work: ActiveItem) -> None:
        """Give a lease back that was just taken."""
        work.is_leased = False
        with suppress(JournalError):  # the lease runs out
            await finish(journal.release(work.item.key))

    async def _release_cancelled(self, journal: Journal, work: ActiveItem, job: Job) -> None:
        """Leave an item to others, with the record of it so far."""
        # It may have come to its end, or be somebody else's already; and what cannot be written now, nobody
        # is left to be told of.
        with suppress(JournalError):
            if work.record is None or work.missing is not None:
                await journal.release(job.id)
            else:
                await journal.change(job.id, JobChange(result=self._result_to_store(work, job), release=True))

    def _result_to_store(self, work: ActiveItem, job: Job | None) -> dict[str, Json]:
        """What the journal keeps for the report."""
        stages = () if work.record is None else work.record.stages
        earlier = None if job is None else job.result
        return {"stages": stages_to_json(stages), **merge_usage(earlier, self._usage.take_unsaved())}

    async def _execute(self, work: ActiveItem, job: Job | None) -> Outcome:
        record = work.record = await recorder_for(job, self._journal, self._numbers, self._began)
        if job is not None:
            self._usage.merge(job.result)
            if job.created_change <= self._began and work.missing is None:
                await self._usage.learn_the_beginning(self._runtime)

        def began(steps: ProjectOperations) -> None:
            work.steps = steps

        def emit(event: Event) -> None:
            record.on_event(event)
            self._workers.on_event(work, event)
            self._usage.record_balance()
            self._pause.check_credits()
            self.meter.update()
            self._purse.update(work.item.key, None if work.steps is None else work.steps.project_id)
            traced(event)
            if self._order.on_event is not None:
                notify(functools.partial(self._order.on_event, work.item.key), event)

        begun = WorkflowStarted(name="item", key=work.item.key, project_id=None)
        try:
            with trace_workflow(self._runtime.tracer, begun) as traced:
                made = await run_item(
                    self._runtime,
                    work.item,
                    self._order.policy,
                    job=job,
                    journal=self._journal,
                    emit=emit,
                    on_start=began,
                    stopping_since=lambda: self._workers.stopped_at,
                    missing=work.missing,
                )
            result = {**result_to_json(work, made, self._runtime), **self._result_to_store(work, job)}
        except PipelineChanged:
            await self._record_end(work, job, JobChange())  # it did not fail: with its old code it goes on
            raise
        except JournalLocked:
            raise ItemLocked from None
        except JournalError as failure:
            if not isinstance(failure, InDoubt | BelongsToAnother):
                raise
            return await self._record_failure(work, job, failure)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is this item's alone
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
        # What is finished stays so, when only its file could not be fetched again.
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


def _abreast(runtime: Runtime, order: BatchOptions, workers: WorkerPool) -> int:
    """How many items can be at work at once."""
    slots = runtime.governor.limits.active_projects or workers.concurrency
    count = len(order.items) if isinstance(order.items, Sized) else slots
    return min(slots, workers.concurrency, count)


def _kind_of(item: Item) -> str | None:
    return None if item.brief is None else kind_of_film(item.brief, item.delivery.render)


def _unexpected_cancellation(item: Item, cancelled: asyncio.CancelledError) -> UnexpectedCancellation:
    failure = UnexpectedCancellation(f"item {item.key!r}")
    failure.__cause__ = cancelled
    return failure
