"""Telling those who wait in this process that an answer has come; other processes look into the journal."""

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
"""Which job of which journal."""

_waiting: dict[Channel, set[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = {}


@contextmanager
def subscribe(journal: Journal, key: str) -> Generator[asyncio.Event, None, None]:
    """While this lasts, the event is set whenever something was answered."""
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
    """Something was answered."""
    here = asyncio.get_running_loop()
    for loop, signal in tuple(_waiting.get(_channel(journal, key), ())):
        if loop is here:
            signal.set()
        elif not loop.is_closed():
            loop.call_soon_threadsafe(signal.set)


def _channel(journal: Journal, key: str) -> Channel:
    return getattr(journal, "path", None) or id(journal), key


POLL_INTERVAL: Final = 5.0
"""Seconds after which the clock on the wall is asked again: it goes on while a computer sleeps."""


TICK: Final = 0.01
"""Seconds that are slept at least: for less than a loop's clock resolves, no time may pass at all."""


async def sleep_until(executor: StepExecutor, call: StepCall, pause: datetime | timedelta) -> datetime:
    """Wait until a time, or for a time from when this was begun first; returns until when that was."""
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
            await executor.suspend(f"it sleeps until {until.isoformat(timespec='seconds')}")
        await asyncio.sleep(max(TICK, min(left, POLL_INTERVAL)))
    async with executor.lease():
        await executor.record_result(call, step, until, datetime)
    return until


def _remaining(step: Effect, pause: datetime | timedelta) -> Callable[[datetime], float]:
    """Tells the seconds until a time by the wall clock, or of a duration by one that nobody sets."""
    if isinstance(pause, datetime):
        return lambda until: (until - clock.now()).total_seconds()
    remaining = clock.Remaining(pause.total_seconds(), step.intent_moment, step.intent_at)
    return lambda _: remaining.seconds()
