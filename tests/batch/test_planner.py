"""A plan shows the work and cost of a batch in advance."""

from __future__ import annotations

import asyncio
import csv
import io
import sqlite3
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from eversince_async import (
    ConfigurationError,
    Eversince,
    InvalidRequest,
    JournalError,
    Limits,
    OtherAccount,
    Plan,
    QualityRefused,
    SpecChanged,
    Unauthorized,
)
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import ErrorAnswer
from eversince_async.journal import MemoryJournal
from eversince_async.models.discovery import Estimate
from eversince_async.resources.discovery import Discovery

QUICK = Scenario(
    queued=1, running=2, images=2, videos=2, rendering=2, cycles=1, scenes=(3, 3), self_render=0.0, failure=0
)
COST = 32.0
"""Credits that one video costs, by the balance."""


@pytest.fixture
async def emulator():
    async with Emulator(scenario=QUICK.when("bad", failure=1.0), credits=1000) as emulator:
        yield emulator


def films(count: int, **more: object) -> list[dict[str, object]]:
    return [{"key": f"film-{n}", "brief": f"Film {n}", **more} for n in range(count)]


def states(plan: Plan) -> dict[str, int]:
    return dict(plan.counts)


def calls(emulator: Emulator) -> int:
    return len(emulator.world.log)


# -- Costs ------------------------------------------------------------------------------------------------


async def test_where_nothing_was_made_yet_the_cost_is_unknown(emulator, eversince):
    plan = await eversince.plan(films(10))

    assert plan.cost is None
    assert 10 == plan.unknown == plan.new
    assert 1000 == plan.balance
    assert plan.has_subscription
    assert "unknown" in str(plan)


async def test_nothing_is_made_and_little_is_asked(emulator, eversince):
    before = calls(emulator)
    await eversince.plan(films(10))

    assert 0 == emulator.world.counts["projects"]
    assert 2 >= calls(emulator) - before
    assert 1000 == emulator.account.credits


async def test_a_film_that_was_made_alone_tells_what_others_cost(emulator, eversince):
    await eversince.batch(["A film"], share=False)
    plan = await eversince.plan(films(10))

    assert plan.cost is not None
    assert (10 * COST, 10 * COST, "balance", 1) == attrs.astuple(plan.cost)
    assert 0 == plan.unknown
    assert "about 320 credits" in str(plan)


async def test_films_that_cost_differently_give_a_range(emulator, eversince):
    costs = eversince._runtime.costs
    kind = "assembled///"
    costs.add(kind, 20)
    costs.add(kind, 50.5)
    plan = await eversince.plan(films(2))

    assert (40, 101) == (plan.cost.least, plan.cost.most)
    assert "about 40 to 101 credits" in str(plan)


async def test_else_finished_timelines_are_priced(emulator, eversince):
    """The prices are the server's own, and the source says so."""
    await asyncio.gather(*(eversince.produce(f"Film {n}", share=False) for n in range(3)))
    before = calls(emulator)
    plan = await eversince.plan(films(10))

    assert plan.cost is not None
    assert ("timelines", 3) == (plan.cost.source, plan.cost.films)
    assert 0 < plan.cost.least <= plan.cost.most
    assert "timelines" in str(plan)
    assert 1 + 1 + 2 * 3 == calls(emulator) - before


async def test_no_more_films_are_priced_than_was_said(emulator, eversince):
    await asyncio.gather(*(eversince.produce(f"Film {n}", share=False) for n in range(3)))

    assert 1 == (await eversince.plan(films(1), films=1)).cost.films
    assert (await eversince.plan(films(1), films=0)).cost is None


