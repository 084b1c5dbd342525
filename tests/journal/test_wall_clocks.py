"""Tests with wall clocks that are set forward or back.

Leases, ages and order do not depend on them.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import attrs
import pytest

from eversince_async import clock
from eversince_async.errors import JournalLocked
from eversince_async.journal import JobChange, MemoryJournal, SqliteJournal
from eversince_async.journal.records import LEASE_SECONDS
from eversince_async.testing import run
from helpers.wall_clocks import set_clock

HOUR, DAY = 3600.0, 86400.0
STEPS = pytest.mark.parametrize("step", [HOUR, -HOUR, 30 * DAY, -30 * DAY])


@pytest.fixture
async def two(tmp_path):
    """Open two processes' journals of one file."""
    async with SqliteJournal(tmp_path / "a.db") as one, SqliteJournal(tmp_path / "a.db") as other:
        yield one, other


# -- Leases -----------------------------------------------------------------------------------------------


@STEPS
async def test_a_lease_is_not_stolen_from_the_living(two, step):
    one, other = two
    await one.put("mug", {})
    await one.acquire("mug")
    set_clock(step)
    await asyncio.sleep(LEASE_SECONDS - 1)

    with pytest.raises(JournalLocked):
        await other.acquire("mug")
    assert [] == await other.take("new")


@STEPS
async def test_a_lease_is_not_kept_for_ever(two, step):
    one, other = two
    await one.put("mug", {})
    await one.acquire("mug")
    set_clock(step)
    await asyncio.sleep(LEASE_SECONDS + 1)

    assert "mug" == (await other.acquire("mug")).id


@STEPS
async def test_a_lease_is_prolonged_for_as_long_as_was_said(two, step):
    one, other = two
    await one.put("mug", {})
    await one.acquire("mug")
    set_clock(step)
    await asyncio.sleep(LEASE_SECONDS / 2)
    await one.renew(["mug"])
    await asyncio.sleep(LEASE_SECONDS - 1)

    with pytest.raises(JournalLocked):
        await other.acquire("mug")


@STEPS
async def test_one_that_runs_out_is_free_for_whoever_takes(two, step):
    one, other = two
    await one.put("mug", {})
    await one.acquire("mug")
    set_clock(step)
    await asyncio.sleep(LEASE_SECONDS + 1)

    assert ["mug"] == [job.id for job in await other.take("new")]


async def test_a_lease_of_an_earlier_boot_has_run_out(two, monkeypatch):
    """However recent it is by the wall clock, its owner is gone."""
    one, other = two
    await one.put("mug", {})
    monkeypatch.setattr(clock, "_machine", lambda: "abcdef123456-1")
    monkeypatch.setattr(clock, "moment", lambda: clock.Moment("system/0123456789ab-1", 1e6))
    await one.acquire("mug")
    monkeypatch.setattr(clock, "moment", lambda: clock.Moment("system/abcdef123456-1", 30.0))

    assert "mug" == (await other.acquire("mug")).id


async def test_a_lease_of_another_container_of_the_same_boot_lives(two, monkeypatch):
    """Its clock may differ, so its age is by the wall clock."""
    one, other = two
    await one.put("mug", {})
    monkeypatch.setattr(clock, "_machine", lambda: "abcdef123456-1")
    monkeypatch.setattr(clock, "moment", lambda: clock.Moment("system/abcdef123456-2", 30.0))
    await one.acquire("mug")
    monkeypatch.setattr(clock, "moment", lambda: clock.Moment("system/abcdef123456-1", 1e6))

    with pytest.raises(JournalLocked):
        await other.acquire("mug")


# -- Ages -------------------------------------------------------------------------------------------------


@STEPS
@pytest.mark.parametrize("made", [SqliteJournal, MemoryJournal])
async def test_what_was_spent_is_as_old_as_it_is(tmp_path, made, step):
    async with made(tmp_path / "a.db") if made is SqliteJournal else made() as journal:
        await journal.put("mug", {})
        await journal.acquire("mug")
        await journal.done(await journal.intent("mug", "render", {}))
        set_clock(step)
        await asyncio.sleep(HOUR)

        (at,) = await journal.spent("render", clock.now() - timedelta(days=1))

    assert timedelta(hours=1) == clock.now() - at


async def test_what_another_boot_wrote_in_the_future_was_written_now(tmp_path):
    """The two loops share only the wall clock.

    It has been set back in between.
    """

    async def spend():
        async with SqliteJournal(tmp_path / "a.db") as journal:
            await journal.put("mug", {})
            await journal.acquire("mug")
            await journal.intent("mug", "render", {})

    async def count():
        async with SqliteJournal(tmp_path / "a.db") as journal:
            (at,) = await journal.spent("render", clock.now() - timedelta(days=1))
            return clock.now() - at

    def both():
        run(spend(), start=clock.now() + timedelta(days=31))
        return run(count())

    assert timedelta() == await asyncio.to_thread(both)


def test_a_journal_tells_its_ages_outside_of_any_loop():
    here = clock.moment()
    assert 0.0 <= (clock.elapsed(here) or 0.0) < 60
    assert 60 <= (clock.elapsed(attrs.evolve(here, seconds=here.seconds - 60)) or 0.0) < 120


# -- Order ------------------------------------------------------------------------------------------------


@STEPS
@pytest.mark.parametrize("made", [SqliteJournal, MemoryJournal])
async def test_what_changed_later_has_a_greater_number(tmp_path, made, step):
    async with made(tmp_path / "a.db") if made is SqliteJournal else made() as journal:
        await journal.put("mug", {})
        await journal.acquire("mug")
        failed = await journal.change("mug", JobChange(stage="failed"))
        began = await journal.changes()
        set_clock(step)
        cup = await journal.put("cup", {})
        again = await journal.change("mug", JobChange(stage="working"))

    assert failed.updated_change <= began < cup.created_change < again.updated_change


async def test_numbers_are_of_all_processes(two):
    one, other = two
    numbers = [(await each.put(str(n), {})).created_change for n, each in enumerate([one, other, one])]
    assert sorted(set(numbers)) == numbers
