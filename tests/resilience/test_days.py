"""Daily caps: 50 renders a day are the scarcest limit of all."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eversince_async import Eversince, Limits, QuotaExhausted
from eversince_async.emulator import Emulator
from eversince_async.emulator import Limits as EmulatedLimits
from eversince_async.emulator.faults import ErrorAnswer
from eversince_async.governor import WaitKind
from eversince_async.orchestrator.events import Waiting
from helpers.crowd import account, refused, scenario
from helpers.wall_clocks import set_clock, unmoved

pytestmark = pytest.mark.slow

DAY = 86400.0
QUICK = scenario(1, failure=0, render_failure=0, self_render=0)


@pytest.fixture
async def here() -> AsyncIterator[tuple[Emulator, Eversince]]:
    """An account with the documented limits."""
    async with account(limits=Limits(), there=EmulatedLimits(), projects=QUICK) as both:
        yield both


async def test_120_renders_take_three_days_and_no_refusal(here: tuple[Emulator, Eversince]) -> None:
    emulator, eversince = here
    began = asyncio.get_running_loop().time()

    await asyncio.gather(*(eversince.produce(f"film {n}", share=False) for n in range(120)))

    assert 2 * DAY < asyncio.get_running_loop().time() - began < 3 * DAY
    assert 120 == emulator.world.counts["renders"]
    assert 0 == refused(emulator)
    assert emulator.world.most_active == 5


async def test_render_free_work_goes_on_while_renders_wait_for_tomorrow(
    here: tuple[Emulator, Eversince],
) -> None:
    """Productions that wait report it, and hold no slot."""
    emulator, eversince = here
    reasons = set[WaitKind]()

    async def follow(n: int) -> None:
        async with eversince.produce(f"film {n}", share=False) as workflow:
            async for event in workflow:
                if isinstance(event, Waiting):
                    reasons.add(event.reason.kind)
            await workflow

    films = [asyncio.create_task(follow(n)) for n in range(60)]
    await asyncio.sleep(DAY / 2)

    assert 10 == sum(not film.done() for film in films)
    assert WaitKind.RENDERS in reasons
    assert 0 == eversince.governor.snapshot().slots.occupied
    assert "50/50 renders today, 10 waiting" in repr(eversince.governor)
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(eversince.produce(f"images {n}", expected_output="assets") for n in range(20)))
    assert asyncio.get_running_loop().time() - began < 3600

    await asyncio.gather(*films)
    assert 60 == emulator.world.counts["renders"]
    assert 0 == refused(emulator)


async def test_who_would_not_wait_for_tomorrow_learns_it_at_once(here: tuple[Emulator, Eversince]) -> None:
    """The draft is made and kept; no render request is sent."""
    emulator, eversince = here
    await asyncio.gather(*(eversince.produce(f"film {n}", share=False) for n in range(50)))
    sent = len(emulator.world.log.of("POST /projects/:id/render"))

    with pytest.raises(QuotaExhausted) as spent:
        await eversince.produce("one more", wait_for_quota=False)

    assert spent.value.resets_at is not None
    assert sent == len(emulator.world.log.of("POST /projects/:id/render"))
    assert 0 == eversince.governor.snapshot().slots.occupied


async def test_renders_that_others_spent_are_found_out_by_one_refusal() -> None:
    """One render is refused, and all others wait because of it.

    The governor knew of none of today's renders.
    """
    async with account(limits=Limits(), there=EmulatedLimits(), projects=QUICK) as (emulator, eversince):
        for _ in range(50):
            emulator.account.rendered_today.add(asyncio.get_running_loop().time() + emulator_start())

        await asyncio.gather(*(eversince.produce(f"film {n}", share=False) for n in range(10)))

        assert 10 == emulator.world.counts["renders"]
        assert refused(emulator) <= 5


def emulator_start() -> float:
    """Return the Unix seconds when the running loop's time was 0."""
    loop = asyncio.get_running_loop()
    return float(loop.wall_time() - loop.time())  # type: ignore[attr-defined]  # of the virtual loop


# -- Clocks that are set ------------------------------------------------------------------------------------


@pytest.fixture
def clock_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the emulator's clock apart from the one that is set."""
    unmoved(monkeypatch)


SETS = pytest.mark.parametrize("ahead", [0.0, 3600.0, DAY, 30 * DAY, -3600.0, -30 * DAY])


