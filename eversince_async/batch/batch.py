"""`Batch`: many videos, each made once, however often the process dies in between."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Sequence, Sized
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import attrs

from eversince_async import clock
from eversince_async.batch.interrupts import first_interrupt
from eversince_async.batch.item import BatchInput, Intake, Item, each
from eversince_async.batch.making import (
    WORKING,
    another_try,
    make,
    settle_share,
    shares_in_doubt,
    status_after,
    stops_all,
    told,
)
from eversince_async.batch.outcome import (
    NINE_IN_TEN,
    EarlierFailure,
    Outcome,
    OutcomeStatus,
    Progress,
    Report,
    Tally,
)
from eversince_async.errors import (
    ConfigurationError,
    EversinceError,
    InDoubt,
    InsufficientCredits,
    JournalError,
    JournalLocked,
    SpecChanged,
)
from eversince_async.journal import LEASE, Effect, Job, JobChange, Journal
from eversince_async.models.account import CreditPackage
from eversince_async.orchestrator.desk import Desk, now
from eversince_async.orchestrator.effects import count_what_was_spent
from eversince_async.orchestrator.events import Event
from eversince_async.orchestrator.order import Terms
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.steps import Steps

AHEAD: Final = 5
"""Items beyond the account's slots that are at work by default: some share or download meanwhile."""

UNLIMITED: Final = 100
"""Items at work by default when the account has no limit of active projects."""

DAY: Final = 24 * 3600.0

ELSEWHERE: Final = 5.0
"""Seconds between looks into the journal at an item that another process works on."""

_ENDS: Final = {"succeeded", "failed", "cancelled"}

Listener = Callable[[str, Event], object]
"""Told of what happens: an item's key, and the event."""


class _Lost(Exception):
    """Somebody else works on this item now."""


@attrs.define(kw_only=True)
class BatchOrder:
    """What a batch is asked for; see `eversince.batch`."""

    items: Iterable[BatchInput] | AsyncIterable[BatchInput]
    intake: Intake
    terms: Terms
    journal: Journal | None
    opens_journal: bool
    concurrency: int | None
    retry_failed: bool
    max_credits: float | None
    on_event: Listener | None
    drain_on_interrupt: bool


