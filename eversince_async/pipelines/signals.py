"""Wake-ups for waiters in this process, and sleeping between steps.

A waiter in another process polls the journal instead.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from eversince_async import clock
from eversince_async.journal import LEASE_SECONDS, Effect, Journal
from eversince_async.journal.fields import Field
from eversince_async.pipelines.branches import StepCall
from eversince_async.pipelines.steps import StepExecutor

Channel = tuple[Any, str]
"""A journal, and the key of a job in it."""

_waiting: dict[Channel, set[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = {}


@contextmanager
def subscribe(journal: Journal, key: str) -> Generator[asyncio.Event, None, None]:
    """Yield an event that is set at each notification of a job."""
    place = _channel(journal, key)
    signal = (asyncio.get_running_loop(), asyncio.Event())
    _waiting.setdefault(place, set()).add(signal)
    try:
        yield signal[1]
    finally:
        _waiting[place].discard(signal)
        if not _waiting[place]:
            del _waiting[place]


def notify(journal: Journal, key: str) -> None:
    """Wake the waiters of a job.

    The reason is that a question was answered, or that a run of the job has ended.
    """
    here = asyncio.get_running_loop()
    for loop, signal in tuple(_waiting.get(_channel(journal, key), ())):
        if loop is here:
            signal.set()
        elif not loop.is_closed():
            loop.call_soon_threadsafe(signal.set)


def _channel(journal: Journal, key: str) -> Channel:
    return getattr(journal, "path", None) or id(journal), key


POLL_INTERVAL: Final = 5.0
"""Seconds between two checks of the wall clock, which goes on while a computer sleeps."""


TICK: Final = 0.01
"""Seconds of a sleep at least.

No time at all may pass in a sleep that is shorter than the resolution of the event loop's clock.
"""


async def sleep_until(executor: StepExecutor, call: StepCall, pause: datetime | timedelta) -> datetime:
    """Sleep until a time, or for a duration; return the end.

    A duration counts from the time at which the step first began.
    """
    step = executor.lookup(call)
    if step is not None and step.state == "done":
        until: datetime = executor.replay(call, step, datetime)
        return until
    if step is None:
        until = pause if isinstance(pause, datetime) else clock.now() + pause
        async with executor.lease():
            step = await executor.record_start(call, None, until=until.isoformat())
    until, left_of = Field.of(step, "request")["until"].instant(), _remaining(step, pause)
    while (left := left_of(until)) > 0:
        executor.need_short_pause(until, left, call)
        if left > LEASE_SECONDS and executor.manner.waits_for_approvals:
            await executor.suspend(f"the pipeline sleeps until {until.isoformat(timespec='seconds')}")
        await asyncio.sleep(max(TICK, min(left, POLL_INTERVAL)))
    async with executor.lease():
        await executor.record_result(call, step, until, datetime)
    return until


def _remaining(step: Effect, pause: datetime | timedelta) -> Callable[[datetime], float]:
    """Return a function that tells the seconds left until a time.

    A time is measured by the wall clock, a duration by a clock that setting the time does not affect.
    """
    if isinstance(pause, datetime):
        return lambda until: (until - clock.now()).total_seconds()
    remaining = clock.Remaining(pause.total_seconds(), step.intent_moment, step.intent_at)
    return lambda _: remaining.seconds()