@SETS
@pytest.mark.usefixtures("clock_of_its_own")
async def test_a_render_counts_for_a_day_whatever_the_clock_showed(ahead: float, tmp_path: Path) -> None:
    """Three renders were made while the clock was wrong.

    The clock is right again, and a new process wants the fourth.
    """
    three = Limits(renders_per_day=3)
    async with Emulator(scenario=QUICK) as emulator:

        async def make(count: int) -> None:
            async with Eversince(**emulator.connection, limits=three) as eversince:
                items = [{"key": str(n), "brief": f"Film {n}"} for n in range(count)]
                await eversince.batch(items, journal=tmp_path / "j.db")

        set_clock(ahead)
        await make(3)
        set_clock(-ahead)
        began = asyncio.get_running_loop().time()
        await make(4)

    assert 0.99 * DAY < asyncio.get_running_loop().time() - began < 1.01 * DAY


@SETS
@pytest.mark.usefixtures("clock_of_its_own")
async def test_who_waits_for_tomorrow_waits_for_no_clock(
    ahead: float,
) -> None:
    limits = Limits(renders_per_day=1)
    async with (
        Emulator(scenario=QUICK) as emulator,
        Eversince(**emulator.connection, limits=limits) as eversince,
    ):
        await eversince.produce("Film 1", share=False)
        began = asyncio.get_running_loop().time()
        async with eversince.produce("Film 2", share=False) as second:
            await asyncio.sleep(3600)
            set_clock(ahead)
            await second

    assert 0.99 * DAY < asyncio.get_running_loop().time() - began < 1.01 * DAY


@SETS
@pytest.mark.usefixtures("clock_of_its_own")
async def test_whom_a_refusal_has_overtaken_asks_no_clock_that_is_set(ahead: float) -> None:
    """Others have spent the quota of the day.

    The clock is set during the wait for the daily reset.
    """
    async with account(limits=Limits(), there=EmulatedLimits(), projects=QUICK) as (emulator, eversince):
        for _ in range(50):
            emulator.account.rendered_today.add(asyncio.get_running_loop().time() + emulator_start())
        films = [asyncio.create_task(made(eversince, n)) for n in range(4)]
        await asyncio.sleep(3600)
        already = refused(emulator)
        set_clock(ahead)
        await asyncio.gather(*films)

        assert 4 == emulator.world.counts["renders"]
        assert refused(emulator) - already <= 1


@pytest.mark.parametrize(
    ("limits", "retry_after"),
    [(Limits(), 1.0), (Limits(renders_per_day=None, projects_per_day=None), 5.0), (Limits(), None)],
    ids=["documented limits", "no limits", "no Retry-After"],
)
async def test_a_daily_cap_that_is_told_as_one_of_the_minute_is_found_out(
    limits: Limits, retry_after: float | None
) -> None:
    """Remaining requests show that the server does not mean the minute.

    The response is 429 `rate_limited` with a short wait.
    """
    there = EmulatedLimits(projects_per_day=None, renders_per_day=None)
    async with account(limits=limits, there=there, projects=QUICK) as (emulator, eversince):
        cap = ErrorAnswer(status=429, code="rate_limited", message="Slow down", retry_after=retry_after)
        emulator.faults.once("POST", "/projects/*/render", cap, times=100_000)
        films = [asyncio.create_task(made(eversince, n)) for n in range(20)]
        await asyncio.sleep(DAY / 2)
        assert 0 == emulator.world.counts["renders"]
        assert 20 == emulator.world.counts["projects"]  # the day's projects suffice
        assert refused(emulator) <= 5 + 12 + 12  # those in flight first, then attempts at growing intervals

        emulator.faults._script.clear()
        await asyncio.gather(*films)
        assert 20 == emulator.world.counts["renders"]


async def made(eversince: Eversince, n: int) -> None:
    await eversince.produce(f"film {n}", share=False)


async def test_a_single_refusal_costs_no_more_than_the_wait_it_asks_for() -> None:
    there = EmulatedLimits(projects_per_day=None, renders_per_day=None)
    async with account(limits=Limits(), there=there, projects=QUICK) as (emulator, eversince):
        busy = ErrorAnswer(status=429, code="rate_limited", message="Slow down", retry_after=5)
        for path in ("/projects", "/projects/*/render"):
            emulator.faults.once("POST", path, busy)
        began = asyncio.get_running_loop().time()
        await eversince.produce("a film", share=False, wait_for_quota=False)

        assert asyncio.get_running_loop().time() - began < 600
        assert 2 == refused(emulator)
