"""One item to its end, whatever that is: under its job, if there is a journal."""

import asyncio
import functools
from collections.abc import Sized
from contextlib import suppress

import attrs

from eversince_async.batch.crew import ComesLast, Crew, Work, WorkedElsewhere
from eversince_async.batch.delivery import is_complete, missing_files
from eversince_async.batch.failures import another_try, comes_last, status_after, stops_all, told
from eversince_async.batch.item import Item
from eversince_async.batch.knowledge import Knowledge
from eversince_async.batch.making import make
from eversince_async.batch.metering import Meter
from eversince_async.batch.naming import Naming
from eversince_async.batch.order import BatchOrder
from eversince_async.batch.outcome import Outcome
from eversince_async.batch.pausing import Pause
from eversince_async.batch.purse import Purse
from eversince_async.batch.qualities import QualityGate, is_rendered, may_render_otherwise
from eversince_async.batch.recalling import record_of
from eversince_async.batch.recording import SlotNumbers
from eversince_async.batch.stages import ENDS, WAITING, WORKING
from eversince_async.batch.telling import kept, told_earlier, told_now
from eversince_async.batch.usage import Usage, joined
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
from eversince_async.orchestrator.costs import kind_of_film
from eversince_async.orchestrator.desk import Desk
from eversince_async.orchestrator.events import Event
from eversince_async.orchestrator.steps import Steps
from eversince_async.orchestrator.tracing import WorkflowBegun, around
from eversince_async.pipelines.running import another_try as pipeline_again
from eversince_async.report.stages import packed
from eversince_async.session.observers import tell
from eversince_async.tasks import finish, is_cancelled


