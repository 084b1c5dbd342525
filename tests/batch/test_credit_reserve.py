"""`max_credits` holds for any other change of the balance."""

import asyncio

import attrs
import pytest

from eversince_async import Eversince, JournalError, Limits
from eversince_async.batch.credit_reserve import CreditReserve
from eversince_async.batch.limits import StopCondition
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import ErrorAnswer
from eversince_async.governor import Governor
from eversince_async.journal import MemoryJournal
from eversince_async.orchestrator.recovery import seed_quotas

SCENARIO = Scenario(
    queued=1, running=2, images=2, videos=2, rendering=2, cycles=1, scenes=(3, 3), self_render=0.0, failure=0
)
COSTS = 32.0
"""Credits that one video costs."""


@pytest.fixture
async def emulator():
    async with Emulator(scenario=SCENARIO, credits=1000, plan="pro") as emulator:
        yield emulator


@pytest.fixture
async def eversince(emulator):
    async with Eversince(**emulator.connection, limits=Limits(active_projects=1)) as eversince:
        yield eversince


async def spent_by_a_batch(emulator, eversince, *, bought=(), allowed=100.0, before=None):
    """Run a batch with `max_credits`; return the credits spent and the report.

    `bought` maps a number of finished videos to the credits that are bought then.
    """
    spent, had = 0.0, emulator.account.credits
    bought = dict(bought)
    if before is not None:
        before()
    batch = eversince.batch([f"film {n}" for n in range(12)], max_credits=allowed, concurrency=1, share=False)
    async with batch:
        done = 0
        async for _ in batch:
            done += 1
            more = bought.get(done, 0)
            emulator.account.credits += more
            had += more
    spent = had - emulator.account.credits
    return spent, batch.report


@pytest.mark.parametrize(
    "bought", [{}, {1: 50}, {2: 500}, {1: 10, 2: 10, 3: 10}, {1: 1000, 3: 1000}], ids=str
)
async def test_credits_that_are_bought_meanwhile_hide_nothing(emulator, eversince, bought):
    """Only the video that began within the limit may exceed it."""
    spent, report = await spent_by_a_batch(emulator, eversince, bought=bought)

    assert 100 <= spent < 100 + COSTS
    assert "the limit is 100" in str(report.paused)


async def test_credits_that_are_bought_again_and_again_hide_little():
    """Videos that end together would be seen together with the purchases."""
    async with Emulator(credits=1000) as emulator:
        had = 1000.0

        async def buy():
            nonlocal had
            while True:
                await asyncio.sleep(100)
                emulator.account.credits += 200
                had += 200

        buying = asyncio.create_task(buy())
        async with Eversince(**emulator.connection) as eversince:
            report = await eversince.batch([f"film {n}" for n in range(40)], max_credits=100, share=False)
        buying.cancel()

        assert had - emulator.account.credits < 500
        assert "the limit is 100" in str(report.paused)


async def test_what_nobody_tells_is_not_spent(emulator, eversince, monkeypatch):
    """Without a balance, overspending cannot be noticed, so one video is all."""
    monkeypatch.setattr(eversince.governor, "record_credits", lambda *_, **__: None)
    spent, report = await spent_by_a_batch(emulator, eversince)

    assert COSTS == spent
    assert "no response states the balance" in str(report.paused)


async def test_who_asks_while_somebody_asks_shares_the_next_answer(emulator, eversince):
    """Callers do not queue for the balance, even if responses are slow."""
    emulator.faults.latency = 20.0
    pause = StopCondition(eversince._runtime, 100.0, lambda: None)
    asking = [asyncio.create_task(pause.learn_balance_again(at_once=True))]
    await asyncio.sleep(1)
    asking += [asyncio.create_task(pause.learn_balance_again(at_once=True)) for _ in range(9)]
    await asyncio.gather(*asking)

    assert 2 == len(emulator.world.log.of("GET /account/credits"))


async def test_what_was_spent_before_the_batch_does_not_count(emulator, eversince):
    """An old balance says nothing of this run.

    This holds even if the present balance cannot be fetched.
    """
    eversince.governor.record_credits(100_000)
    refusal = ErrorAnswer(status=403, code="forbidden", message="no")
    emulator.faults.once("GET", "/account/credits", refusal)
    _, report = await spent_by_a_batch(emulator, eversince)

    assert report.counts["succeeded"] >= 3


