"""What films cost is learned from those that were made alone, by the change of the balance."""

from __future__ import annotations

import asyncio

import pytest

from eversince_async import Eversince
from eversince_async.account.costs import KEPT, Costs, kind_of_film
from eversince_async.account.knowledge import COSTS
from eversince_async.emulator import Emulator, Scenario
from eversince_async.journal import MemoryJournal, SqliteJournal
from eversince_async.models.projects import Brief

QUICK = Scenario(
    queued=1, running=2, images=2, videos=2, rendering=2, cycles=1, scenes=(3, 3), self_render=0.0, failure=0
)
COST = 32.0
"""Credits of one film."""
USUAL = kind_of_film(Brief(brief="A film"), "1080p")


@pytest.fixture
async def emulator():
    scenario = QUICK.when("bad", failure=1.0).when("long", scenes=(6, 6))
    async with Emulator(scenario=scenario, credits=10_000, plan="pro") as emulator:
        yield emulator


def seen(eversince: Eversince, kind: str = USUAL) -> tuple[float, ...]:
    return tuple(eversince._runtime.costs.of(kind))


async def test_one_film_alone_tells_what_it_cost(emulator, eversince):
    await eversince.batch(["A film"])

    assert (COST,) == seen(eversince)


async def test_films_one_after_the_other_tell_by_the_creates_between_them(emulator, eversince):
    """Nothing is asked for but what is asked for anyway."""
    await eversince.batch(["A film", "Another", "A long one"], concurrency=1)

    assert (COST, COST) == seen(eversince)[:2]
    assert seen(eversince)[2] > COST
    assert 1 == len(emulator.world.log.of("GET /account/credits"))


async def test_with_a_cap_the_first_tells(emulator, eversince):
    await eversince.batch([f"film {n}" for n in range(6)], max_credits=1000)

    assert COST in seen(eversince)


async def test_films_that_are_made_together_tell_nothing(emulator, eversince):
    await eversince.batch(["A film", "Another", "A third"])

    assert () == seen(eversince)


async def test_a_film_that_failed_tells_nothing(emulator, eversince):
    await eversince.batch(["bad"])

    assert () == seen(eversince)


async def test_while_others_use_the_account_nothing_is_learned(emulator, eversince):
    """A look at the list of projects shows them."""
    async with Eversince(**emulator.connection) as other:
        theirs = asyncio.ensure_future(other.produce("Another's film", share=False))
        await asyncio.sleep(1)
        page = await eversince.projects.list()
        eversince.governor.observed_page([each.id for each in page.projects], complete=True)
        await eversince.batch(["A film"])
        await theirs

    assert () == seen(eversince)


async def test_another_batch_of_the_same_client_is_other_use(emulator, eversince):
    other = asyncio.ensure_future(eversince.batch(["A long one"]))
    await eversince.batch(["A film"])
    await other

    assert () == seen(eversince)


async def test_so_is_a_production_beside_it(emulator, eversince):
    other = asyncio.ensure_future(eversince.produce("A long one"))
    await eversince.batch(["A film"])
    await other

    assert () == seen(eversince)


async def test_the_rest_of_a_film_that_another_run_began_tells_nothing(emulator):
    async with MemoryJournal() as journal:
        async with (
            Eversince(**emulator.connection) as first,
            first.batch(["A film"], journal=journal),
        ):
            await asyncio.sleep(4)
        async with Eversince(**emulator.connection) as second:
            report = await second.batch(["A film"], journal=journal)

            assert 1 == report.counts["succeeded"]
            assert () == seen(second)


async def test_a_journal_tells_later_runs(emulator, tmp_path):
    async with Eversince(**emulator.connection) as eversince:
        await eversince.batch(["A film"], journal=tmp_path / "a.db")
    async with Eversince(**emulator.connection) as eversince:
        await eversince.batch(["A film"], journal=tmp_path / "a.db")

        assert (COST,) == seen(eversince)
    async with SqliteJournal(tmp_path / "a.db") as journal:
        assert {USUAL: [COST]} == await journal.noted(COSTS)


@pytest.mark.parametrize(
    ("options", "render"),
    [({}, "4k"), ({"expected_output": "assets"}, None), ({"video_model": "veo-3"}, "1080p")],
    ids=str,
)
def test_films_of_other_kinds_have_other_costs(options, render):
    assert USUAL != kind_of_film(Brief(brief="A film", **options), render)


def test_a_render_that_is_free_makes_no_other_kind():
    assert USUAL == kind_of_film(Brief(brief="Another", expected_output="assembled"), None)


@pytest.mark.parametrize(
    "kept", [None, [], "x", {"a": 1}, {"a": ["1", None, -1, 0, True, float("inf"), float("nan")]}], ids=str
)
def test_odd_notes_tell_nothing(kept):
    costs = Costs()
    costs.learn(kept)

    assert () == costs.of("a")


def test_the_latest_costs_are_kept():
    costs = Costs()
    costs.learn({"a": list(range(1, 100))})

    assert KEPT == len(costs.of("a"))
    assert 99 == costs.of("a")[-1]


# -- What a run costs -------------------------------------------------------------------------------------


async def test_a_run_costs_what_the_balance_fell_by(emulator, eversince):
    batch = eversince.batch([f"film {n}" for n in range(4)])
    report = await batch

    assert 4 * COST == report.balance_fell == 10_000 - emulator.account.credits
    assert 0 == report.others


async def test_what_is_bought_meanwhile_takes_nothing_off(emulator, eversince):
    async with eversince.batch(["A film", "Another"], concurrency=1, max_credits=500) as batch:
        async for _ in batch:
            emulator.account.credits += 500

    assert 2 * COST == batch.report.balance_fell


async def test_a_run_in_which_nothing_was_begun_cost_nothing(eversince):
    assert not (await eversince.batch([])).balance_fell


async def test_active_projects_of_others_are_named(emulator, eversince):
    async with Eversince(**emulator.connection) as other:
        theirs = asyncio.ensure_future(other.produce("Another's long film", share=False))
        await asyncio.sleep(1)
        report = await eversince.batch(["A film", "Another"])
        await theirs

    assert 1 == report.others
    assert report.balance_fell > 2 * COST
