"""The items at work: at most so many at a time, and none any more once the batch is stopped."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs

from eversince_async import clock
from eversince_async.batch.items import Item
from eversince_async.batch.throughput import ThroughputEstimator
from eversince_async.batch.timeline import TimelineRecorder
from eversince_async.durable.api import loop_time
from eversince_async.governor import WaitKind
from eversince_async.journal import Journal
from eversince_async.orchestrator.events import Event, Waiting
from eversince_async.orchestrator.project import ProjectOperations
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.tasks import end

EXTRA_WORKERS: Final = 5
"""Items beyond the account's slots that are at work by default: some share or download meanwhile."""

DEFAULT_WORKERS: Final = 100
"""Items at work by default when the account has no limit of active projects."""

OTHER_PROCESS_POLL_INTERVAL: Final = 5.0
"""Seconds between looks into the journal at an item that another process works on."""


MAX_POSTPONED: Final = 100
"""Items of other processes that are remembered before they are looked at again; each is held in memory."""


class ItemLocked(Exception):
    """Another process works on this item now."""


class ComesLast(Exception):
    """This item is for when all others have come to their ends."""


@attrs.define(eq=False)
class ActiveItem:
    """An item at work.

    Attributes:
        item: The item.
        began_at: When it was begun, by this run.
        task: What works on it.
        steps: How far its production has come; None before it begins.
        record: What it goes through, for the report; None before it begins.
        has_started: Whether its task runs: one that is cancelled before never does anything.
        is_leased: Whether its job is ours, as far as we know.
        has_lost_lease: Whether its lease has run out meanwhile, and somebody else has taken it over.
        is_skipped: Whether it is let go because the batch stops, while nothing works on it at the server.
        is_counted: Whether it is among those that its crew knows to be under way.
        is_last: Whether all others have come to their ends.
        missing: Its file, if it is finished, and that is to be fetched again; None otherwise.
    """

    item: Item
    began_at: datetime
    task: "asyncio.Task[None] | None" = None
    steps: ProjectOperations | None = None
    record: TimelineRecorder | None = None
    has_started: bool = False
    is_leased: bool = False
    has_lost_lease: bool = False
    is_skipped: bool = False
    is_counted: bool = False
    is_last: bool = False
    missing: Path | None = None
    _resting_since: float | None = None
    _rested: float = 0.0
    _boot: str = attrs.field(factory=lambda: clock.moment().boot)

    def on_event(self, event: Event) -> None:
        """Something has happened to it."""
        if (boot := clock.moment().boot) != self._boot:  # an emulator's first answer has set another clock
            self.began_at, self._boot = clock.steady_now(), boot
        if isinstance(event, Waiting) and event.reason.kind in {WaitKind.PROJECTS, WaitKind.RENDERS}:
            self._resting_since = loop_time() if self._resting_since is None else self._resting_since
        elif not isinstance(event, Waiting) and self._resting_since is not None:
            self._rested += loop_time() - self._resting_since
            self._resting_since = None

    @property
    def age(self) -> float | None:
        """Seconds since this run began its project, less waits for another day; None if another run did."""
        begun_at = None if self.steps is None else self.steps.first_write_at
        if begun_at is None:
            return None
        until = loop_time() if self._resting_since is None else self._resting_since
        return max(0.0, until - begun_at - self._rested)

    @property
    def waits_for_quota(self) -> bool:
        """Whether it waits for another day."""
        return self._resting_since is not None

    @property
    def is_active(self) -> bool:
        """Whether something is done for it, or has begun at the server."""
        return not self.is_unstarted and not self.waits_for_quota

    @property
    def is_unstarted(self) -> bool:
        """Whether nothing has been asked of the server for it yet."""
        return self.steps is None or (self.steps.first_write_at is None and self.steps.project_id is None)


