"""`WorkerPool`: a limited number of active items, and none after a stop."""

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
"""Items beyond the account's slots that are active by default.

Some of them share or download meanwhile.
"""

DEFAULT_WORKERS: Final = 100
"""Items active by default if the account has no limit of projects."""

OTHER_PROCESS_POLL_INTERVAL: Final = 5.0
"""Seconds between two reads of an item that another process works on."""


MAX_POSTPONED: Final = 100
"""Items of other processes that are held before they are tried again.

Each is held in memory.
"""


class ItemLocked(Exception):
    """Another process works on this item now."""


class ComesLast(Exception):
    """This item starts only after all others have ended."""


@attrs.define(eq=False)
class ActiveItem:
    """An item that is active.

    Attributes:
        item: The item.
        began_at: The time at which this run started the item.
        task: The task that works on the item.
        steps: The operations of its production, which show its progress; None before they begin.
        record: The record of its stages, for the report; None before it begins.
        has_started: True if its task runs; a task that is cancelled before its start never does anything.
        is_leased: True if this process holds the lease of its job, as far as it knows.
        has_lost_lease: True if the lease has run out meanwhile, and another process has acquired it.
        is_skipped: True if the item was dropped because the batch stops and the server is not working on it.
        is_counted: True if the pool counts the item as in progress.
        is_last: True if all other items have ended.
        missing: The file to download again, if the item is finished; None otherwise.
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
        """Update the item by an event."""
        if (boot := clock.moment().boot) != self._boot:  # an emulator's first response has set a new clock
            self.began_at, self._boot = clock.steady_now(), boot
        if isinstance(event, Waiting) and event.reason.kind in {WaitKind.PROJECTS, WaitKind.RENDERS}:
            self._resting_since = loop_time() if self._resting_since is None else self._resting_since
        elif not isinstance(event, Waiting) and self._resting_since is not None:
            self._rested += loop_time() - self._resting_since
            self._resting_since = None

    @property
    def age(self) -> float | None:
        """Seconds since this run began the project, without waits for quotas.

        None if another run began it.
        """
        begun_at = None if self.steps is None else self.steps.first_write_at
        if begun_at is None:
            return None
        until = loop_time() if self._resting_since is None else self._resting_since
        return max(0.0, until - begun_at - self._rested)

    @property
    def waits_for_quota(self) -> bool:
        """True if the item waits for the daily reset."""
        return self._resting_since is not None

    @property
    def is_active(self) -> bool:
        """True if the item is in progress, here or at the server."""
        return not self.is_unstarted and not self.waits_for_quota

    @property
    def is_unstarted(self) -> bool:
        """True if no request to the server has started the item yet."""
        return self.steps is None or (self.steps.first_write_at is None and self.steps.project_id is None)


class WorkerPool:
    """The pool of active items, each in a task of its own.

    Args:
        places: The number of items that are active at once.
        do: Executes an item to its end; raises `ItemLocked` if another process has it, `ComesLast` if it must
            wait for the others.
        is_held_up: Returns True if nothing may start although there is a place; `has_room` reports the end of
            that.

    Attributes:
        concurrency: The number of items that are active at once.
        active: The active items.
        pace: The pace of the items.
        stopped: Set when nothing more starts.
        stopped_at: The loop time of the stop; None before it.
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
        self._drops_resting = False
        self._in_progress = 0
        self._locked: list[Item] = []
        self._last: list[Item] = []
        self._room = asyncio.Event()  # set if there may be room, or if none is needed any more

    async def submit(self, item: Item) -> None:
        """Start an item when there is room, unless the batch stops before."""
        if len(self._locked) >= MAX_POSTPONED:  # another process has probably made the first by now
            await self._start(self._locked.pop(0))
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
            self._locked.append(work.item)
        except ComesLast:
            self._last.append(work.item)
        finally:
            self.active.discard(work)
            self._set_active(work, is_in_progress=False)
            self._room.set()

    def has_room(self) -> None:
        """Wake the pool, because there may be room for another item now."""
        self._room.set()

    def on_event(self, work: ActiveItem, event: Event) -> None:
        """Update an item, and the pace, by an event."""
        work.on_event(event)
        self._set_active(work, is_in_progress=work.is_active)
        if self._drops_resting and work.waits_for_quota:
            self._drop(work)

    def _set_active(self, work: ActiveItem, *, is_in_progress: bool) -> None:
        if work.is_counted is not is_in_progress:
            work.is_counted = is_in_progress
            self._in_progress += 1 if is_in_progress else -1
            self.pace.set_active(is_at_work=self.is_active)

    @property
    def is_active(self) -> bool:
        """True if any item is in progress, here or at the server."""
        return self._in_progress > 0

    async def renew_leases(self, journal: Journal) -> None:
        """Renew the leases of active items; cancel items whose lease is lost.

        Another process may have acquired a lease if this one could not run for a while, as on a laptop that
        slept.

        Raises:
            JournalError: The journal cannot be written; the next write reports that.
        """
        leased = [work for work in self.active if work.is_leased]
        ours = await journal.renew([work.item.key for work in leased])
        for work in leased:
            if work.is_leased and work.item.key not in ours and work.task is not None:
                work.has_lost_lease = True
                work.task.cancel()

    async def join(self) -> None:
        """Wait for all items, those of other processes and the last included."""
        await self._finish()
        last, self._last = self._last, []
        for item in last:
            await self._start(item, is_last=True)
        await self._finish()

    async def _finish(self) -> None:
        while self.active or (self._locked and not self.stopped.is_set()):
            polled_at, again = loop_time(), list[Item]()
            again, self._locked = self._locked, again
            for item in again:
                await self._start(item)
            if tasks := self._tasks():
                await asyncio.wait(tasks, timeout=OTHER_PROCESS_POLL_INTERVAL)
            if self._locked:
                await asyncio.sleep(max(0.0, polled_at + OTHER_PROCESS_POLL_INTERVAL - loop_time()))

    def stop_accepting(self) -> None:
        """Start nothing more."""
        if self.stopped_at is None:
            self.stopped_at = loop_time()
        self.stopped.set()
        self._room.set()

    def stop(self) -> None:
        """Start nothing more, and drop items that are unstarted."""
        self.stop_accepting()
        current = asyncio.current_task()
        for work in self.active:
            if work.is_unstarted and work.task is not current:
                self._drop(work)

    def let_rests_go(self) -> None:
        """Drop items that wait for the daily reset, now and later."""
        self._drops_resting = True
        for work in self.active:
            if work.waits_for_quota:
                self._drop(work)

    def _drop(self, work: ActiveItem) -> None:
        """Drop an item, once.

        A dropped item may still release what it holds, or deliver its outcome.
        """
        if work.is_skipped or work.task is None:
            return
        work.is_skipped = True
        if work.has_started:
            work.task.cancel()

    async def cancel_all(self) -> None:
        """Cancel all active items, and wait until they have released everything."""
        self.stopped.set()
        for work in self.active:
            work.is_skipped = False
        try:
            await end(*self._tasks())
        finally:
            self.active.clear()  # a task that was cancelled before its start has not removed its item

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [work.task for work in self.active if work.task is not None]


def default_concurrency(runtime: Runtime) -> int:
    """Return the default number of items that are active at once."""
    slots = runtime.governor.limits.active_projects
    return DEFAULT_WORKERS if slots is None else slots + EXTRA_WORKERS
