"""Batches make each item once, isolate failures, and resume."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from eversince_async import Eversince, Limits, ProjectFailed, ValidationFailed
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import ErrorAnswer
from eversince_async.errors import InsufficientCredits, JournalError, SpecChanged
from eversince_async.journal import SqliteJournal
from eversince_async.models.projects import Brief
from eversince_async.orchestrator.events import StageCompleted

FAST = Scenario(queued=2, running=20, images=20, videos=60, rendering=30, cycles=1, scenes=(1, 1))


@pytest.fixture
async def emulator():
    async with Emulator(scenario=FAST.when("bad", failure=1.0)) as emulator:
        yield emulator


def made(emulator: Emulator) -> tuple[int, int, int]:
    counts = emulator.world.counts
    return counts["projects"], counts["renders"], counts["shares"]


async def test_every_kind_of_item_is_made_once(emulator, eversince):
    items = ["A film", Brief(brief="Another"), {"brief": "A third", "key": "third", "share": False}]

    report = await eversince.batch(items)

    assert {"succeeded": 3} == report.counts
    assert {"1", "2", "third"} == {outcome.key for outcome in report.outcomes}
    assert (3, 3, 2) == made(emulator)


async def test_items_may_come_asynchronously_and_outcomes_come_as_they_end(emulator, eversince):
    async def briefs():
        for number in range(7):
            await asyncio.sleep(1)
            yield f"Film {number}"

    async with eversince.batch(briefs()) as batch:
        keys = {outcome.key async for outcome in batch}

    assert set("1234567") == keys
    assert 7 == batch.progress.total


async def test_one_failure_touches_no_other(emulator, eversince):
    report = await eversince.batch(["Good", "bad", {"title": "no brief"}, 7, "Good, too"])

    assert {"succeeded": 2, "failed": 3} == report.counts
    errors = {outcome.index: outcome.error for outcome in report.outcomes if outcome.error}
    assert isinstance(errors[1], ProjectFailed)
    assert {1, 2, 3} == set(errors)


async def test_the_same_batch_again_does_nothing(emulator, eversince, tmp_path):
    items = [{"key": name, "brief": f"Film {name}"} for name in "abc"]
    first = await eversince.batch(items, journal=tmp_path / "campaign.db")
    before = len(emulator.world.log)

    again = await eversince.batch(items, journal=tmp_path / "campaign.db")

    assert first.counts == again.counts
    assert before == len(emulator.world.log)
    assert all(outcome.is_recorded for outcome in again.outcomes)
    shares = {outcome.key: outcome.share_url for outcome in first.outcomes}
    assert shares == {outcome.key: outcome.share_url for outcome in again.outcomes}


async def test_failed_items_are_tried_again_only_when_asked(emulator, eversince, tmp_path):
    journal = tmp_path / "campaign.db"
    await eversince.batch(["bad"], journal=journal)
    assert 1 == made(emulator)[0]

    again = await eversince.batch(["bad"], journal=journal)
    assert {"failed": 1} == again.counts
    assert "ProjectFailed" in str(again.outcomes[0].error)
    assert 1 == made(emulator)[0]

    third = await eversince.batch(["bad"], journal=journal, retry_failed=True)
    assert 2 == made(emulator)[0]
    assert 2 == third.outcomes[0].attempts


async def test_an_old_key_with_another_spec_is_an_error_that_names_it(emulator, eversince, tmp_path):
    journal = tmp_path / "campaign.db"
    await eversince.batch([{"key": "mug", "brief": "A mug"}], journal=journal)

    report = await eversince.batch([{"key": "mug", "brief": "A cup"}, "Other"], journal=journal)

    failed = next(outcome for outcome in report.outcomes if outcome.key == "mug")
    assert isinstance(failed.error, SpecChanged)
    assert "'mug'" in str(failed.error)
    assert {"failed": 1, "succeeded": 1} == report.counts


async def test_draining_finishes_what_has_begun_and_begins_nothing(emulator, eversince, tmp_path):
    async with eversince.batch((f"Film {n}" for n in range(50)), journal=tmp_path / "campaign.db") as batch:
        await asyncio.sleep(30)
        batch.drain()
        outcomes = [outcome async for outcome in batch]

    assert (5, 5, 5) == made(emulator)
    assert {"succeeded": 5, "paused": 5} == batch.report.counts
    assert 10 == len(outcomes)
    assert "drained" in str(batch.report.paused)


async def test_draining_tells_that_credits_ran_out_meanwhile(emulator, eversince, tmp_path):
    refusal = ErrorAnswer(status=402, code="insufficient_credits", message="Not enough credits")
    emulator.faults.once("POST", "/projects/*/render", refusal, times=9)
    async with eversince.batch([f"Film {n}" for n in range(9)], journal=tmp_path / "campaign.db") as batch:
        await asyncio.sleep(30)
        batch.drain()
        async for _ in batch:
            pass

    assert "Not enough credits" in str(batch.report.paused)
    assert isinstance(batch.report.cause, InsufficientCredits)


async def test_draining_does_not_say_that_all_has_ended_when_it_has_not(emulator, eversince, tmp_path):
    emulator.faults.once(
        "POST", "/projects/*/render", ErrorAnswer(status=403, code="forbidden", message="Not yours"), times=9
    )
    async with eversince.batch([f"Film {n}" for n in range(9)], journal=tmp_path / "campaign.db") as batch:
        await asyncio.sleep(30)
        batch.drain()
        async for _ in batch:
            pass

    assert "was completed" not in str(batch.report.paused)
    assert "Not yours" in str(batch.report.paused)


async def test_draining_at_once_begins_nothing_at_all(emulator, eversince):
    async with eversince.batch([f"Film {n}" for n in range(3)]) as batch:
        await asyncio.sleep(0)
        batch.drain()
        outcomes = [outcome async for outcome in batch]

    assert {outcome.status for outcome in outcomes} <= {"paused"}
    assert (0, 0, 0) == made(emulator)


async def test_what_was_left_is_taken_up_again(emulator, eversince, tmp_path):
    items = [f"Film {n}" for n in range(8)]
    async with eversince.batch(items, journal=tmp_path / "campaign.db"):
        await asyncio.sleep(90)

    report = await eversince.batch(items, journal=tmp_path / "campaign.db")

    assert {"succeeded": 8} == report.counts
    assert (8, 8, 8) == made(emulator)


async def test_want_of_credits_pauses_and_tells_what_to_buy(tmp_path):
    journal = tmp_path / "campaign.db"
    async with Emulator(scenario=FAST, credits=30) as emulator, Eversince(**emulator.connection) as eversince:
        report = await eversince.batch([f"Film {n}" for n in range(10)], journal=journal)

        assert isinstance(report.cause, InsufficientCredits)
        assert report.packages
        assert "failed" not in report.counts

        emulator.world.account.credits = 10_000
        report = await eversince.batch([f"Film {n}" for n in range(10)], journal=journal)
        assert {"succeeded": 10} == report.counts
        assert (10, 10, 10) == made(emulator)


async def test_no_more_is_begun_once_the_credits_allowed_are_spent(emulator, eversince):
    """Every project that was paid for has its video in the end."""
    report = await eversince.batch([f"Film {n}" for n in range(30)], max_credits=40)

    assert "the limit is 40" in str(report.paused)
    assert set(report.counts) <= {"succeeded", "paused"}
    assert 3 * (report.counts["succeeded"],) == made(emulator)
    assert 5 <= report.counts["succeeded"] < 20


async def test_a_balance_below_the_minimum_pauses_and_tells_what_to_buy(tmp_path):
    items, limits = [f"Film {n}" for n in range(12)], Limits(credits_reserve=1985)
    async with (
        Emulator(scenario=FAST, credits=2000) as emulator,
        Eversince(**emulator.connection, limits=limits) as eversince,
    ):
        report = await eversince.batch(items, journal=tmp_path / "a.db")

        assert "the reserve is 1985" in str(report.paused)
        assert report.packages[0].purchase_url
        assert set(report.counts) <= {"succeeded", "paused"}
        assert 3 * (report.counts["succeeded"],) == made(emulator)
        assert 5 <= report.counts["succeeded"] < 12

        emulator.world.account.credits = 10_000
        eversince.governor.record_credits(10_000)
        report = await eversince.batch(items, journal=tmp_path / "a.db")

    assert {"succeeded": 12} == report.counts
    assert (12, 12, 12) == made(emulator)


async def test_a_balance_below_the_minimum_begins_nothing(emulator):
    limits = Limits(credits_reserve=10_000_000)
    async with Eversince(**emulator.connection, limits=limits) as eversince:
        report = await eversince.batch(["A film"])

    assert report.packages
    assert (0, 0, 0) == made(emulator)


async def test_each_item_may_have_options_of_its_own(emulator, eversince, tmp_path):
    items = [
        {"key": "plain", "brief": "A film"},
        {"key": "silent", "brief": "A film", "share": False, "aspect_ratio": "1:1"},
        {"key": "raw", "brief": "A film", "render": None},
        {
            "key": "named",
            "brief": "A film",
            "share": {"title": "Ours"},
            "download": tmp_path / "ours.mp4",
        },
    ]

    report = await eversince.batch(items, download=tmp_path / "all", aspect_ratio="9:16")

    outcomes = {outcome.key: outcome for outcome in report.outcomes}
    assert {"succeeded": 4} == report.counts
    assert (4, 3, 2) == made(emulator)
    assert {"silent", "raw"} == {key for key, outcome in outcomes.items() if outcome.share_url is None}
    assert "Ours" in {share.title for share, _ in emulator.world.shares.values()}
    assert (tmp_path / "ours.mp4",) == outcomes["named"].files
    assert tmp_path / "all" == outcomes["plain"].files[0].parent
    assert () == outcomes["raw"].files
    ratios = [project.aspect_ratio for project in emulator.world.projects.values() if not project.studio]
    assert ["1:1", "9:16", "9:16", "9:16"] == sorted(ratios)


async def test_events_are_told_with_the_key_of_their_item(emulator, eversince):
    told = []

    await eversince.batch(
        [{"key": "mug", "brief": "A mug"}, {"key": "cup", "brief": "A cup"}],
        on_event=lambda key, event: told.append((key, event)),
    )

    for key in ("mug", "cup"):
        stages = [event.stage for its, event in told if its == key and isinstance(event, StageCompleted)]
        assert ["create", "settle", "render", "share"] == stages
        assert 1 == len({event.project_id for its, event in told if its == key} - {None})


async def test_a_spent_day_pauses_if_that_is_wished(emulator):
    async with Eversince(**emulator.connection, limits=Limits(renders_per_day=3)) as eversince:
        report = await eversince.batch([f"Film {n}" for n in range(9)], wait_for_quota=False)

    assert report.resumes_at is not None
    assert 3 == report.counts["succeeded"]
    assert "failed" not in report.counts


async def test_a_day_spent_by_an_earlier_run_is_known_to_the_next(emulator, tmp_path):
    items = [f"Film {n}" for n in range(5)]
    limits = Limits(renders_per_day=3)
    for _ in range(2):
        async with Eversince(**emulator.connection, limits=limits) as eversince:
            report = await eversince.batch(items, journal=tmp_path / "a.db", wait_for_quota=False)

    assert 3 == emulator.world.counts["renders"]
    assert report.resumes_at is not None


async def test_a_day_spent_is_waited_for_otherwise(emulator):
    async with Eversince(**emulator.connection, limits=Limits(renders_per_day=3)) as eversince:
        report = await eversince.batch([f"Film {n}" for n in range(5)])

    assert {"succeeded": 5} == report.counts
    assert report.seconds > 24 * 3600


async def test_concurrency_may_be_less_than_the_slots(emulator, eversince):
    await eversince.batch([f"Film {n}" for n in range(6)], concurrency=2)

    assert 2 == emulator.world.most_active


async def test_two_batches_share_a_journal(emulator, tmp_path):
    items = [f"Film {n}" for n in range(12)]

    async def one() -> None:
        async with (
            SqliteJournal(tmp_path / "campaign.db") as journal,
            Eversince(**emulator.connection) as eversince,
        ):
            report = await eversince.batch(items, journal=journal)
            assert {"succeeded": 12} == report.counts

    await asyncio.gather(one(), one())

    assert (12, 12, 12) == made(emulator)


async def test_items_that_cannot_be_read_end_the_batch_after_what_has_begun(emulator, eversince):
    def briefs():
        yield "A film"
        raise LookupError("the file ends here")

    with pytest.raises(LookupError):
        await eversince.batch(briefs())

    assert 1 == made(emulator)[1]


async def test_a_journal_that_cannot_be_used_says_so(emulator, eversince, tmp_path):
    (tmp_path / "campaign.db").write_text("no journal")

    with pytest.raises(JournalError):
        await eversince.batch(["A film"], journal=tmp_path / "campaign.db")

    assert 0 == made(emulator)[0]


async def test_a_refused_brief_fails_its_item_and_is_created_when_it_is_taken(emulator, eversince, tmp_path):
    """The refusal is definite: nothing was made, so nothing needs a search."""
    emulator.faults.once("POST", "/projects", ErrorAnswer(status=400, code="validation_error", message="no"))

    report = await eversince.batch(["A film"], journal=tmp_path / "a.db")

    assert {"failed": 1} == report.counts
    assert isinstance(report.outcomes[0].error, ValidationFailed)
    async with SqliteJournal(tmp_path / "a.db") as journal:
        assert "refused" == (await journal.effect("1", "create")).state

    again = await eversince.batch(["A film"], journal=tmp_path / "a.db", retry_failed=True)

    assert {"succeeded": 1} == again.counts
    assert (1, 1, 1) == made(emulator)


async def test_a_source_that_waits_for_ever_does_not_hold_up_a_drained_batch(emulator, eversince):
    async def briefs():
        yield "A film"
        await asyncio.Event().wait()

    async with eversince.batch(briefs()) as batch:
        outcomes = []
        async for outcome in batch:
            outcomes.append(outcome)
            batch.drain()

    assert ["succeeded"] == [outcome.status for outcome in outcomes]


async def test_items_without_end_are_no_longer_read_once_the_batch_is_drained(emulator, eversince):
    async with eversince.batch(f"Film {n}" for n in itertools.count()) as batch:
        async for _ in batch:
            batch.drain()

    assert 20 > batch.progress.items_read


async def test_a_listener_that_fails_fails_no_item(emulator, eversince, caplog):
    def listen(key, event):
        raise ValueError("a listener's own")

    report = await eversince.batch(["A film"], on_event=listen)

    assert {"succeeded": 1} == report.counts
    assert "a listener's own" in caplog.text