@pytest.mark.parametrize(
    "more",
    [{"render": "4k"}, {"expected_output": "assets"}, {"video_model": "another-model"}],
    ids=str,
)
async def test_films_of_another_kind_are_not_guessed_at(emulator, eversince, more):
    await eversince.batch(["A film"], share=False)
    plan = await eversince.plan([*films(1, **more), "A film"])

    assert [None, COST] == [item.cost and item.cost.most for item in plan.items]
    assert 1 == plan.unknown
    assert "the cost of 1 more is unknown" in str(plan)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/projects"), ("GET", "/projects/*/timeline"), ("POST", "/estimate-cost")]
)
@pytest.mark.parametrize("status", [403, 404, 422])
async def test_what_cannot_be_priced_is_unknown_and_no_failure(emulator, eversince, method, path, status):
    await eversince.produce("A film", share=False)
    emulator.faults.once(method, path, ErrorAnswer(status=status, code="forbidden", message="no"), times=50)
    plan = await eversince.plan(films(1))

    assert plan.cost is None
    assert 1 == plan.unknown


async def test_a_film_that_is_priced_in_part_tells_nothing(emulator, eversince):
    film = await eversince.produce("A film", share=False)
    project = emulator.world.projects[film.project_id]
    for variation in project.variations:
        for scene in variation.scenes:
            scene["video_model"] = "a-model-that-is-gone"

    assert (await eversince.plan(films(1))).cost is None


@pytest.mark.parametrize("total", [0, -5, float("inf"), float("nan")], ids=str)
async def test_an_odd_price_is_none(emulator, eversince, monkeypatch, total):
    async def odd(*_: object) -> Estimate:
        return Estimate(total_credits=total)

    await eversince.produce("A film", share=False)
    monkeypatch.setattr(Discovery, "estimate_cost", odd)

    assert (await eversince.plan(films(1))).cost is None


@pytest.mark.parametrize("scenes", [500, 3000])
async def test_an_endless_timeline_is_not_priced(emulator, eversince, scenes):
    film = await eversince.produce("A film", share=False)
    for variation in emulator.world.projects[film.project_id].variations:
        one = variation.scenes[0]
        variation.scenes = [{**one, "id": str(n), "duration": n + 0.5} for n in range(scenes)]

    assert (await eversince.plan(films(1))).cost is None
    assert 0 == len(emulator.world.log.of("POST /estimate-cost"))


async def test_without_a_balance_there_is_no_plan(emulator):
    async with Eversince("es_live_wrong", base_url=emulator.base_url) as stranger:
        with pytest.raises(Unauthorized):
            await stranger.plan(films(1))


async def test_a_subscription_that_is_not_told_is_unknown(emulator, eversince):
    refusal = ErrorAnswer(status=403, code="forbidden", message="no")
    emulator.faults.once("GET", "/account/credit-packages", refusal)
    plan = await eversince.plan(films(1))

    assert plan.has_subscription is None
    assert 1000 == plan.balance


async def test_a_balance_that_may_not_do_is_named(emulator, eversince):
    await eversince.batch(["A film"], share=False)

    assert "may not cover all items" in str(await eversince.plan(films(40)))
    assert "may not cover all items" not in str(await eversince.plan(films(3)))


# -- States of items --------------------------------------------------------------------------------------


async def test_what_is_finished_or_begun_is_no_new_work(emulator, tmp_path):
    journal = tmp_path / "a.db"
    async with Eversince(**emulator.connection) as eversince:
        await eversince.batch(films(1), journal=journal)
        async with eversince.batch(films(2), journal=journal):
            await asyncio.sleep(4)
    async with Eversince(**emulator.connection) as eversince:
        plan = await eversince.plan(films(4), journal=journal)

    assert {"finished": 1, "begun": 1, "new": 2} == states(plan)
    assert [None, (0.0, COST), (COST, COST), (COST, COST)] == [
        item.cost and (item.cost.least, item.cost.most) for item in plan.items
    ]
    assert (2 * COST, 3 * COST) == (plan.cost.least, plan.cost.most)


async def test_what_only_lacks_a_page_costs_nothing(emulator, eversince, tmp_path):
    await eversince.batch(films(1), journal=tmp_path / "a.db", share=False)
    async with MemoryJournal() as memory:
        await eversince.batch(films(1), journal=memory, share=False)
        plan = await eversince.plan(films(1), journal=memory, share=False, download=tmp_path)

    assert {"begun": 1} == states(plan)
    assert plan.cost is None
    assert 0 == plan.unknown


async def test_what_failed_is_new_when_it_is_tried_again(emulator, eversince, tmp_path):
    rows = [{"key": "a", "brief": "bad"}]
    await eversince.batch(rows, journal=tmp_path / "a.db")

    assert {"failed": 1} == states(await eversince.plan(rows, journal=tmp_path / "a.db"))
    again = await eversince.plan(rows, journal=tmp_path / "a.db", retry_failed=True)
    assert {"new": 1} == states(again)


async def test_what_is_wrong_is_told_with_its_reason(emulator, eversince, tmp_path):
    await eversince.batch(films(1), journal=tmp_path / "a.db")
    rows = [{**films(1)[0], "brief": "Another"}, {"brief": ""}, {"breif": "x"}, "A film"]
    plan = await eversince.plan(rows, journal=tmp_path / "a.db")

    assert ["wrong", "wrong", "wrong", "new"] == [item.state for item in plan.items]
    kinds = [SpecChanged, InvalidRequest, InvalidRequest, type(None)]
    assert kinds == [type(item.problem) for item in plan.items]


@pytest.mark.parametrize(
    "change", ["spec = '['", "stage = 'failed', error = '[1]'", "stage = 'failed', error = '{\"type\": 7}'"]
)
async def test_a_row_whose_job_cannot_be_read_is_wrong_alone(emulator, eversince, tmp_path, change):
    """A batch, too, continues with all other rows."""
    await eversince.batch(films(2), journal=tmp_path / "a.db")
    with closing(sqlite3.connect(tmp_path / "a.db")) as database, database:
        database.execute(f"UPDATE job SET {change} WHERE id = 'film-0'")
    plan = await eversince.plan(films(3), journal=tmp_path / "a.db", retry_failed=True)

    assert {"wrong": 1, "finished": 1, "new": 1} == states(plan)
    assert isinstance(plan.items[0].problem, JournalError)


async def test_what_the_account_was_refused_today_is_held(emulator, eversince, tmp_path):
    await eversince.batch(films(1, render="4k"), journal=tmp_path / "a.db")
    async with Eversince(**emulator.connection) as another:
        plan = await another.plan(films(3, render="4k"), journal=tmp_path / "a.db")
        asked_again = await another.plan(films(3, render="4k"), journal=tmp_path / "a.db", retry_failed=True)

    assert {"held": 3} == states(plan)
    assert isinstance(plan.items[0].problem, QualityRefused)
    assert 2 == asked_again.new


# -- Days -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "days"), [(0, 0), (1, 1), (50, 1), (51, 2), (150, 3), (151, 4)])
async def test_renders_of_a_day_spread_the_work(eversince, count, days):
    plan = await eversince.plan(films(count))

    assert (days, days) == (plan.days.least, plan.days.most)


async def test_without_renders_it_is_the_projects_that_count(eversince):
    plan = await eversince.plan(films(501), render=None)

    assert (2, "projects") == (plan.days.most, plan.days.cap)


async def test_what_was_used_today_counts(emulator, eversince, tmp_path):
    await eversince.batch(films(3), journal=tmp_path / "a.db")
    async with Eversince(**emulator.connection) as another:
        plan = await another.plan(films(51), journal=tmp_path / "a.db")

    assert 48 == plan.new
    assert 2 == plan.days.most


async def test_without_a_subscription_there_may_be_fewer_renders(emulator, eversince):
    emulator.account.plan = None
    plan = await eversince.plan(films(20))

    assert plan.has_subscription is False
    assert (1, 2) == (plan.days.least, plan.days.most)


async def test_without_a_limit_one_day_will_do(emulator):
    unlimited = Limits(projects_per_day=None, renders_per_day=None)
    async with Eversince(**emulator.connection, limits=unlimited) as eversince:
        assert 1 == (await eversince.plan(films(1000))).days.most


# -- Inputs -----------------------------------------------------------------------------------------------


class OneShot:
    """An iterable that can be read only once and is no iterator."""

    def __init__(self):
        self._rows = iter(["A film"])

    def __iter__(self):
        return self._rows


async def one_by_one():
    yield "A film"


@pytest.mark.parametrize(
    "items",
    [iter(["a"]), (n for n in "a"), map(str, [1]), csv.DictReader(io.StringIO("brief\nx")), OneShot()],
    ids=["iterator", "generator", "map", "reader", "wrapper"],
)
async def test_what_can_be_read_only_once_is_refused(eversince, emulator, items):
    with pytest.raises(ConfigurationError, match="only once"):
        await eversince.plan(items)

    assert 0 == calls(emulator)


async def test_so_is_what_is_asynchronous_and_can_be_read_only_once(eversince):
    with pytest.raises(ConfigurationError, match="only once"):
        await eversince.plan(one_by_one())


class Again:
    """An asynchronous iterable that can be read again."""

    def __aiter__(self):
        return one_by_one()


@pytest.mark.parametrize(
    "items", [("A film",), {"A film": 1}.keys(), Again()], ids=["tuple", "keys", "async"]
)
async def test_what_can_be_read_again_is_taken(eversince, items):
    assert 1 == (await eversince.plan(items)).new


@pytest.mark.parametrize("items", ["A film", {"brief": "A film"}], ids=str)
async def test_a_single_item_is_refused(eversince, items):
    with pytest.raises(ConfigurationError, match="single"):
        await eversince.plan(items)


async def test_a_plan_is_frozen_and_can_be_told_to_programs(eversince):
    plan = await eversince.plan([*films(1), {"brief": ""}])

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        plan.balance = 1
    told = plan.to_json()
    assert {"new": 1, "wrong": 1} == told["counts"]
    assert 1000 == told["balance"]
    assert "brief" in told["items"][1]["problem"]


# -- Journals stay as they are ----------------------------------------------------------------------------


async def test_no_journal_is_made(eversince, tmp_path):
    await eversince.plan(films(1), journal=tmp_path / "a.db")

    assert [] == list(tmp_path.iterdir())


def everything(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


async def test_a_journal_stays_as_it_is(emulator, tmp_path):
    async with Eversince(**emulator.connection) as eversince:
        await eversince.batch(films(1), journal=tmp_path / "a.db")
        before = everything(tmp_path)
        plan = await eversince.plan(films(1), journal=tmp_path / "a.db")

    assert {"finished": 1} == states(plan)
    assert before == everything(tmp_path)


async def test_a_journal_in_use_can_be_read(emulator, eversince, tmp_path):
    async with eversince.batch(films(1), journal=tmp_path / "a.db"):
        await asyncio.sleep(4)
        plan = await eversince.plan(films(2), journal=tmp_path / "a.db")

    assert {"begun": 1, "new": 1} == states(plan)


async def test_a_journal_without_a_folder_is_refused(eversince, tmp_path):
    with pytest.raises(JournalError, match="there is no folder"):
        await eversince.plan(films(1), journal=tmp_path / "no" / "a.db")


@pytest.mark.parametrize("endings", [["", "-wal"], ["", "-wal", "-shm"]], ids=" ".join)
async def test_what_a_process_has_left_that_died_is_read_and_left(emulator, eversince, tmp_path, endings):
    """A dead process left a journal whose log is not merged.

    Its shared-memory file may be missing.
    """
    used = tmp_path / "used"
    left = tmp_path / "left"
    used.mkdir()
    left.mkdir()
    async with eversince.batch(films(1), journal=used / "a.db"):
        await asyncio.sleep(4)
        for name in (f"a.db{ending}" for ending in endings):
            (left / name).write_bytes((used / name).read_bytes())
    before = everything(left)
    plan = await eversince.plan(films(2), journal=left / "a.db")

    assert {"begun": 1, "new": 1} == states(plan)
    after = everything(left)
    assert before.keys() == after.keys()
    for name in ("a.db", "a.db-wal"):  # a reader changes the shared-memory file
        assert before[name] == after[name]


@pytest.mark.parametrize("content", [b"key,brief\nmug,A mug\n" * 20, b"SQLite format 3\0" + b"x" * 200])
async def test_what_is_no_journal_is_refused_by_its_name(eversince, tmp_path, content):
    (tmp_path / "a.db").write_bytes(content)
    with pytest.raises(JournalError, match=r"a\.db"):
        await eversince.plan(films(1), journal=tmp_path / "a.db")


async def test_a_journal_of_another_account_is_refused_by_its_name(emulator, eversince, tmp_path):
    await eversince.batch(films(1), journal=tmp_path / "a.db")
    before = everything(tmp_path)
    async with Emulator() as elsewhere, Eversince(**elsewhere.connection) as other:
        with pytest.raises(OtherAccount, match=r"/a\.db: belongs to another"):
            await other.plan(films(1), journal=tmp_path / "a.db")
        allowed = await other.plan(films(1), journal=tmp_path / "a.db", allow_other_account=True)

    assert {"finished": 1} == states(allowed)
    assert before == everything(tmp_path)


async def test_an_open_journal_is_only_read(emulator, eversince):
    async with MemoryJournal() as journal:
        await eversince.plan(films(1), journal=journal, idempotent_as="autumn")

        assert [] == [job async for job in journal.jobs()]
        assert await journal.noted("account") is None
        assert await journal.noted("idempotent_as") is None


@pytest.mark.parametrize(("share", "shared"), [(None, False), (True, True), (False, False)])
async def test_with_other_machines_pages_are_made_where_it_is_said(eversince, share, shared):
    plan = await eversince.plan(films(1), idempotent_as="autumn", share=share)

    assert shared is plan.items[0].share
