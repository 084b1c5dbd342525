"""The main stories on clocks that run: a loop at a finite speed, and asyncio's own.

In virtual time two readings of the clock are equal unless something was awaited between them, and a loop
that decides a million times costs no time at all. So what holds there is tried here once more.
"""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from eversince_async.testing import run
from helpers.real_time_stories import OFTEN, QUICKEST, Cost, Idle, batch, campaign, cost_of, idle, productions

pytestmark = pytest.mark.slow

SPEED: Final = 60.0

DECISIONS_PER_LOOK: Final = 6
DECISIONS_PER_MINUTE: Final = 60
"""Generous: at 30 requests a minute few of which are looks, there is little to decide."""

IDLE_SHARE: Final = 0.05
"""Of a core, server included. Quiet machines show 0.01 or less; one that spins shows 0.2 to 0.6."""

STORIES: Final = {
    "4 productions": (productions(4), (4, 4, 4)),
    "40 productions": (productions(40), (40, 40, 40)),
    "a batch": (batch(10), (10, 10, 10)),
    "a pipeline": (campaign(1), (1, 2, 2)),
}
SHORT: Final = {
    "4 productions": (productions(4), (4, 4, 4)),
    "a batch": (batch(4), (4, 4, 4)),
    "a pipeline": (campaign(0), (1, 1, 1)),
}
WEBHOOKS: Final = {"by looking": False, "with webhooks": True}


def assert_seldom_decided(cost: Cost) -> None:
    assert cost.decisions <= DECISIONS_PER_LOOK * cost.looks + 20
    assert cost.decisions <= DECISIONS_PER_MINUTE * (cost.minutes + 1)


# At a finite speed


@pytest.mark.parametrize("webhooks", WEBHOOKS.values(), ids=WEBHOOKS)
@pytest.mark.parametrize("name", STORIES)
def test_at_a_finite_speed_everything_is_made_once_by_few_decisions(name: str, webhooks: bool) -> None:  # noqa: FBT001
    story, made = STORIES[name]

    cost = run(cost_of(story, webhooks=webhooks), speed=SPEED)

    assert made == cost.made
    assert_seldom_decided(cost)


@pytest.mark.parametrize("count", [1, 4, 40])
def test_at_a_finite_speed_few_decisions_are_made_while_productions_wait(count: int) -> None:
    cost = run(idle(count, settle=60.0, seconds=120.0), speed=SPEED)

    assert cost.decisions <= DECISIONS_PER_MINUTE


# On asyncio's own loop


@pytest.fixture(scope="module")
def really() -> dict[str, Cost]:
    """What each story cost, all told at once so that it takes no longer than the longest."""

    async def told() -> dict[str, Cost]:
        tellings = {
            f"{name}, {how}": cost_of(story, scenario=QUICKEST, schedule=OFTEN, webhooks=webhooks)
            for name, (story, _) in SHORT.items()
            for how, webhooks in WEBHOOKS.items()
        }
        return dict(zip(tellings, await asyncio.gather(*tellings.values()), strict=True))

    return asyncio.run(told())


@pytest.mark.parametrize("how", WEBHOOKS)
@pytest.mark.parametrize("name", SHORT)
def test_on_a_real_clock_everything_is_made_once_by_few_decisions(
    really: dict[str, Cost], name: str, how: str
) -> None:
    cost = really[f"{name}, {how}"]

    assert SHORT[name][1] == cost.made
    assert_seldom_decided(cost)


def test_on_a_real_clock_productions_are_idle_while_they_wait() -> None:
    """Even the first seconds of a wait leave the core to others, however many wait."""

    async def both() -> list[Idle]:
        return list(await asyncio.gather(*(idle(count, settle=3.0, seconds=9.0) for count in (4, 40))))

    for cost in asyncio.run(both()):
        assert cost.share <= IDLE_SHARE, "of both accounts, which share a thread"
        assert cost.decisions <= DECISIONS_PER_MINUTE