class WorkerPool:
    """Items at work, each in a task of its own.

    Args:
        places: How many at a time.
        do: Brings one to its end; raises `ItemLocked` if it is not ours to, `ComesLast` if not yet.
        is_held_up: Whether none may be begun now, although there is a place; `has_room` says when that ends.

    Attributes:
        places: How many at a time.
        active: Those at work.
        pace: How fast it goes.
        stopped: Set when nothing is begun any more.
        stopped_at: Since when, in loop time; None before.
    """

    def __init__(
        self,
        places: int,
        do: Callable[[ActiveItem], Coroutine[Any, Any, None]],
        is_held_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self.concurrency = places
        self.active: set[ActiveItem] = set()
        self.pace = ThroughputEstimator()
        self.stopped = asyncio.Event()
        self.stopped_at: float | None = None
        self._do = do
        self._is_held_up = is_held_up
        self._rests_go = False
        self._under_way = 0
        self._elsewhere: list[Item] = []
        self._last: list[Item] = []
        self._room = asyncio.Event()  # set when there may be some, or none is needed any more

    async def submit(self, item: Item) -> None:
        """Begin an item when there is room; nothing, if the batch is stopped before."""
        if len(self._elsewhere) >= MAX_POSTPONED:  # by now somebody has probably made the first of them
            await self._start(self._elsewhere.pop(0))
        await self._start(item)

    async def _start(self, item: Item, *, is_last: bool = False) -> None:
        while (len(self.active) >= self.concurrency or self._is_held_up()) and not self.stopped.is_set():
            self._room.clear()
            await self._room.wait()
        if self.stopped.is_set():
            return
        work = ActiveItem(item, clock.steady_now(), is_last=is_last)
        self.active.add(work)
        work.task = asyncio.create_task(self._run_item(work), name=f"eversince item {item.key}")

    async def _run_item(self, work: ActiveItem) -> None:
        work.has_started = True
        try:
            await self._do(work)
        except ItemLocked:
            self._elsewhere.append(work.item)
        except ComesLast:
            self._last.append(work.item)
        finally:
            self.active.discard(work)
            self._set_active(work, is_under_way=False)
            self._room.set()

    def has_room(self) -> None:
        """There may be room for another item now."""
        self._room.set()

    def on_event(self, work: ActiveItem, event: Event) -> None:
        """Something has happened to an item."""
        work.on_event(event)
        self._set_active(work, is_under_way=work.is_active)
        if self._rests_go and work.waits_for_quota:
            self._drop(work)

    def _set_active(self, work: ActiveItem, *, is_under_way: bool) -> None:
        if work.is_counted is not is_under_way:
            work.is_counted = is_under_way
            self._under_way += 1 if is_under_way else -1
            self.pace.set_active(is_at_work=self.is_active)

    @property
    def is_active(self) -> bool:
        """Whether something is done for an item, or has begun at the server."""
        return self._under_way > 0

    async def renew_leases(self, journal: Journal) -> None:
        """Prolong the leases of what is at work, and let go of what is another process's by now.

        That can be after this one could not run for a while, as on a laptop that slept.

        Raises:
            JournalError: It cannot be written; whoever needs to write next will learn of it.
        """
        leased = [work for work in self.active if work.is_leased]
        ours = await journal.renew([work.item.key for work in leased])
        for work in leased:
            if work.is_leased and work.item.key not in ours and work.task is not None:
                work.has_lost_lease = True
                work.task.cancel()

    async def join(self) -> None:
        """Wait for what is at work, here and in other processes, and for what comes last."""
        await self._finish()
        last, self._last = self._last, []
        for item in last:
            await self._start(item, is_last=True)
        await self._finish()

    async def _finish(self) -> None:
        while self.active or (self._elsewhere and not self.stopped.is_set()):
            looked_at, again = loop_time(), list[Item]()
            again, self._elsewhere = self._elsewhere, again
            for item in again:
                await self._start(item)
            if tasks := self._tasks():
                await asyncio.wait(tasks, timeout=OTHER_PROCESS_POLL_INTERVAL)
            if self._elsewhere:
                await asyncio.sleep(max(0.0, looked_at + OTHER_PROCESS_POLL_INTERVAL - loop_time()))

    def stop_accepting(self) -> None:
        """Begin nothing any more."""
        if self.stopped_at is None:
            self.stopped_at = loop_time()
        self.stopped.set()
        self._room.set()

    def stop(self) -> None:
        """Begin nothing any more, and let go of what has asked nothing of the server."""
        self.stop_accepting()
        current = asyncio.current_task()
        for work in self.active:
            if work.is_unstarted and work.task is not current:
                self._drop(work)

    def let_rests_go(self) -> None:
        """Let go of what waits for another day, too, now or later."""
        self._rests_go = True
        for work in self.active:
            if work.waits_for_quota:
                self._drop(work)

    def _drop(self, work: ActiveItem) -> None:
        """Let go of an item, once: it may be giving back what it holds, or telling its outcome."""
        if work.is_skipped or work.task is None:
            return
        work.is_skipped = True
        if work.has_started:
            work.task.cancel()

    async def cancel_all(self) -> None:
        """Cancel what is at work, and wait until it has let go of everything."""
        self.stopped.set()
        for work in self.active:
            work.is_skipped = False
        try:
            await end(*self._tasks())
        finally:
            self.active.clear()  # a task that was cancelled before it began has not done so itself

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [work.task for work in self.active if work.task is not None]


def default_concurrency(runtime: Runtime) -> int:
    """How many items are at work at a time, if nobody says otherwise."""
    slots = runtime.governor.limits.active_projects
    return DEFAULT_WORKERS if slots is None else slots + EXTRA_WORKERS
