"""Estimates of a batch's end, limited by slots, requests or daily quotas."""

from __future__ import annotations

import asyncio

import pytest

from eversince_async import Eversince, Limits
from eversince_async.batch.throughput import ThroughputEstimator
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.limits import Limits as Kept

pytestmark = pytest.mark.slow

UNLIMITED = {"renders_per_day": None, "projects_per_day": None}


async def foreseen(items: int, when: tuple[int, ...], **limits):
    """Return the progress at these counts, each with the actual seconds left."""
    limits = {**UNLIMITED, **limits}
    told = {name: limits[name] for name in limits if name != "requests_per_minute"}
    async with (
        Emulator(scenario=Scenario(seed=1), limits=Kept(**limits), credits=1e9) as emulator,
        Eversince(**emulator.connection, limits=Limits(**told)) as eversince,
        eversince.batch([f"Film {n}" for n in range(items)]) as batch,
    ):
        assert batch.progress.eta is None
        time = asyncio.get_running_loop().time
        seen = [(batch.progress, time()) async for _ in batch]
        end = time()
    return [(progress, end - at) for progress, at in seen if progress.done in when]


@pytest.mark.parametrize(
    ("items", "limits"),
    [(24, {}), (24, {"requests_per_minute": 6}), (18, {"active_projects": 2}), (75, {"active_projects": 15})],
    ids=["as usual", "few requests", "few slots", "many slots"],
)
async def test_the_end_is_foreseen_within_an_eighth(items, limits):
    """The estimate holds from a third to a half of the way.

    The range holds the actual end.
    """
    for progress, took in await foreseen(items, (items // 3, items // 2), **limits):
        assert took == pytest.approx(progress.eta, rel=0.125)
        assert progress.eta_range[0] <= took <= progress.eta_range[1]
        assert progress.eta_range[1] - progress.eta_range[0] < progress.eta


@pytest.mark.parametrize("quota", ["renders_per_day", "projects_per_day"])
async def test_days_that_have_to_be_waited_for_are_foreseen_within_a_hundredth(quota):
    """The first day shows that two more days and a little follow.

    There are eight projects a day for twenty items.
    """
    for progress, took in await foreseen(20, (3, 7, 9, 15), **{quota: 8}):
        assert took == pytest.approx(progress.eta, rel=0.01)


def test_nothing_is_foreseen_without_experience():
    assert ThroughputEstimator(count=2, mean=10.0, active_seconds=20.0).estimate(5, [], 5) is None


def test_those_at_work_that_have_outlasted_the_finished_show_that_these_were_the_short_ones():
    early = ThroughputEstimator(count=3, mean=100.0, active_seconds=300.0).estimate(10, [100.0, 100.0], 5)
    late = ThroughputEstimator(count=3, mean=100.0, active_seconds=300.0).estimate(10, [300.0, 300.0], 5)

    assert early is not None
    assert late is not None
    assert late.median > early.median


def test_what_waits_when_nothing_is_at_work_takes_its_turns():
    """Each item takes a hundred seconds, and five run side by side."""
    likely = ThroughputEstimator(count=10, mean=100.0, active_seconds=200.0).estimate(20, [], 5)

    assert likely is not None
    assert 400 <= likely.median <= 500
    assert 0 == likely.deviation
