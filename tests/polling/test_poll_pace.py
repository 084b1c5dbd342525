"""The frequency of the poller's decisions, which is low in any case."""

import asyncio
import math
from typing import Any

import pytest

from eversince_async import Eversince, PollSchedule
from eversince_async.emulator import Emulator, Scenario
from eversince_async.governor import Governor, Lane
from eversince_async.polling.durations import DurationModel
from eversince_async.polling.early import EarlyPollPolicy, PendingStage
from eversince_async.polling.poller import MANY_PROJECTS, MIN_DECISION_INTERVAL_SECONDS
from eversince_async.testing import run


class Ticking:
    """A clock that, like a running one, advances with each reading."""

    def __init__(self, shown: float) -> None:
        self.shown = shown

    def __call__(self) -> float:
        self.shown += 1e-6
        return self.shown


async def test_what_may_leave_at_once_leaves_at_the_time_of_whoever_asks() -> None:
    governor, clock = Governor(), Ticking(1000.0)
    governor._time = clock  # type: ignore[assignment]
    now = clock()

    assert now == governor.estimated_departure(Lane.POLL, now)
    assert now < governor.estimated_departure(Lane.POLL)


async def test_an_early_look_that_pays_is_now_on_a_running_clock() -> None:
    governor, clock = Governor(), Ticking(1000.0)
    governor._time = clock  # type: ignore[assignment]
    timing = EarlyPollPolicy(PollSchedule(), governor, DurationModel())
    timing.last_poll_at = 980.0
    now = clock()

    assert now >= timing.next_early_poll([PendingStage(None, 960.0)], now, now + 10.0)


async def productions(count: int, seconds: float) -> tuple[int, int, int]:
    """Return the numbers of decisions, polls and early polls.

    So many productions wait for so many seconds.
    """
    scenario = Scenario(walk={"generating": 10_000})
    async with Emulator(scenario=scenario) as emulator, Eversince(**emulator.connection) as eversince:
        work = [asyncio.ensure_future(eversince.produce(f"film {n}")) for n in range(count)]
        await asyncio.sleep(seconds)
        for each in work:
            each.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        looks = [entry for entry in emulator.world.log if entry.method == "GET"]
        return eversince._poller.decisions, len(looks), len(eversince._poller._timing._early_request_times)


@pytest.mark.parametrize("count", [1, 4, 40])
def test_a_running_clock_makes_no_more_decisions_than_a_jumping_one(count: int) -> None:
    """There are a few decisions for each poll.

    Early polls are sent on either clock.
    """
    for speed in (None, 120.0):
        decisions, looks, early = run(productions(count, 180.0), speed=speed)

        assert 3 <= looks
        assert decisions <= 4 * looks + 10
        assert early > 0


@pytest.mark.parametrize("always", [0.0, 1e-9, 0.002], ids=str)
def test_a_wrong_decision_cannot_keep_a_core_busy(monkeypatch: pytest.MonkeyPatch, always: float) -> None:
    """This holds even if a poll always seems due in a moment."""

    async def story() -> tuple[int, float]:
        async with Emulator() as emulator, Eversince(**emulator.connection) as eversince:
            poller = eversince._poller

            def soon(_: object, now: float, *__: Any, **___: Any) -> float:
                return now + 0.002 if poller.decisions % 3 else now + always

            async def nothing(*_: object, **__: object) -> None:
                pass

            monkeypatch.setattr(poller._timing, "next_early_poll", soon)
            monkeypatch.setattr(poller._rounds, "poll", nothing)
            project = emulator.add_project(walks={"generating": 10_000})
            waiting = asyncio.create_task(poller.next_observation(project.id, status="generating"))
            began = asyncio.get_running_loop().time()
            await asyncio.sleep(20)
            waiting.cancel()
            await asyncio.wait([waiting])
            return poller.decisions, asyncio.get_running_loop().time() - began

    for speed in (None, 60.0):
        decisions, seconds = run(story(), speed=speed)

        assert 1 < decisions <= math.ceil(seconds / MIN_DECISION_INTERVAL_SECONDS) + 1


async def test_a_storm_of_changes_is_decided_on_together(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project(walks={"running": 10_000})
    waiting = asyncio.create_task(eversince._poller.next_observation(project.id, status="running"))
    await asyncio.sleep(0.1)
    before = eversince._poller.decisions
    for _ in range(1000):
        coming_and_going = asyncio.create_task(
            eversince._poller.next_observation("proj_other", status="running")
        )
        await asyncio.sleep(0.001)
        coming_and_going.cancel()
        await asyncio.wait([coming_and_going])
    waiting.cancel()
    await asyncio.wait([waiting])

    assert eversince._poller.decisions - before <= 1 / MIN_DECISION_INTERVAL_SECONDS + 1


async def test_nobody_is_left_behind_who_comes_between_two_decisions(
    emulator: Emulator, eversince: Eversince
) -> None:
    project = emulator.add_project(walks={"running": 10_000})
    first = asyncio.create_task(eversince._poller.next_observation(project.id, status="running"))
    await asyncio.sleep(MIN_DECISION_INTERVAL_SECONDS / 2)
    first.cancel()
    await asyncio.wait([first])
    second = await eversince._poller.next_observation(project.id, status="queued")

    assert "running" == second.status
    assert [5.0 + MIN_DECISION_INTERVAL_SECONDS / 2] == emulator.polls(project.id)


async def test_the_more_is_waited_for_the_rarer_it_decides(eversince: Eversince) -> None:
    """A decision considers all waits.

    So a storm of changes would keep a core busy.
    """
    poller = eversince._poller
    waits = [
        asyncio.create_task(poller.next_observation(f"proj_{n}", status="generating"))
        for n in range(20 * MANY_PROJECTS)
    ]
    await asyncio.sleep(0.1)
    before = poller.decisions
    for n in range(300):
        await asyncio.sleep(0.01)
        waits[n].cancel()
    decided = poller.decisions - before
    for wait in waits:
        wait.cancel()
    await asyncio.wait(waits)

    assert decided <= 3 / (20 * MIN_DECISION_INTERVAL_SECONDS) + 1
