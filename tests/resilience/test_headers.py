"""The limit that the server announces counts at once.

This holds in both directions, unless a limit is pinned.
"""

import asyncio

import pytest

from eversince_async import Limits
from eversince_async.emulator import Limits as EmulatedLimits
from helpers.crowd import account, refused


async def burst(calls: int, *, announced: int, limits: Limits) -> tuple[float, int, int]:
    """Make many calls at once.

    Return the virtual seconds they took, the refusals, and the most requests in any minute.
    """
    there = EmulatedLimits(requests_per_minute=announced)
    async with account(limits=limits, there=there) as (emulator, eversince):
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(*(eversince.account.credits() for _ in range(calls)))
        took = loop.time() - began
        return took, refused(emulator), emulator.world.log.most_requests_in_window(60.0)


async def test_120_a_minute_are_used_within_the_first_window() -> None:
    assert (0.0, 0, 120) == await burst(120, announced=120, limits=Limits())


async def test_10_a_minute_are_obeyed_at_once() -> None:
    """One response is enough.

    Requests that left before it may be refused, but none afterwards.
    """
    there = EmulatedLimits(requests_per_minute=10)
    async with account(limits=Limits(), there=there) as (emulator, eversince):
        await eversince.account.credits()
        await asyncio.gather(*(eversince.account.credits() for _ in range(40)))

        assert 0 == refused(emulator)
        assert 10 == emulator.world.log.most_requests_in_window(60.0)


@pytest.mark.parametrize("announced", [10, 30, 120])
async def test_a_pinned_limit_is_never_exceeded(announced: int) -> None:
    _, _, most = await burst(60, announced=announced, limits=Limits(requests_per_minute=7))

    assert 7 == most