async def test_a_balance_that_cannot_be_had_for_a_moment_is_asked_for_again(emulator, eversince):
    emulator.faults.once("GET", "/account/credits", ErrorAnswer(status=500), times=9)
    spent, _ = await spent_by_a_batch(emulator, eversince)

    assert 100 <= spent < 100 + COSTS


def test_falls_add_up():
    governor = Governor()
    for balance in (1000, 900, 1400, 1350, 1350, 2000, 1990):
        governor.record_credits(balance)

    assert 160 == governor.credits.spent
    assert 1990 == governor.credits.balance


async def test_answers_that_overtake_each_other_tell_of_no_purchase():
    """The higher balance, requested before the lower one arrived, is the older."""
    governor = Governor()
    now = asyncio.get_running_loop().time()
    governor.record_credits(1000, requested_at=now)
    await asyncio.sleep(10)
    governor.record_credits(900, requested_at=now + 6)
    governor.record_credits(950, requested_at=now + 5)
    governor.record_credits(890, requested_at=now + 7)

    assert 110 == governor.credits.spent
    assert 890 == governor.credits.balance


class Unreadable(MemoryJournal):
    """A journal whose first read fails."""

    fails = True

    async def spent(self, kind, since):
        if self.fails:
            self.fails = False
            raise JournalError("the disk is away")
        return await super().spent(kind, since)


async def one_created(journal):
    await journal.put("film", None)
    await journal.acquire("film")
    await journal.done(await journal.intent("film", "create", {}), {"id": "project"})


async def test_the_day_is_marked_as_read_only_once_it_has_been():
    governor = Governor(Limits(projects_per_day=10))
    async with Unreadable() as journal:
        await one_created(journal)
        with pytest.raises(JournalError):
            await seed_quotas(journal, governor)
        assert 10 == governor.quota.left("projects")

        await seed_quotas(journal, governor)

        assert 9 == governor.quota.left("projects")


async def test_two_batches_on_one_journal_count_the_day_once():
    governor = Governor(Limits(projects_per_day=10))
    async with MemoryJournal() as journal:
        await one_created(journal)
        await asyncio.gather(*(seed_quotas(journal, governor) for _ in range(3)))

    assert 9 == governor.quota.left("projects")


async def rendered_of(emulator, **options):
    """Return the projects and renders of ten rows on a usual account."""
    limits = options.pop("limits", Limits())
    async with Eversince(**emulator.connection, limits=limits) as eversince:
        report = await eversince.batch([f"film {n}" for n in range(10)], share=False, **options)
    return emulator.world.counts["projects"], emulator.world.counts["renders"], report


@pytest.mark.parametrize("had", [60, 100, 150, 200, 230, 300])
@pytest.mark.parametrize("how", ["max_credits", "reserve", "nothing"])
async def test_what_is_begun_can_be_paid_for_to_its_end(emulator, had, how):
    """An earlier version paid for five of ten rows, but rendered one.

    The account had 200 credits.
    """
    emulator.account.credits = had
    options = {
        "max_credits": {"max_credits": had},
        "reserve": {"limits": Limits(credits_reserve=20)},
        "nothing": {},
    }[how]
    projects, renders, report = await rendered_of(emulator, **options)

    assert 1 <= projects == renders == report.counts["succeeded"]
    assert report.paused


async def test_several_are_made_at_once_where_the_credits_carry_them(emulator):
    began = asyncio.get_running_loop().time()
    await rendered_of(emulator)
    freely = asyncio.get_running_loop().time() - began
    began = asyncio.get_running_loop().time()
    _, renders, _ = await rendered_of(emulator, max_credits=900)

    assert 20 == renders
    assert asyncio.get_running_loop().time() - began < 3 * freely


async def test_leaving_lets_go_of_those_that_wait_for_the_first_ones_cost(emulator, eversince):
    async with eversince.batch([f"film {n}" for n in range(9)], max_credits=500):
        await asyncio.sleep(1)

    assert 1 == emulator.world.counts["projects"]


# -- Without a limit --------------------------------------------------------------------------------------


async def seconds_of(emulator, count, **options):
    began = asyncio.get_running_loop().time()
    async with Eversince(**emulator.connection) as eversince:
        report = await eversince.batch([f"film {n}" for n in range(count)], share=False, **options)
    return asyncio.get_running_loop().time() - began, report