class Maker:
    """Brings items to their ends.

    Args:
        desk: What to work with.
        order: What the batch is asked for.
        crew: Told of what happens to its items.
        pause: Told of what concerns all items.
        usage: What is used of the account.

    Attributes:
        meter: Measures what films cost.
    """

    def __init__(self, desk: Desk, order: BatchOrder, crew: Crew, pause: Pause, usage: Usage) -> None:
        self._desk = desk
        self._order = order
        self._journal = order.journal
        self._crew = crew
        self._pause = pause
        self._usage = usage
        self._numbers = SlotNumbers()
        self._began = 0
        self._gate = QualityGate(desk.entitlements)
        self._purse = Purse(desk, pause, order.max_credits, _abreast(desk, order, crew))
        self.meter = Meter(desk.governor, desk.costs)
        self._knowledge = Knowledge(desk)
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

    def named(self, item: Item) -> Item:
        """An item as it is to be made here."""
        return self._naming.named(item)

    async def begin(self, journal: Journal, account: str) -> None:
        """Note where the journal stands: what changes from now on is no earlier run's.

        Args:
            journal: The journal.
            account: The journal's name for the account.
        """
        self._began = await journal.changes()
        await self._knowledge.recall(journal, account, asks_again=self._order.retry_failed)

    async def outcome(self, work: Work) -> Outcome:
        """Bring one item to its end.

        Raises:
            WorkedElsewhere: Another process works on it.
            ComesLast: It has stopped an earlier run, so others go first.
            JournalError: The journal fails; nothing can be done any more.
        """
        item, job, known = work.item, None, None
        if item.problem is not None:
            return told_now(work, "failed", error=item.problem)
        if work.is_dropped:
            return told_now(work, "paused")
        try:
            await self._pause.learn_balance_again()
            if self._pause.reason is not None:
                return told_now(work, "paused")
            known = None if self._journal is None else await self._journal.load(item.key)
            quality = await self._quality_asked_for(item, known)
            is_paid, is_over = self._is_paid(item, known), self._is_over(known)
            kind = _kind_of(item)
            async with (
                self._gate.turn(quality, is_paid=is_paid),
                self._purse.turn(item.key, kind, is_paid=is_paid or is_over),
            ):
                if self._pause.reason is not None:
                    return told_now(work, "paused")
                if self._journal is not None:
                    known = None
                    job = await self._leased(self._journal, work)
                    if job.stage in ENDS and work.missing is None:
                        self._usage.learn(job.result)
                        return told_earlier(work, job, self._desk, await missing_files(job))
                with self.meter.film(None if is_paid else kind):
                    outcome = await self._made(work, job)
                    self._purse.ends(kind, outcome, is_paid=is_paid)
                    outcome = await self._with_its_cost_known(outcome)
                return await self._learned_from(outcome, quality)
        except QualityRefused as failure:  # before anything was done, and so nothing is held
            return told_now(work, "paused", job=known, error=failure)
        except SpecChanged as failure:
            return told_now(work, "failed", error=failure)
        except asyncio.CancelledError as cancelled:
            if not is_cancelled():
                return await self._not_made(work, job, _unexpected(item, cancelled))
            if self._journal is not None and job is not None:
                await finish(self._let_go(self._journal, work, job))
            if work.is_dropped:
                return told_now(work, "paused", job=job)
            if work.is_lost:
                raise WorkedElsewhere from None
            raise
        except UnreadableRow as failure:  # others can be used; this one stays as it is, for a copy to mend
            if self._journal is not None and work.is_leased:
                await self._release(self._journal, work)
            return told_now(work, "failed", job=job, error=failure)
        except (WorkedElsewhere, ComesLast, JournalError):
            raise
        except Exception as failure:  # noqa: BLE001 - what the journal keeps may be odd; that is this item's alone
            if self._journal is not None and work.is_leased:
                await self._release(self._journal, work)
            problem = f"what the journal keeps of {item.key!r} cannot be read: {failure!r}"
            return told_now(work, "failed", job=job, error=JournalError(problem))
        except GeneratorExit:  # its event loop has gone
            raise
        except BaseException:  # the interpreter is to end, say, or a test has failed
            if self._journal is not None and job is not None and work.is_leased:
                await finish(self._let_go(self._journal, work, job))
            raise
        finally:
            if work.record is not None:
                work.record.ends()

    async def watch_credits(self) -> None:
        """Look at the balance, if it matters."""
        await self._pause.learn_balance_again()
        self._purse.look_again()

    async def _with_its_cost_known(self, outcome: Outcome) -> Outcome:
        self.meter.came_to(outcome)
        await self._pause.learn_what_it_cost()
        self.meter.heard()
        return outcome

    def _is_over(self, job: Job | None) -> bool:
        """Whether an earlier run has brought an item to its end, and this one does not try it again."""
        if job is None or job.stage not in ENDS:
            return False
        return not (job.stage == "failed" and self._order.retry_failed)

    def _is_paid(self, item: Item, job: Job | None) -> bool:
        """Whether an item goes on with a project of an earlier run.

        Raises:
            UnreadableRow: It cannot be told.
        """
        if job is None or job.project_id is None:
            return False
        is_tried_again = job.stage == "failed" and self._order.retry_failed and item.order is None
        return not is_tried_again or another_try(job).project_id is not None

    async def _quality_asked_for(self, item: Item, job: Job | None) -> str | None:
        """What an item will ask the server to render it in; None: nothing, or that was done."""
        quality = item.wishes.render
        if quality is None or job is None or self._journal is None:
            return quality
        return None if self._is_over(job) or await is_rendered(self._journal, job) else quality

    async def _learned_from(self, outcome: Outcome, quality: str | None) -> Outcome:
        """Have other items, and later runs, know what renders the account is given and refused."""
        self._purse.ended(outcome)
        if outcome.status == "succeeded":
            self._gate.was_made(quality)
        await self.keep_knowledge()
        return outcome

    async def keep_knowledge(self) -> None:
        """Have later runs know what this one has learned of the account."""
        self.meter.heard()
        if self._journal is not None:
            await self._knowledge.keep(self._journal)

    async def _put(self, journal: Journal, item: Item) -> Job:
        """The item's job; one that nothing was rendered of may be rendered in another quality.

        Raises:
            SpecChanged: Its key was used for something else.
            WorkedElsewhere: Somebody else works on it.
        """
        try:
            return await journal.put(item.key, item.spec, stage=WORKING)
        except SpecChanged:
            job = await journal.load(item.key)
            if job is None or not await may_render_otherwise(journal, job, item.spec):
                raise
        try:
            await journal.acquire(job.id)
        except JournalLocked:
            raise WorkedElsewhere from None
        changed = await finish(journal.change(job.id, JobChange(spec=item.spec, release=True)))
        return attrs.evolve(changed, updated_change=job.updated_change)  # what it came to, it came to before

    async def _leased(self, journal: Journal, work: Work) -> Job:
        """The item's job, ours alone if there is something to do.

        Raises:
            SpecChanged: Its key was used for something else.
            WorkedElsewhere: Somebody else works on it.
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
        elif job.stage in ENDS and not is_retried:
            return job
        try:
            job = await journal.acquire(job.id)
        except JournalLocked:
            raise WorkedElsewhere from None
        work.is_leased = True
        try:
            if is_retried and job.stage == "failed":
                again = another_try if item.order is None else pipeline_again
                job = await journal.change(job.id, again(job))
            elif job.stage == "succeeded" and not is_complete(item, job):
                job = await journal.change(job.id, JobChange(stage=WORKING))
        except BaseException:
            await self._release(journal, work)
            raise
        if job.stage in ENDS:  # it came to its end elsewhere in the moment before it was ours
            await self._release(journal, work)
        return job

    async def _with_its_files(self, journal: Journal, work: Work, job: Job) -> Job:
        """A finished item's job: ours alone if its file is to be fetched again."""
        missing = await missing_files(job) if self._order.refetch else ()
        if not missing:
            return job
        try:
            job = await journal.acquire(job.id)
        except JournalLocked:
            raise WorkedElsewhere from None
        work.is_leased, work.missing = True, missing[0]
        return job

    async def _release(self, journal: Journal, work: Work) -> None:
        """Give a lease back that was just taken."""
        work.is_leased = False
        with suppress(JournalError):  # the lease runs out
            await finish(journal.release(work.item.key))

    async def _let_go(self, journal: Journal, work: Work, job: Job) -> None:
        """Leave an item to others, with the record of it so far."""
        # It may have come to its end, or be somebody else's already; and what cannot be written now, nobody
        # is left to be told of.
        with suppress(JournalError):
            if work.record is None or work.missing is not None:
                await journal.release(job.id)
            else:
                await journal.change(job.id, JobChange(result=self._kept(work, job), release=True))

    def _kept(self, work: Work, job: Job | None) -> dict[str, Json]:
        """What the journal keeps for the report."""
        stages = () if work.record is None else work.record.stages
        earlier = None if job is None else job.result
        return {"stages": packed(stages), **joined(earlier, self._usage.to_keep())}

    async def _made(self, work: Work, job: Job | None) -> Outcome:
        record = work.record = await record_of(job, self._journal, self._numbers, self._began)
        if job is not None:
            self._usage.learn(job.result)
            if job.created_change <= self._began and work.missing is None:
                await self._usage.learn_the_beginning(self._desk)

        def began(steps: Steps) -> None:
            work.steps = steps

        def emit(event: Event) -> None:
            record.heard(event)
            self._crew.heard(work, event)
            self._usage.saw_credits()
            self._pause.watch_credits()
            self.meter.heard()
            self._purse.heard(work.item.key, None if work.steps is None else work.steps.project_id)
            traced(event)
            if self._order.on_event is not None:
                tell(functools.partial(self._order.on_event, work.item.key), event)

        begun = WorkflowBegun(name="item", key=work.item.key, project_id=None)
        try:
            with around(self._desk.tracer, begun) as traced:
                made = await make(
                    self._desk,
                    work.item,
                    self._order.terms,
                    job=job,
                    journal=self._journal,
                    emit=emit,
                    began=began,
                    stopping_since=lambda: self._crew.stopped_at,
                    missing=work.missing,
                )
            result = {**kept(work, made, self._desk), **self._kept(work, job)}
        except PipelineChanged:
            await self._ends(work, job, JobChange())  # it did not fail: with its old code it goes on
            raise
        except JournalLocked:
            raise WorkedElsewhere from None
        except JournalError as failure:
            if not isinstance(failure, InDoubt | BelongsToAnother):
                raise
            return await self._not_made(work, job, failure)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is this item's alone
            return await self._not_made(work, job, failure)
        await self._ends(work, job, JobChange(stage="succeeded", result=result, error=None))
        return told_now(work, "succeeded", job=job, made=made)

    async def _not_made(self, work: Work, job: Job | None, failure: Exception) -> Outcome:
        status = status_after(failure)
        stage: str = WORKING if status == "paused" else status
        if isinstance(failure, ApprovalPending):
            stage = WAITING
        change = JobChange(stage=stage, error=told(failure), result=self._kept(work, job))
        # What is finished stays so, when only its file could not be fetched again.
        await self._ends(work, job, change if work.missing is None else JobChange())
        if stops_all(failure):
            self._pause.begins(str(failure), failure)
        return told_now(work, status, job=job, error=failure)

    async def _ends(self, work: Work, job: Job | None, change: JobChange) -> None:
        work.is_leased = False
        if self._journal is not None and job is not None:
            try:
                await finish(self._journal.change(job.id, attrs.evolve(change, release=True)))
            except JournalLocked:
                raise WorkedElsewhere from None


def _abreast(desk: Desk, order: BatchOrder, crew: Crew) -> int:
    """How many items can be at work at once."""
    slots = desk.governor.limits.active_projects or crew.places
    count = len(order.items) if isinstance(order.items, Sized) else slots
    return min(slots, crew.places, count)


def _kind_of(item: Item) -> str | None:
    return None if item.brief is None else kind_of_film(item.brief, item.wishes.render)


def _unexpected(item: Item, cancelled: asyncio.CancelledError) -> UnexpectedCancellation:
    failure = UnexpectedCancellation(f"item {item.key!r}")
    failure.__cause__ = cancelled
    return failure
