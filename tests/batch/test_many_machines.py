"""Several machines with one sheet, no shared journal and a common name.

Nothing is made twice.
"""

from __future__ import annotations

import asyncio
from math import nan

import attrs
import pytest

from eversince_async import ConfigurationError, Eversince, Limits
from eversince_async.batch.items import Item, ItemParser
from eversince_async.batch.shared_keys import NOTE, Naming, derive_key
from eversince_async.emulator import Emulator, Scenario
from eversince_async.journal import MemoryJournal, SqliteJournal
from eversince_async.orchestrator.options import DEFAULT_DELIVERY
from eversince_async.pipelines import Run, pipeline

QUICK = Scenario(
    queued=2, running=20, images=20, videos=30, rendering=60, cycles=1, scenes=(1, 1), self_render=0.0
)
ROWS = [{"key": f"film-{n}", "brief": f"Film {n}"} for n in range(7)]


@pytest.fixture
async def emulator():
    scenario = QUICK.when("bad", failure=1.0)
    async with Emulator(scenario=scenario, credits=10_000, studio_projects=False) as emulator:
        yield emulator


async def machine(emulator, path, *, after=0.0, rows=ROWS, name="campaign", **options):
    """Run the sheet on one machine, with its own journal or none."""
    await asyncio.sleep(after)
    async with Eversince(**emulator.connection) as eversince:
        return await eversince.batch(rows, journal=path, idempotent_as=name, **options)


def made(emulator):
    counts = emulator.world.counts
    return counts["projects"], counts["renders"], counts["shares"]


def ids(report):
    return {outcome.key: outcome.project_id for outcome in report.outcomes}


@pytest.mark.parametrize("after", [0.0, 1.0, 30.0, 75.0, 90.0, 135.0, 3600.0], ids=str)
async def test_two_machines_make_each_film_once(emulator, tmp_path, after):
    """The other machine may be at the same row, rendering, or done."""
    one, other = await asyncio.gather(
        machine(emulator, tmp_path / "a.db", share=True),
        machine(emulator, tmp_path / "b.db", after=after, download=tmp_path / "films"),
    )

    assert {"succeeded": 7} == one.counts == other.counts
    assert (7, 7, 7) == made(emulator)
    assert ids(one) == ids(other)
    assert all(outcome.share_url for outcome in one.outcomes)
    assert not any(outcome.share_url for outcome in other.outcomes)
    assert 7 == len(list((tmp_path / "films").iterdir()))


async def report_of(batch):
    return await batch


async def test_a_machine_that_gets_to_ask_seldom_renders_nothing_again(emulator, tmp_path):
    """Its poll may be a minute old when it requests the render."""
    slow = Eversince(**emulator.connection, limits=Limits(requests_per_minute=2))
    async with slow:
        behind = slow.batch(ROWS[:4], idempotent_as="campaign")
        await asyncio.gather(machine(emulator, None, rows=ROWS[:4]), report_of(behind))

    assert (4, 4, 0) == made(emulator)


async def test_five_machines_without_any_journal(emulator):
    reports = await asyncio.gather(*(machine(emulator, None, after=7.0 * n) for n in range(5)))

    assert (7, 7, 0) == made(emulator)
    assert 1 == len({tuple(sorted(ids(report).items())) for report in reports})


async def test_without_a_name_each_machine_makes_all(emulator, tmp_path):
    await machine(emulator, tmp_path / "a.db", name=None)
    await machine(emulator, tmp_path / "b.db", name=None)

    assert (14, 14, 14) == made(emulator)


async def test_rows_that_ask_for_a_page_get_it_from_the_machine_that_is_told_so(emulator, tmp_path):
    rows = [{**ROWS[0], "share": "yes"}, {**ROWS[1], "share": "no"}]
    await machine(emulator, tmp_path / "a.db", rows=rows)
    assert 0 == made(emulator)[2]

    report = await machine(emulator, tmp_path / "a.db", rows=rows, share=True)

    assert {"succeeded": 2} == report.counts
    assert (2, 2, 1) == made(emulator)


async def test_the_journal_remembers_the_name_and_who_shares(emulator, tmp_path):
    """A run without these options pays for and publishes nothing unintended."""
    await machine(emulator, tmp_path / "a.db", rows=ROWS[:1], share=True)
    await machine(emulator, tmp_path / "b.db", rows=ROWS[:1])
    await machine(emulator, tmp_path / "b.db", rows=ROWS[:3], name=None)
    await machine(emulator, tmp_path / "a.db", rows=ROWS[:3], name=None)

    assert (3, 3, 3) == made(emulator)


