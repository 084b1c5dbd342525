"""Pauses that outlast the process: until a time that is written down when they begin."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from eversince_async import clock
from eversince_async.journal import LEASE, Effect
from eversince_async.journal.fields import Field
from eversince_async.pipelines.calls import Call
from eversince_async.pipelines.course import Course

LOOK: Final = 5.0
"""Seconds after which the clock on the wall is asked again: it goes on while a computer sleeps."""


TICK: Final = 0.01
"""Seconds that are slept at least: for less than a loop's clock resolves, no time may pass at all."""


async def slept(course: Course, call: Call, pause: datetime | timedelta) -> datetime:
    """Wait until a time, or for a time from when this was begun first; returns until when that was."""
    step = course.known(call)
    if step is not None and step.state == "done":
        until: datetime = course.remembered(call, step, datetime)
        return until
    if step is None:
        until = pause if isinstance(pause, datetime) else clock.now() + pause
        async with course.at_work():
            step = await course.begun(call, None, until=until.isoformat())
    until, left_of = Field.of(step, "request")["until"].instant(), _left_of(step, pause)
    while (left := left_of(until)) > 0:
        course.need_short_pause(until, left, call)
        if left > LEASE and course.manner.waits:
            await course.rest(f"it sleeps until {until.isoformat(timespec='seconds')}")
        await asyncio.sleep(max(TICK, min(left, LOOK)))
    async with course.at_work():
        await course.ended(call, step, until, datetime)
    return until


def _left_of(step: Effect, pause: datetime | timedelta) -> Callable[[datetime], float]:
    """Tells the seconds until a time by the wall clock, or of a duration by one that nobody sets."""
    if isinstance(pause, datetime):
        return lambda until: (until - clock.now()).total_seconds()
    remaining = clock.Remaining(pause.total_seconds(), step.intent_moment, step.intent_at)
    return lambda _: remaining.seconds()