@pytest.mark.parametrize("had", [600, 100_000])
async def test_who_has_plenty_is_held_up_by_nothing_and_asked_nothing(emulator, monkeypatch, had):
    """The batch is as fast as without watching the balance.

    It fetches the balance only at the end, for the report.
    """
    emulator.account.credits = had
    seconds, report = await seconds_of(emulator, 10)
    asked = len(emulator.world.log.of("GET /account/credits"))
    monkeypatch.setattr(CreditReserve, "_must_wait", lambda *_: False)
    emulator.account.credits = had
    freely, _ = await seconds_of(emulator, 10)

    assert 10 == report.counts["succeeded"]
    assert seconds <= freely + 1
    assert 1 == asked


async def test_few_rows_need_few_credits_to_begin_together(emulator):
    emulator.account.credits = 250
    await seconds_of(emulator, 2)

    assert 2 == emulator.world.most_active


async def test_with_few_credits_what_they_carry_is_made_and_no_more_is_begun(emulator):
    emulator.account.credits = 200
    _, report = await seconds_of(emulator, 10)

    assert report.counts["succeeded"] == emulator.world.counts["projects"] == 5
    assert "an item has cost up to 32" in str(report.paused)
    assert report.packages


async def test_credits_that_run_low_on_the_way_strand_nothing(emulator):
    """An earlier version left two of thirty rows paid but not rendered."""
    emulator.account.credits = 630
    _, report = await seconds_of(emulator, 30)

    projects, renders = emulator.world.counts["projects"], emulator.world.counts["renders"]
    assert 15 <= projects == renders == report.counts["succeeded"]


@pytest.mark.parametrize("had", [205, 330, 410, 520, 777])
async def test_films_of_different_costs_strand_nothing_either(had):
    scenario = SCENARIO.when("long", scenes=(5, 5)).when("short", scenes=(1, 1))
    async with (
        Emulator(scenario=scenario, credits=had) as emulator,
        Eversince(**emulator.connection) as eversince,
    ):
        rows = [f"{('long', 'short', 'usual')[n % 3]} film {n}" for n in range(30)]
        report = await eversince.batch(rows, share=False)

        assert 1 <= emulator.world.counts["projects"] == emulator.world.counts["renders"]
        assert report.counts["succeeded"] == emulator.world.counts["renders"]


async def test_what_an_earlier_run_has_learned_lets_as_many_begin_as_can_be_paid_for(emulator, tmp_path):
    await seconds_of(emulator, 1, journal=tmp_path / "a.db")
    emulator.account.credits = 180
    _, report = await seconds_of(emulator, 10, journal=tmp_path / "a.db")

    assert 5 == emulator.world.most_active
    assert 6 == report.counts["succeeded"] == emulator.world.counts["renders"]


async def test_a_create_that_does_not_tell_the_balance_holds_up_nobody(emulator, monkeypatch):
    async with Eversince(**emulator.connection) as eversince:
        monkeypatch.setattr(eversince.governor, "record_credits", lambda *_, **__: None)
        report = await eversince.batch([f"film {n}" for n in range(10)], share=False)

    assert 10 == report.counts["succeeded"]
    assert 5 == emulator.world.most_active


async def test_the_first_that_fails_before_it_is_created_holds_up_nobody(emulator):
    refusal = ErrorAnswer(status=400, code="validation_error", message="brief: no")
    emulator.faults.once("POST", "/projects", refusal)
    _, report = await seconds_of(emulator, 6)

    assert {"failed": 1, "succeeded": 5} == report.counts


async def test_a_first_create_whose_answer_is_slow_holds_up_nobody(emulator):
    emulator.faults.latency = 40.0
    began = asyncio.get_running_loop().time()
    async with (
        Eversince(**emulator.connection) as eversince,
        eversince.batch([f"film {n}" for n in range(5)], share=False),
    ):
        while emulator.world.counts["projects"] < 5:
            await asyncio.sleep(1)

    assert asyncio.get_running_loop().time() - began < 60


async def test_leaving_lets_go_of_those_that_wait_for_the_first_answer(emulator):
    emulator.faults.latency = 50.0
    async with Eversince(**emulator.connection) as eversince:
        async with eversince.batch([f"film {n}" for n in range(9)]):
            await asyncio.sleep(1)
        await asyncio.sleep(200)

    assert 1 >= emulator.world.counts["projects"]


# -- Items that show no cost ------------------------------------------------------------------------------


