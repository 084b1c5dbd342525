"""The governor's estimates for callers that plan requests ahead."""

import asyncio
import math

from eversince_async.governor import Governor, Lane, Limits
from eversince_async.models.receipt import RateLimit


async def test_a_request_is_expected_to_leave_at_once_while_there_is_room():
    now = asyncio.get_running_loop().time()
    assert now >= Governor().estimated_departure(Lane.POLL)


async def test_a_request_is_expected_to_leave_when_the_pause_is_over():
    governor = Governor()
    governor.pause(7)
    assert asyncio.get_running_loop().time() + 7 == governor.estimated_departure(Lane.POLL)


async def test_a_request_is_expected_to_leave_after_those_that_wait():
    governor = Governor(Limits(requests_per_minute=2, guard=0))
    for _ in range(2):
        governor.answered(await governor.admit(Lane.INTERACTIVE))
    waiting = asyncio.ensure_future(governor.admit(Lane.WORK))
    await asyncio.sleep(1)
    alone = governor.estimated_departure(Lane.POLL)
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    assert alone >= governor.estimated_departure(Lane.POLL) > asyncio.get_running_loop().time()


async def test_the_allowance_leaves_to_others_what_they_use():
    governor = Governor(Limits(requests_per_minute=30))
    assert 30 == governor.allowance()
    departure = await governor.admit()
    governor.answered(departure, RateLimit(limit=30, remaining=19, resets_at=None, resets_in=60.0))
    assert 20 > governor.allowance() > 15


async def test_without_a_limit_the_allowance_is_infinite():
    assert math.inf == Governor(Limits(requests_per_minute=None)).allowance()
