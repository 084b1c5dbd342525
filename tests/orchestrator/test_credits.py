"""Credits that run low or out, and estimates of costs."""

from __future__ import annotations

import asyncio
import pickle

import pytest

from eversince_async import CreditsWarning, Eversince, InsufficientCredits, Operation
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import ErrorAnswer, Stall

PACKAGES = "GET /account/credit-packages"


async def test_a_warning_is_told_once_for_each_text(emulator, eversince):
    """Every response repeats the warning.

    Here the text changes once, as the agent spends.
    """
    emulator.account.credits = 99
    async with eversince.produce("A film") as workflow:
        warnings = [event.warning async for event in workflow if isinstance(event, CreditsWarning)]

    assert len(set(warnings)) == len(warnings)
    assert len(warnings) >= 1


async def test_a_warning_is_told_to_a_function_without_anybody_following(emulator, eversince):
    emulator.account.credits = 99
    warnings: list[str] = []

    await eversince.produce("A film", on_credits_warning=warnings.append)

    assert warnings
    assert len(set(warnings)) == len(warnings)


async def test_a_function_that_fails_breaks_nothing(emulator, eversince, caplog):
    emulator.account.credits = 99

    def fails(warning: str) -> None:
        raise ZeroDivisionError

    film = await eversince.produce("A film", on_credits_warning=fails)

    assert film.share_url is not None
    assert "an observer failed" in caplog.text


async def test_with_credits_enough_nothing_is_told(eversince):
    warnings: list[str] = []

    await eversince.produce("A film", on_credits_warning=warnings.append)

    assert [] == warnings


async def test_too_few_credits_tell_the_balance_and_where_to_buy(emulator, eversince):
    emulator.account.credits = 7

    with pytest.raises(InsufficientCredits) as refused:
        await eversince.produce("A film")

    assert 7 == refused.value.balance
    assert len(refused.value.packages) > 0
    assert all(package.purchase_url for package in refused.value.packages)
    assert 7 == pickle.loads(pickle.dumps(refused.value)).balance


async def test_a_hundred_that_fail_at_once_ask_once(emulator, eversince):
    emulator.account.credits = 7

    failures = await asyncio.gather(
        *(eversince.produce(f"Film {number}") for number in range(100)), return_exceptions=True
    )

    assert {7} == {failure.balance for failure in failures if isinstance(failure, InsufficientCredits)}
    # A hundred creates take minutes at thirty a minute, and the packages are fetched once a minute.
    minutes = (emulator.world.log.entries[-1].at - emulator.world.log.entries[0].at) / 60
    assert len(emulator.world.log.of(PACKAGES)) <= minutes + 1


async def test_later_it_is_asked_for_again(emulator, eversince):
    """A person may have bought credits meanwhile."""
    for balance in (7, 8):
        emulator.account.credits = balance
        with pytest.raises(InsufficientCredits) as refused:
            await eversince.produce("A film")
        assert balance == refused.value.balance
        await asyncio.sleep(61)


async def test_too_few_credits_for_a_render(emulator, eversince):
    project = emulator.add_project()
    emulator.account.credits = 3

    with pytest.raises(InsufficientCredits) as refused:
        await eversince.render(project.id)
    assert 3 == refused.value.balance
    assert 50 == eversince.governor.quota.left("renders")
    assert 0 == eversince.governor.snapshot().slots.occupied


async def test_the_refusal_itself_matters_more_than_what_can_be_bought(emulator, eversince):
    emulator.account.credits = 7
    emulator.faults.once("GET", "/account/credit-packages", ErrorAnswer(), times=100)

    with pytest.raises(InsufficientCredits) as refused:
        await eversince.produce("A film")
    assert refused.value.balance is None


async def test_closing_the_client_meanwhile_leaves_nothing(emulator):
    emulator.account.credits = 7
    emulator.faults.once("GET", "/account/credit-packages", Stall())
    async with Eversince(**emulator.connection) as eversince:
        producing = asyncio.create_task(eversince.produce("A film")._get_result())
        await asyncio.sleep(5)

    with pytest.raises(InsufficientCredits):
        await producing


async def test_credits_that_run_out_in_the_middle_end_the_render_not_the_project():
    """The agent spends; too few credits are left for the render.

    The project stays, to be resumed.
    """
    spendthrift = Scenario(image_credits=5, video_credits=5)
    async with (
        Emulator(credits=60, scenario=spendthrift) as emulator,
        Eversince(**emulator.connection) as eversince,
    ):
        with pytest.raises(InsufficientCredits):
            await eversince.produce("A film")
        (entry,) = emulator.world.log.of("POST /projects")
        emulator.account.credits = 500

        film = await eversince.resume(entry.project_id, share=True)

        assert film.share_url is not None
        assert 1 == len(emulator.world.log.of("POST /projects"))


async def test_an_estimate_prices_what_is_planned(eversince):
    estimate = await eversince.estimate(
        Operation(tool="generate_image", count=4), Operation(tool="generate_video", duration=5)
    )

    assert 2 == len(estimate.items)
    assert estimate.total_credits == sum(item.subtotal or 0 for item in estimate.items)


async def test_an_estimate_of_nothing_is_refused_here(emulator, eversince):
    with pytest.raises(ValueError, match="operations"):
        await eversince.estimate()
    assert 0 == len(emulator.world.log)