async def test_one_that_fails_for_nothing_says_not_that_films_are_free(emulator):
    """An earlier version then started all others: five paid for, none rendered."""
    emulator.account.credits = 100
    refusal = ErrorAnswer(status=400, code="validation_error", message="brief: no")
    emulator.faults.once("POST", "/projects", refusal)
    _, report = await seconds_of(emulator, 10)

    assert 1 <= report.counts["succeeded"] == emulator.world.counts["projects"]


async def test_one_that_an_earlier_run_has_paid_for_says_nothing_either(emulator, tmp_path):
    emulator.account.credits = 200
    async with (
        Eversince(**emulator.connection) as eversince,
        eversince.batch(["film 0"], share=False, journal=tmp_path / "a.db"),
    ):
        while not any(project.status == "rendering" for project in emulator.world.projects.values()):
            await asyncio.sleep(1)
    emulator.account.credits = 100
    _, report = await seconds_of(emulator, 10, journal=tmp_path / "a.db")

    assert 2 <= report.counts["succeeded"] == emulator.world.counts["projects"]


@pytest.mark.parametrize("options", [{}, {"max_credits": 100}], ids=str)
async def test_what_is_made_anew_is_held_back_as_what_is_new(tmp_path, options):
    """A failed row with a useless project is paid for once more."""
    rows, fails = [f"film {n}" for n in range(10)], [True]
    scenario = SCENARIO.when(lambda _: fails[0], failure=1.0)
    async with Emulator(scenario=scenario, credits=10_000) as emulator:
        async with Eversince(**emulator.connection) as eversince:
            await eversince.batch(rows, share=False, journal=tmp_path / "a.db")
        failed = emulator.world.counts["projects"]
        fails[0], emulator.account.credits = False, 100
        async with Eversince(**emulator.connection) as eversince:
            report = await eversince.batch(
                rows, share=False, journal=tmp_path / "a.db", retry_failed=True, **options
            )

        assert 10 == failed
        assert 1 <= report.counts["succeeded"] == emulator.world.counts["projects"] - failed


async def test_what_has_failed_for_good_waits_for_no_credits(emulator, tmp_path):
    """Its outcome is reported even if nothing more can be paid for."""
    rows = [{"key": str(n), "brief": f"film {n}"} for n in range(4)]
    refusal = ErrorAnswer(status=400, code="validation_error", message="brief: no")
    emulator.faults.once("POST", "/projects", refusal, times=3)
    async with Eversince(**emulator.connection) as eversince:
        await eversince.batch(rows[1:], share=False, journal=tmp_path / "a.db")
        emulator.account.credits = 60
        report = await eversince.batch(rows, share=False, journal=tmp_path / "a.db", max_credits=60)

    assert {"succeeded": 1, "failed": 3} == report.counts
    assert report.paused is None


async def test_dear_films_at_work_are_reckoned_with_when_cheap_ones_begin(tmp_path):
    """An earlier version counted every active video at the cheap one's cost."""
    dear = {"brief": "film", "video_model": "kling-3.0"}
    scenario = SCENARIO.when(lambda asked: "video_model" in asked, scenes=(12, 12))
    async with Emulator(scenario=scenario, credits=10_000) as emulator, MemoryJournal() as journal:
        for key, row in (("first", dear), ("second", {"brief": "film"})):
            async with Eversince(**emulator.connection, limits=Limits(credits_reserve=1)) as eversince:
                await eversince.batch([{"key": key, **row}], share=False, journal=journal)
        made, emulator.account.credits = emulator.world.counts["projects"], 180
        async with Eversince(**emulator.connection) as eversince:
            report = await eversince.batch([dear, *["film"] * 6], share=False, journal=journal)

        assert 1 <= report.counts["succeeded"] == emulator.world.counts["projects"] - made


async def test_credits_that_are_bought_are_seen_before_the_first_has_ended():
    async with (
        Emulator(scenario=attrs.evolve(SCENARIO, videos=100), credits=60) as emulator,
        Eversince(**emulator.connection) as eversince,
        eversince.batch([f"film {n}" for n in range(5)], share=False) as batch,
    ):
        while not emulator.world.counts["projects"]:
            await asyncio.sleep(1)
        emulator.account.credits = 10_000
        await asyncio.sleep(90)

        assert 5 == emulator.world.most_active
        assert not batch.report.counts