@attrs.define(eq=False)
class _Work:
    """An item at work."""

    item: Item
    began_at: datetime
    task: "asyncio.Task[None] | None" = None
    steps: Steps | None = None

    @property
    def age(self) -> float | None:
        """Seconds since its project was begun; None if that was not in this run."""
        begun_at = None if self.steps is None else self.steps.begun_at
        return None if begun_at is None else now() - begun_at

    @property
    def may_be_dropped(self) -> bool:
        """Whether nothing has been asked of the server for it yet."""
        return self.steps is None or (self.steps.begun_at is None and self.steps.project_id is None)


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
        self._works: set[_Work] = set()
        self._elsewhere: list[Item] = []
        self._settling: dict[str, asyncio.Task[None]] = {}
        self._paused: str | None = None
        self._cause: Exception | None = None
        self._packages: Sequence[CreditPackage] = ()
        self._broken: Exception | None = None
        self._stop = asyncio.Event()
        self._credits_at_first: float | None = None
        self._is_short_of_credits = False
        self._concurrency = order.concurrency or _concurrency_for(desk)
        self._place = asyncio.Event()  # set when there may be one, or none is needed any more
        # Who does not take outcomes holds up the intake, or they would pile up.
        self._outcomes: asyncio.Queue[Outcome] = asyncio.Queue(max(UNLIMITED, self._concurrency))
        self._total = len(order.items) if isinstance(order.items, Sized) else None
        self._running: asyncio.Task[None] | None = None
        self._interrupts = AsyncExitStack()
        self._began = 0.0
        self._seconds: float | None = None

    def __repr__(self) -> str:
        of = "" if self._total is None else f" of {self._total}"
        return f"<Batch {sum(self._tally.counts.values())}{of} items done, {len(self._works)} at work>"

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
        self._pause("drained: what had begun was brought to its end")

    # -- How it stands ----------------------------------------------------------------------------------

    @property
    def report(self) -> Report:
        """What came of it so far, without the outcomes."""
        seconds = now() - self._began if self._seconds is None else self._seconds
        return Report(
            counts=dict(self._tally.counts),
            paused=self._paused,
            cause=self._cause,
            packages=self._packages,
            seconds=seconds,
        )

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        likely = self._time_to_come()
        eta, eta_range = None, None
        if likely is not None:
            eta, within = likely[0], NINE_IN_TEN * likely[1]
            eta_range = (max(0.0, eta - within), eta + within)
        return Progress(
            total=self._total,
            taken=self._tally.taken,
            active=len(self._works),
            counts=dict(self._tally.counts),
            earlier=self._tally.earlier,
            eta=eta,
            eta_range=eta_range,
        )

    def _time_to_come(self) -> tuple[float, float] | None:
        if self._total is None:
            return None
        waiting = self._total - sum(self._tally.counts.values())
        ages = []
        for work in self._works:
            if not work.may_be_dropped:
                ages.append(work.age or 0.0)
                waiting -= 1
        abreast = min(self._concurrency, self._desk.governor.limits.active_projects or self._concurrency)
        likely = self._tally.durations.to_come(waiting, ages, abreast)
        if likely is None or self._order.intake.wishes.render is None:
            return likely
        left, limit = self._desk.governor.quota.left("renders"), self._desk.governor.limits.renders_per_day
        if limit and waiting > left:  # what does not fit in today waits for other days
            return likely[0] + -(-(waiting - left) // limit) * DAY, likely[1]
        return likely

    # -- Inside -----------------------------------------------------------------------------------------

    async def _run(self) -> None:
        async with AsyncExitStack() as stack:
            journal = self._journal
            if journal is not None and self._order.opens_journal:
                await stack.enter_async_context(journal)
            helpers = list[asyncio.Task[None]]()
            stack.push_async_callback(_ended, helpers)
            stack.push_async_callback(self._leave)
            if journal is not None:
                helpers.append(asyncio.create_task(self._renew(journal)))
                await self._recover(journal, helpers)
            try:
                await self._take_all()
            except Exception as failure:  # noqa: BLE001 - the caller's items; what was paid for comes first
                self._broken = failure
                self._stop.set()
            await self._finish()
            await self._learn_what_to_buy()
        if self._broken is not None:
            raise self._broken

    async def _leave(self) -> None:
        """Cancel what is at work, and wait until it has let go of everything."""
        tasks = [work.task for work in self._works if work.task is not None]
        await _ended(tasks)

    async def _recover(self, journal: Journal, helpers: list[asyncio.Task[None]]) -> None:
        """Learn what earlier runs did: what they took of the day, and which shares they may have made."""
        await count_what_was_spent(journal, self._desk.governor)
        for job_id, effect in (await shares_in_doubt(journal)).items():
            self._settling[job_id] = asyncio.create_task(self._settle_share(journal, effect))
            helpers.append(self._settling[job_id])

    async def _settle_share(self, journal: Journal, effect: Effect) -> None:
        with suppress(JournalLocked):
            await settle_share(self._desk, journal, effect)

    async def _renew(self, journal: Journal) -> None:
        while True:
            await asyncio.sleep(LEASE / 3)
            with suppress(JournalError):  # whoever writes next learns of it
                await journal.renew([work.item.key for work in self._works])

    async def _take_all(self) -> None:
        """Take items as long as there is room."""
        index = 0
        async for given in each(self._order.items):
            await self._begin(self._order.intake.item(index, given))
            index += 1
            self._tally.taken = index
            if self._stop.is_set():
                return
        self._total = index

    async def _finish(self) -> None:
        """Wait for what is at work, here and in other processes."""
        while self._works or (self._elsewhere and not self._stop.is_set()):
            looked_at, again = now(), list[Item]()
            again, self._elsewhere = self._elsewhere, again
            for item in again:
                await self._begin(item)
            if tasks := [work.task for work in self._works if work.task is not None]:
                await asyncio.wait(tasks, timeout=ELSEWHERE)
            if self._elsewhere:
                await asyncio.sleep(max(0.0, looked_at + ELSEWHERE - now()))

    async def _learn_what_to_buy(self) -> None:
        """Where credits can be bought, if it is for want of them that we stop."""
        if isinstance(self._cause, InsufficientCredits):
            self._packages = self._cause.packages
        elif self._is_short_of_credits:
            with suppress(EversinceError):  # the batch is over all the same
                self._packages = (await self._desk.interactive.account.credit_packages()).packages

    async def _begin(self, item: Item) -> None:
        """Begin an item when there is room; nothing, if the batch is stopped before."""
        while len(self._works) >= self._concurrency and not self._stop.is_set():
            self._place.clear()
            await self._place.wait()
        if self._stop.is_set():
            return
        work = _Work(item, clock.now())
        self._works.add(work)
        work.task = asyncio.create_task(self._work(work), name=f"eversince item {item.key}")

    async def _work(self, work: _Work) -> None:
        try:
            outcome = await self._outcome(work)
            await self._outcomes.put(outcome)
            self._tally.add(outcome, work.age, now())
        except _Lost:
            self._elsewhere.append(work.item)
        except JournalError as failure:
            self._broken = self._broken or failure
            self._halt()
        finally:
            self._works.discard(work)
            self._place.set()

    async def _outcome(self, work: _Work) -> Outcome:
        """Bring one item to its end, whatever that is."""
        item, job = work.item, None
        if item.problem is not None:
            return self._told(work, "failed", error=item.problem)
        try:
            if self._journal is not None:
                job = await self._leased(self._journal, item)
                if job.stage in _ENDS:
                    return self._told_earlier(work, job)
            return await self._made(work, job)
        except SpecChanged as failure:
            return self._told(work, "failed", error=failure)
        except asyncio.CancelledError:
            if self._journal is not None and job is not None:
                await asyncio.shield(self._journal.release(job.id))
            if self._stop.is_set() and work.may_be_dropped and not self._is_leaving():
                return self._told(work, "paused", job=job)
            raise

    def _is_leaving(self) -> bool:
        return self._running is None or self._running.cancelling() > 0

    async def _leased(self, journal: Journal, item: Item) -> Job:
        """The item's job, ours alone if there is something to do.

        Raises:
            SpecChanged: Its key was used for something else.
            _Lost: Somebody else works on it.
        """
        if item.key in self._settling:
            await asyncio.wait([self._settling[item.key]])
        job = await journal.put(item.key, item.spec, stage=WORKING)
        if job.stage in _ENDS and not (self._order.retry_failed and job.stage == "failed"):
            return job
        try:
            job = await journal.acquire(job.id)
        except JournalLocked:
            raise _Lost from None
        if job.stage == "failed" and self._order.retry_failed:
            return await journal.change(job.id, another_try(job))
        return job

    async def _made(self, work: _Work, job: Job | None) -> Outcome:
        def began(steps: Steps) -> None:
            work.steps = steps

        def emit(event: Event) -> None:
            if self._order.on_event is not None:
                self._order.on_event(work.item.key, event)

        try:
            production = await make(
                self._desk,
                work.item,
                self._order.terms,
                job=job,
                journal=self._journal,
                emit=emit,
                began=began,
            )
        except JournalLocked:
            raise _Lost from None
        except JournalError as failure:
            if not isinstance(failure, InDoubt):
                raise
            return await self._not_made(work, job, failure)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is this item's alone
            return await self._not_made(work, job, failure)
        await self._ends(job, JobChange(stage="succeeded", result=_kept(production), error=None))
        self._watch_credits()
        return self._told(work, "succeeded", job=job, production=production)

    async def _not_made(self, work: _Work, job: Job | None, failure: Exception) -> Outcome:
        status = status_after(failure)
        stage = WORKING if status == "paused" else status
        await self._ends(job, JobChange(stage=stage, error=told(failure)))
        if stops_all(failure):
            self._pause(str(failure), failure)
        return self._told(work, status, job=job, error=failure)

    async def _ends(self, job: Job | None, change: JobChange) -> None:
        if self._journal is not None and job is not None:
            try:
                await self._journal.change(job.id, attrs.evolve(change, release=True))
            except JournalLocked:
                raise _Lost from None

    # -- Stopping ---------------------------------------------------------------------------------------

    def _pause(self, reason: str, cause: Exception | None = None) -> None:
        """Begin nothing any more, and remember why."""
        if self._paused is None:
            self._paused, self._cause = reason, cause
        self._halt()

    def _halt(self) -> None:
        self._stop.set()
        self._place.set()
        self._drop()

    def _drop(self) -> None:
        """Let go of what waits and has asked nothing of the server."""
        current = asyncio.current_task()
        for work in self._works:
            if work.may_be_dropped and work.task is not None and work.task is not current:
                work.task.cancel()

    def _watch_credits(self) -> None:
        """Stop before more is spent than was allowed."""
        known = self._desk.governor.credits
        if known is None:
            return
        if self._credits_at_first is None:
            self._credits_at_first = known.balance
        spent = self._credits_at_first - known.balance
        if self._order.max_credits is not None and spent >= self._order.max_credits:
            self._pause(f"{spent:g} credits are spent, at most {self._order.max_credits:g} were to be")
        elif known.balance < known.reserve:
            self._is_short_of_credits = True
            self._pause(f"{known.balance:g} credits are left, {known.reserve:g} were to be")

    # -- Telling ----------------------------------------------------------------------------------------

    def _told(
        self,
        work: _Work,
        status: OutcomeStatus,
        *,
        job: Job | None = None,
        production: Production | None = None,
        error: Exception | None = None,
    ) -> Outcome:
        project_id = work.steps.project_id if work.steps is not None else job.project_id if job else None
        return Outcome(
            key=work.item.key,
            index=work.item.index,
            input=work.item.given,
            status=status,
            production=production,
            error=error,
            project_id=project_id,
            share_url=None if production is None else production.share_url,
            files=() if production is None else production.files,
            attempts=1 if job is None else job.attempt,
            began_at=work.began_at,
            ended_at=clock.now(),
        )

    def _told_earlier(self, work: _Work, job: Job) -> Outcome:
        """What an earlier run, or another process, has come to."""
        result, error = job.result or {}, job.error
        status: OutcomeStatus = "succeeded" if job.stage == "succeeded" else "failed"
        return Outcome(
            key=work.item.key,
            index=work.item.index,
            input=work.item.given,
            status="cancelled" if job.stage == "cancelled" else status,
            error=None if error is None else EarlierFailure(error["type"], error["message"]),
            project_id=job.project_id,
            share_url=result.get("share_url"),
            files=tuple(map(Path, result.get("files", ()))),
            attempts=job.attempt,
            earlier=True,
            began_at=job.created_at,
            ended_at=job.updated_at,
        )


def _kept(production: Production) -> dict[str, Any]:
    return {
        "project_id": production.project_id,
        "share_url": production.share_url,
        "files": [str(path) for path in production.files],
    }


def _concurrency_for(desk: Desk) -> int:
    slots = desk.governor.limits.active_projects
    return UNLIMITED if slots is None else slots + AHEAD


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
