"""Totals over several runs: time, slots, requests and credits.

They do not depend on how the work was divided into runs.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eversince_async import Eversince, Report, clock
from eversince_async.batch.items import Item
from eversince_async.batch.report import build_entries
from eversince_async.batch.timeline import SlotNumbering, TimelineRecorder
from eversince_async.batch.totals import NOTE, Totals
from eversince_async.batch.usage import UsageRecorder, UsageTotals
from eversince_async.batch.workers import ActiveItem
from eversince_async.emulator import Emulator, Scenario
from eversince_async.governor import Governor, Limits
from eversince_async.journal import LEASE_SECONDS, JobChange, MemoryJournal, SqliteJournal
from eversince_async.journal.memory import MemoryTables
from eversince_async.models.receipt import Receipt
from eversince_async.orchestrator.events import StageStarted
from eversince_async.report.lanes import most_at_once, slot_lanes
from eversince_async.report.page import page
from eversince_async.report.stages import Stage, stages_to_json
from eversince_async.session.hooks import RequestSent, ResponseReceived
from helpers.report_data import NOON, entry, overview, stage

if TYPE_CHECKING:
    from pathlib import Path

FAST = Scenario(queued=2, running=20, images=20, videos=60, rendering=30, cycles=1, scenes=(1, 1))
ITEMS = [{"key": f"film-{n}", "brief": f"Film {n}"} for n in range(8)]


# -- One run, or any number of them -----------------------------------------------------------------------


@attrs.frozen
class Happening:
    """An event on the account while a run is at work."""

    after: float
    endpoint: str
    status: int
    change: float
    ends_item: bool
    ends_run: bool


HAPPENINGS = st.lists(
    st.builds(
        Happening,
        after=st.floats(0, 5000, width=16),
        endpoint=st.sampled_from(["projects.list", "projects.create", "account.credits"]),
        status=st.sampled_from([200, 429]),
        change=st.sampled_from([0.0, -0.5, -12.0, -40.0, 1000.0]),
        ends_item=st.booleans(),
        ends_run=st.booleans(),
    ),
    min_size=1,
    max_size=20,
)


class Runs:
    """Consecutive runs over one journal."""

    def __init__(self) -> None:
        self.rows, self.kept = MemoryTables(), list[Any]()
        self.balance = 2000.0

    async def live(self, happenings: list[Happening]) -> None:
        """Simulate one run with these events."""
        governor = Governor(Limits())
        guests = list[Any]()
        runtime: Any = SimpleNamespace(session=SimpleNamespace(observers=SimpleNamespace(subscribers=guests)))
        async with MemoryJournal(self.rows) as journal:
            usage = UsageRecorder(governor, journal)
            with usage.recording(runtime):
                await usage.begin()
                self.told(governor, usage)
                for each in happenings:
                    await asyncio.sleep(each.after)
                    self.balance += each.change
                    usage.on_record(
                        RequestSent(endpoint=each.endpoint, method="GET", path="/", attempt=1, waited=0)
                    )
                    usage.on_record(answered(each))
                    self.told(governor, usage)
                    if each.ends_item:
                        self.kept.append(usage.take_unsaved())
                await usage.end()

    def told(self, governor: Governor, usage: UsageRecorder) -> None:
        governor.record_credits(self.balance)
        usage.record_balance()

    async def totals(self) -> tuple[Any, ...]:
        async with MemoryJournal(self.rows) as journal:
            tallied = UsageTotals(Totals.read(await journal.noted(NOTE)))
        for kept in self.kept:
            tallied.merge(kept)
        counts = [(each.work, each.looks, each.other, each.refused) for each in tallied.minutes]
        return (
            pytest.approx(tallied.seconds),
            pytest.approx(tallied.credits_spent),
            tallied.slots,
            tuple(sum(kind) for kind in zip(*counts, strict=True)),
        )


def answered(each: Happening) -> ResponseReceived:
    receipt = Receipt(request_id="r", rate_limit=None, status=each.status)
    return ResponseReceived(
        endpoint=each.endpoint, status=each.status, attempt=1, elapsed=0.1, receipt=receipt
    )


@settings(max_examples=60)
@given(happenings=HAPPENINGS)
async def test_runs_add_up_to_what_one_run_would_have_been(happenings):
    whole, cut = Runs(), Runs()
    await whole.live(happenings)
    part = list[Happening]()
    for each in happenings:
        part.append(each)
        if each.ends_run:
            await cut.live(part)
            part = []
    await cut.live(part)

    assert await whole.totals() == await cut.totals()
    fallen = -sum(each.change for each in happenings if each.change < 0)
    assert (await whole.totals())[1] == fallen
    assert (await whole.totals())[0] == sum(each.after for each in happenings)


TOTALS = st.builds(
    Totals,
    seconds=st.integers(0, 1000),
    credits_spent=st.none() | st.integers(0, 1000),
    slots=st.none() | st.integers(1, 20),
    requests=st.lists(st.tuples(*[st.integers(0, 9)] * 5), max_size=3).map(tuple),
)


@given(one=TOTALS, other=TOTALS, third=TOTALS)
def test_it_does_not_matter_which_runs_are_added_first(one, other, third):
    assert (one + other) + third == one + (other + third)


@given(totals=TOTALS)
def test_totals_come_back_from_a_journal(totals):
    plain = totals + Totals()
    assert plain == Totals.read(plain.to_json())


# -- Runs beside each other, and runs that died -----------------------------------------------------------


def usage_of(journal: Any, governor: Governor) -> UsageRecorder:
    usage = UsageRecorder(governor, journal)
    usage._counted_until = asyncio.get_running_loop().time()
    return usage


def fall(to: float, *beside: tuple[Governor, UsageRecorder]) -> None:
    for governor, usage in beside:
        governor.record_credits(to)
        usage.record_balance()


async def test_two_processes_measure_the_same_time_and_credits_once():
    rows = MemoryTables()
    async with MemoryJournal(rows) as one, MemoryJournal(rows) as other:
        both = [(governor := Governor(Limits()), usage_of(journal, governor)) for journal in (one, other)]
        for _, usage in both:
            await usage.begin()
        fall(1000, *both)
        await asyncio.sleep(600)
        fall(900, *both)
        assert [100, None] == [usage.credits_spent for _, usage in both], "the other reads it when it saves"
        for _, usage in reversed(both):
            await usage.end()
        kept = Totals.read(await one.noted(NOTE))

    assert (600, 100) == (pytest.approx(kept.seconds), kept.credits_spent)


async def test_the_other_goes_on_measuring_when_the_first_has_ended():
    rows = MemoryTables()
    async with MemoryJournal(rows) as one, MemoryJournal(rows) as other:
        both = [(governor := Governor(Limits()), usage_of(journal, governor)) for journal in (one, other)]
        for _, usage in both:
            await usage.begin()
        fall(1000, *both)
        await asyncio.sleep(100)
        fall(900, *both)
        await both[0][1].end()
        await both[1][1].save()
        await asyncio.sleep(100)
        fall(850, both[1])
        await both[1][1].end()
        kept = Totals.read(await one.noted(NOTE))

    assert (200, 150) == (pytest.approx(kept.seconds), kept.credits_spent)


async def test_who_died_while_measuring_is_succeeded_when_its_time_is_over():
    rows = MemoryTables()
    async with MemoryJournal(rows) as dead, MemoryJournal(rows) as alive:
        await usage_of(dead, Governor(Limits())).begin()
        heir = usage_of(alive, Governor(Limits()))
        await heir.begin()
        await asyncio.sleep(LEASE_SECONDS + 1)
        await heir.save()
        await asyncio.sleep(30)
        await heir.end()
        kept = Totals.read(await alive.noted(NOTE))

    assert 30 == pytest.approx(kept.seconds)


class Slow(MemoryJournal):
    """A journal that pauses before and after it writes a note."""

    async def change_note(self, *args):
        await asyncio.sleep(5)
        kept = await super().change_note(*args)
        await asyncio.sleep(5)
        return kept


@pytest.mark.parametrize("after", [1, 7])
async def test_who_is_cancelled_while_it_begins_lets_others_measure(after):
    async with Slow() as journal:
        usage = usage_of(journal, Governor(Limits()))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(usage.begin(), after)
        await usage.end()

        assert (await journal.noted(NOTE) or {}).get("measured_by") is None


@pytest.mark.parametrize("after", [1, 7])
async def test_a_save_that_is_cancelled_adds_everything_once(after):
    async with Slow() as journal:
        usage = usage_of(journal, governor := Governor(Limits()))
        await usage.begin()
        fall(1000, (governor, usage))
        fall(900, (governor, usage))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(usage.save(), after)
        fall(850, (governor, usage))
        await usage.end()

        assert 150 == Totals.read(await journal.noted(NOTE)).credits_spent


@pytest.mark.parametrize(
    "kept",
    [
        None,
        [],
        {"seconds": -1, "credits_spent": "x", "slots": True, "requests": [[1]], "measured_by": 7},
        {"seconds": float("1e300"), "measured_by": {"name": "x", "incarnation": "y", "at": "soon"}},
        {"measured_by": {"name": "x", "incarnation": "y", "at": "2026-01-01", "boot": "b", "seconds": 1}},
    ],
    ids=["nothing", "a list", "odd values", "too much", "no instant"],
)
async def test_totals_that_cannot_be_read_are_begun_anew(kept):
    async with MemoryJournal() as journal:
        await journal.note(NOTE, kept)
        usage = usage_of(journal, Governor(Limits()))
        await usage.begin()
        await asyncio.sleep(10)

        assert 10 == pytest.approx(usage.seconds)
        await usage.end()


# -- Batches ----------------------------------------------------------------------------------------------


@pytest.fixture
async def emulator():
    async with Emulator(scenario=FAST, credits=10_000) as emulator:
        yield emulator


async def drained(emulator: Emulator, journal: Path, after: float | None) -> Report:
    """Run the batch; stop it after a while unless that is None."""
    async with Eversince(**emulator.connection) as eversince:
        async with eversince.batch(ITEMS, journal=journal) as batch:
            if after is not None:
                await asyncio.sleep(after)
                batch.drain()
            _ = [outcome async for outcome in batch]
        return batch.report


async def test_three_runs_of_a_batch_add_up(emulator, tmp_path):
    """A night lies between the runs, and credits are bought during it."""
    journal, began, spent, ran = tmp_path / "a.db", emulator.account.credits, 0.0, 0.0
    for after in (5, 40, None):
        report = await drained(emulator, journal, after)
        spent += began - emulator.account.credits
        ran += report.run_seconds
        assert spent == pytest.approx(report.credits_spent)
        assert ran == pytest.approx(report.seconds, abs=1)
        assert 5 >= len({s.slot for each in report.outcomes for s in each.stages if s.slot})
        await asyncio.sleep(8 * 3600)
        emulator.account.credits += 20_000
        began = emulator.account.credits
    alone = await Report.from_journal(journal)

    assert {"succeeded": 8} == alone.counts
    assert len(emulator.world.log) == sum(minute.requests for minute in alone.requests)
    assert (report.credits_spent, 5) == (alone.credits_spent, alone.slots)
    assert report.seconds == pytest.approx(alone.seconds, abs=1)


async def test_a_run_that_was_left_counts_as_far_as_it_went(emulator, tmp_path):
    journal = tmp_path / "a.db"
    async with Eversince(**emulator.connection) as eversince:
        async with eversince.batch(ITEMS, journal=journal):
            await asyncio.sleep(50)
        report = await eversince.batch(ITEMS, journal=journal)

    assert len(emulator.world.log) == sum(minute.requests for minute in report.requests)
    assert 50 + report.run_seconds == pytest.approx(report.seconds, abs=2)


async def test_two_processes_report_each_credit_once(emulator, tmp_path):
    journal, began = tmp_path / "a.db", emulator.account.credits

    async def process(items: list[dict[str, str]]) -> Report:
        async with Eversince(**emulator.connection) as eversince, SqliteJournal(journal) as opened:
            return await eversince.batch(items, journal=opened, drain_on_interrupt=False)

    reports = await asyncio.gather(process(ITEMS[:4]), process(ITEMS[4:]))
    alone = await Report.from_journal(journal)

    spent = began - emulator.account.credits
    assert 0.5 * spent <= (alone.credits_spent or 0) <= spent
    assert alone.seconds <= max(report.run_seconds for report in reports) + 1
    assert len(emulator.world.log) == sum(minute.requests for minute in alone.requests)


async def test_two_batches_of_one_client_count_each_request_once(emulator, tmp_path):
    """This holds even while one continues after the other has ended."""
    async with Eversince(**emulator.connection) as eversince:

        async def batch(items: list[dict[str, str]]) -> Report:
            return await eversince.batch(items, journal=tmp_path / "a.db", drain_on_interrupt=False)

        await asyncio.gather(batch(ITEMS[:1]), batch(ITEMS[1:7]))
    alone = await Report.from_journal(tmp_path / "a.db")

    assert len(emulator.world.log) == sum(minute.requests for minute in alone.requests)


async def test_a_journal_of_another_account_is_left_as_it_is(emulator, tmp_path):
    journal = tmp_path / "a.db"
    await drained(emulator, journal, 60)
    async with SqliteJournal(journal) as opened:
        before = await opened.noted(NOTE)
    async with Eversince("es_live_x", base_url="https://eversince.example/api") as eversince:
        with pytest.raises(Exception, match="another server"):
            await eversince.batch(ITEMS, journal=journal)

    async with SqliteJournal(journal) as opened:
        assert before == await opened.noted(NOTE)


# -- Slots ------------------------------------------------------------------------------------------------


def runs_at_once(runs: int, slots: int = 5) -> list[Any]:
    """Build entries of runs that seem simultaneous because of their clocks."""
    return [
        entry(key=f"{run}-{slot}", stages=[stage("running", 60 * run, 60 * run + 600, slot)])
        for run in range(runs)
        for slot in range(1, slots + 1)
    ]


def test_an_account_has_no_more_slots_than_it_may_have():
    items = runs_at_once(3)
    stages = [each for item in items for each in item.stages]

    assert (15, 5) == (most_at_once(stages), most_at_once(stages, 5))
    assert 5 == len(slot_lanes(items, 5))
    assert 15 == sum(len(lane) for lane in slot_lanes(items, 5)), "all are drawn"


def test_the_page_tells_of_no_slot_that_there_is_not(tmp_path):
    text = page(overview(slots=5), runs_at_once(3), tmp_path)

    assert "The 5 slots were busy" in text
    assert "Slot 5<" in text
    assert "Slot 6<" not in text


@given(cuts=st.lists(st.integers(1, 599), max_size=5, unique=True), limit=st.none() | st.integers(1, 9))
def test_work_that_is_cut_takes_no_more_slots(cuts, limit):
    moments = [NOON + timedelta(seconds=second) for second in (0, *sorted(cuts), 600)]
    pieces = [Stage("running", a, b, 1) for a, b in pairwise(moments)]
    whole = [stage("running", 0, 600, 2), stage("running", 0, 600, 3)]

    assert most_at_once([*whole, *pieces], limit) == min(3, limit or 3)


def test_numbers_of_slots_that_were_never_used_at_once_are_no_slots():
    stages = [stage("running", 100 * n, 100 * n + 50, n) for n in range(1, 9)]

    assert 1 == most_at_once(stages)
    assert most_at_once([stage("waiting", 0, 9, None)]) is None


# -- Time under speed -------------------------------------------------------------------------------------


def set_ahead(hours: float) -> None:
    """Set a loop's clock as an emulator's first response does."""
    began, loop = time.monotonic(), asyncio.get_running_loop()
    epoch = time.time() + hours * 3600
    loop.boot_id = "paced//600.0/x"
    loop.boot_time = lambda: (time.monotonic() - began) * 600
    loop.wall_time = lambda: epoch + (time.monotonic() - began) * 600


def test_nothing_in_a_report_is_of_the_time_before_an_emulator_told_its_own():
    """Times before the emulator's first response are not reliable."""

    async def run() -> None:
        work = ActiveItem(Item(key="a", index=0, input="A film"), clock.steady_now())
        record, usage = TimelineRecorder(SlotNumbering()), UsageRecorder(Governor(Limits()))
        usage.on_record(RequestSent(endpoint="projects.create", method="POST", path="/", attempt=1, waited=0))
        set_ahead(8)
        happening = Happening(0, "projects.create", 202, 0, ends_item=False, ends_run=False)
        usage.on_record(answered(happening))
        event = StageStarted(at=0, project_id="p", stage="create")
        work.on_event(event)
        record.on_event(event)
        await asyncio.sleep(0.01)

        ahead = clock.now() - timedelta(hours=7)
        assert ahead > datetime.now(UTC)
        assert work.began_at > ahead
        assert all(each.began_at > ahead and each.seconds < 3600 for each in record.stages)
        assert "creating" == record.stages[-1].name
        assert [True] == [minute.at > ahead for minute in usage.minutes]

    asyncio.run(run())


async def test_an_item_of_an_earlier_run_began_with_its_first_stage():
    """Its job was written before the emulator's time was known."""
    async with MemoryJournal() as journal:
        await journal.put("mug", {"brief": "A mug"}, stage="working")
        job = await journal.acquire("mug")
        stages = [Stage("running", NOON, NOON + timedelta(seconds=60), 1)]
        await journal.change(job.id, JobChange(stage="succeeded", result={"stages": stages_to_json(stages)}))
        report = await Report.from_journal(journal)

    [told] = build_entries(report, report.outcomes)
    assert told.began_at == NOON