async def test_a_row_that_says_something_else_is_another_film(emulator, tmp_path):
    await machine(emulator, tmp_path / "a.db", rows=[{"key": "mug", "brief": "A mug"}])
    report = await machine(emulator, tmp_path / "b.db", rows=[{"key": "mug", "brief": "A red mug"}])

    assert {"succeeded": 1} == report.counts
    assert 2 == made(emulator)[0]


async def test_a_name_given_later_changes_no_row(emulator, tmp_path):
    await machine(emulator, tmp_path / "a.db", name=None)
    report = await machine(emulator, tmp_path / "a.db")

    assert {"succeeded": 7} == report.counts
    assert (7, 7, 7) == made(emulator)


async def test_failures_are_tried_again_together(emulator, tmp_path):
    """A failed project frees its key.

    It is made once more for each attempt, not for each machine that waits for it.
    """
    rows = [{"key": "a", "brief": "bad"}]
    await asyncio.gather(*(machine(emulator, tmp_path / f"{n}.db", rows=rows) for n in range(2)))
    assert 1 == made(emulator)[0]

    again = (machine(emulator, tmp_path / f"{n}.db", rows=rows, retry_failed=True) for n in range(2))
    await asyncio.gather(*again)
    assert 2 == made(emulator)[0]


async def test_a_machine_that_is_left_and_comes_back_makes_nothing_again(emulator, tmp_path):
    for stop_after in (5, 40, 95, 100, 170):
        running = asyncio.create_task(machine(emulator, tmp_path / "a.db"))
        await asyncio.sleep(stop_after)
        running.cancel()
        await asyncio.wait([running])
        await machine(emulator, tmp_path / "b.db", rows=ROWS[:3])
    await machine(emulator, tmp_path / "a.db", share=True)

    assert (7, 7, 7) == made(emulator)


# -- The parts --------------------------------------------------------------------------------------------


def item(given, index=0) -> Item:
    return ItemParser(options={}, delivery=DEFAULT_DELIVERY).parse(index, given)


def test_a_key_follows_from_name_row_and_brief_alone():
    mug = item({"key": "mug", "brief": "A mug", "title": "Mug"})
    key = derive_key("campaign", mug)

    same = item({"title": "Mug", "brief": "A mug", "key": "mug", "render": "4k", "share": False}, 5)
    assert key == derive_key("campaign", same)
    assert key not in {
        derive_key("campaign 2", mug),
        derive_key("campaign", item({"key": "cup", "brief": "A mug", "title": "Mug"})),
        derive_key("campaign", item({"key": "mug", "brief": "A mug", "title": "Cup"})),
    }
    assert len(key) <= 256 - 6


async def test_a_row_with_a_key_of_its_own_keeps_it(emulator):
    rows = [{"brief": "A mug", "idempotency_key": "mine"}]
    await machine(emulator, None, rows=rows)

    assert {"mine"} == {project.idempotency_key for project in emulator.world.projects.values()}


def test_an_item_that_cannot_be_read_has_no_name():
    unreadable = item({"brief": 7})
    assert Naming(name="x").with_shared_key(unreadable) is unreadable


async def test_an_item_that_cannot_be_sent_fails_alone(emulator):
    rows = [{"brief": "A mug", "extra": {"x": object()}}, {"brief": "A cup", "extra": {"x": nan}}, "A jug"]
    report = await machine(emulator, None, rows=rows)

    assert {"failed": 2, "succeeded": 1} == report.counts


async def test_a_note_that_cannot_be_read_is_no_name():
    async with MemoryJournal() as journal:
        await journal.note(NOTE, {"name": 7})

        assert Naming() == await Naming.of(None, journal, is_told_to_share=False)


async def test_another_name_is_another_sheet(tmp_path):
    """The machine that shares under one name does not share under another.

    It does so only if told to.
    """
    async with SqliteJournal(tmp_path / "a.db") as journal:
        await Naming.of("one", journal, is_told_to_share=True)
        kept = await Naming.of(None, journal, is_told_to_share=False)
        other = await Naming.of("two", journal, is_told_to_share=False)

    assert Naming(name="one", makes_shares=True) == kept
    assert attrs.evolve(kept, name="two", makes_shares=False) == other


@pytest.mark.parametrize("name", ["", "  "])
async def test_a_name_has_to_be_one(eversince, name):
    with pytest.raises(ConfigurationError, match="idempotent_as is a name"):
        eversince.batch(["A film"], idempotent_as=name)


@pipeline
async def campaign(run: Run, brief: str) -> None:
    await run.produce(brief)


async def test_a_pipeline_takes_no_name(eversince):
    with pytest.raises(ConfigurationError, match="not for a pipeline"):
        eversince.batch(["A film"], pipeline=campaign, idempotent_as="x")
