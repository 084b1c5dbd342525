"""Under any fault, nothing is made twice and nothing is lost."""

import asyncio
from typing import Any

import pytest

from eversince_async import PollSchedule, Production
from eversince_async.emulator import Faults
from eversince_async.emulator.faults import ErrorAnswer, Fault, NotJson, Reset, Stall, Truncated, Unavailable
from helpers.crowd import FULL, SEEDS, account, scenario

WORKFLOWS = 200 if FULL else 60
SOUND = scenario(1, failure=0, render_failure=0, self_render=0)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_tenth_of_all_answers_goes_wrong_and_everything_is_made_once(seed: int) -> None:
    """Faults: resets before and after the commit, 500, 503, truncation and silence."""
    faults = Faults(
        reset_before_commit=0.02,
        reset_after_commit=0.02,
        error_500=0.015,
        error_503=0.015,
        truncated=0.015,
        stalled=0.015,
        seed=seed,
    )
    # The order of requests decides which one fails: now and then one video has faults for minutes on end.
    patient = PollSchedule(max_failure_time=3600.0)
    options: dict[str, Any] = {"timeout": 30.0, "schedule": patient}
    async with account(projects=SOUND, faults=faults, **options) as (emulator, eversince):
        made = await asyncio.gather(*(eversince.produce(f"film {n}") for n in range(WORKFLOWS)))
        counts = emulator.world.counts

    assert (WORKFLOWS, WORKFLOWS, WORKFLOWS) == (counts["projects"], counts["renders"], counts["shares"])
    assert WORKFLOWS == len({each.project_id for each in made}) == len({each.share_url for each in made})


@pytest.mark.parametrize("path", ["/projects", "/projects/*/render", "/projects/*/share"])
@pytest.mark.parametrize(
    "fault",
    [
        Reset(),
        Reset(after_commit=True),
        Truncated(),
        NotJson(),
        NotJson(after_commit=True),
        Stall(),
        Stall(after_commit=True),
        Unavailable(),  # the API's own error, which means that nothing was done
        ErrorAnswer(),
        ErrorAnswer(after_commit=True),
    ],
    ids=str,
)
async def test_a_write_that_goes_wrong_is_done_once(fault: Fault, path: str) -> None:
    faults = Faults()
    faults.once("POST", path, fault)

    production, counts = await one_film(faults)

    assert (1, 1, 1) == (counts["projects"], counts["renders"], counts["shares"])
    assert production.assembled_url is not None
    assert 0 == faults.pending


@pytest.mark.parametrize("path", ["/projects", "/projects/*/render", "/projects/*/share"])
async def test_a_write_that_goes_wrong_again_and_again_is_done_once(path: str) -> None:
    faults = Faults()
    for fault in (Reset(), Stall(), Reset(after_commit=True)):
        faults.once("POST", path, fault)

    _, counts = await one_film(faults)

    assert (1, 1, 1) == (counts["projects"], counts["renders"], counts["shares"])


async def test_reads_may_be_stale_for_a_while() -> None:
    _, counts = await one_film(Faults(stale_reads=20.0))

    assert (1, 1, 1) == (counts["projects"], counts["renders"], counts["shares"])


async def test_shares_in_doubt_are_told_apart() -> None:
    """Each of several productions gets the link to its own video.

    They have no titles and share at the same time.
    """
    faults = Faults()
    faults.once("POST", "/projects/*/share", Reset(after_commit=True), times=3)
    async with account(projects=SOUND, faults=faults) as (emulator, eversince):
        made = await asyncio.gather(*(eversince.produce(f"film {n}") for n in range(5)))
        shared = {token: project.id for token, (_, project) in emulator.world.shares.items()}

    assert 5 == len(shared)
    for each in made:
        assert each.share_url is not None
        assert each.project_id == shared[each.share_url.rpartition("/")[2]]


async def one_film(faults: Faults) -> tuple[Production, dict[str, int]]:
    async with account(projects=SOUND, faults=faults, timeout=30.0) as (emulator, eversince):
        return await eversince.produce("a film"), dict(emulator.world.counts)
