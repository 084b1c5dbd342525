"""Reports of real batches: the facts that one or several runs recorded.

They also cover the facts that the journal alone holds.
"""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from pathlib import Path

import attrs
import pytest

from eversince_async import Eversince, Limits, Report
from eversince_async._wire.addresses import AddressPolicy
from eversince_async.batch.outcome import Outcome
from eversince_async.batch.runner import ItemRunner
from eversince_async.batch.timeline import SlotNumbering, previous_stages, stages_from_effects
from eversince_async.batch.usage import UsageTotals, merge_usage
from eversince_async.emulator import Emulator, Faults, Scenario
from eversince_async.errors import ConfigurationError, JournalError
from eversince_async.journal import Effect, EffectKind, Job, MemoryJournal, SqliteJournal
from eversince_async.pipelines import Run, pipeline
from eversince_async.report.stages import NAMES, stages_to_json
from helpers.report_data import Parsed, at, stage

FAST = Scenario(queued=2, running=20, images=20, videos=60, rendering=30, cycles=1, scenes=(1, 1))

ITEMS = [{"key": f"film-{n}", "brief": f"Film {n}"} for n in range(8)]


@pytest.fixture
async def emulator():
    async with Emulator(scenario=FAST.when("bad", failure=1.0)) as emulator:
        yield emulator


def names(outcome: Outcome) -> list[str]:
    return [stage.name for stage in outcome.stages]


def on_slots(report: Report) -> dict[int, list[tuple[float, float]]]:
    """Return the times at which each slot was taken, in order."""
    taken: dict[int, list[tuple[float, float]]] = {}
    for outcome in report.outcomes:
        for each in outcome.stages:
            if each.slot is not None:
                taken.setdefault(each.slot, []).append((each.began_at.timestamp(), each.ended_at.timestamp()))
    return {slot: sorted(times) for slot, times in taken.items()}


# -- What is linked to ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("javascript:alert(1)", "share_url is no http(s) address"),
        ("https://169.254.169.254/latest", "share_url leads to 169.254.169.254"),
        ("http://eversince.ai/share/1", "share_url leads from https to plain http"),
    ],
)
async def test_a_report_links_only_to_what_the_api_may_name(eversince, tmp_path, url, problem):
    """An odd address appears as text, with its field's name."""
    report = await eversince.batch(["A film"])
    public = AddressPolicy.of("https://eversince.ai/api/v1")
    outcome = attrs.evolve(report.outcomes[0], share_url=url)
    odd = attrs.evolve(report, outcomes=[outcome], addresses=public)
    page, table, document = (tmp_path / f"report.{ending}" for ending in ("html", "csv", "json"))
    odd.to_html(page)
    odd.to_csv(table)
    odd.to_json(document)

    assert f'href="{url}"' not in page.read_text("utf-8")
    assert problem in page.read_text("utf-8")
    assert problem in table.read_text("utf-8-sig")
    assert url not in document.read_text("utf-8")


async def test_a_report_links_to_the_pages_of_a_local_server(eversince, tmp_path):
    report = await eversince.batch(["A film"])
    report.to_html(tmp_path / "report.html")

    assert f'href="{report.outcomes[0].share_url}"' in (tmp_path / "report.html").read_text("utf-8")


# -- What is recorded -------------------------------------------------------------------------------------


async def test_an_outcome_tells_what_it_went_through(eversince):
    report = await eversince.batch(["A film"])

    [outcome] = report.outcomes
    agent = ["queued", "running", "generating", "running", "rendering"]
    assert agent == [name for name in names(outcome) if name not in {"creating", "sharing", "waiting"}]
    assert set(names(outcome)) <= set(NAMES)
    for before, after in pairwise(outcome.stages):
        assert before.ended_at <= after.began_at
    assert 30 == pytest.approx(next(s.seconds for s in outcome.stages if s.name == "rendering"), abs=10)


async def test_no_two_items_are_on_a_slot_at_once(eversince):
    report = await eversince.batch([*ITEMS, "bad", "bad", *(f"More {n}" for n in range(8))])

    taken = on_slots(report)
    assert {1, 2, 3, 4, 5} == set(taken)
    for times in taken.values():
        assert all(before[1] <= after[0] for before, after in pairwise(times))


async def test_whoever_comes_too_late_for_a_slot_waits(eversince):
    report = await eversince.batch(ITEMS)

    waited = {o.key: sum(s.seconds for s in o.stages if s.name == "waiting") for o in report.outcomes}
    assert {"film-5", "film-6", "film-7"} == {key for key, seconds in waited.items() if seconds > 60}


async def test_another_day_is_waited_for_without_a_slot(emulator):
    async with Eversince(**emulator.connection, limits=Limits(renders_per_day=1)) as eversince:
        report = await eversince.batch(["One", "Two"])

    [long] = [s for o in report.outcomes for s in o.stages if s.seconds > 12 * 3600]
    assert ("waiting", None) == (long.name, long.slot)


async def test_whoever_is_turned_away_waits_and_holds_no_slot(emulator, eversince):
    """Others hold all slots, so the server refuses to create the project.

    The item counts as waiting, not as creating.
    """
    theirs = emulator.studio.occupy(5)

    async with eversince.batch(["A film"]) as batch:
        await asyncio.sleep(600)
        for project in theirs:
            emulator.studio.release(project)
        [outcome] = [outcome async for outcome in batch]

    seconds = {name: sum(s.seconds for s in outcome.stages if s.name == name) for name in names(outcome)}
    assert 500 < seconds["waiting"]
    assert 60 > seconds.get("creating", 0)
    assert {None} == {s.slot for s in outcome.stages if s.name == "waiting"}


async def test_a_failed_item_tells_how_far_it_came(eversince):
    report = await eversince.batch(["bad"])

    assert "running" in names(report.outcomes[0])
    assert "rendering" not in names(report.outcomes[0])


async def test_requests_are_counted_as_the_server_counts_them(emulator, eversince):
    report = await eversince.batch(ITEMS)

    # The balance is requested when all items have ended.
    assert len(emulator.world.log) == sum(minute.requests for minute in report.requests)
    assert 3 * len(ITEMS) == sum(minute.work for minute in report.requests)
    assert 1 <= sum(minute.other for minute in report.requests) <= 2
    assert 30 == report.requests_per_minute
    assert max(minute.requests for minute in report.requests) <= 30


async def test_refusals_are_counted():
    async with (
        Emulator(scenario=FAST, faults=Faults(seed=1, rate_limited=0.1)) as emulator,
        Eversince(**emulator.connection) as eversince,
    ):
        report = await eversince.batch(ITEMS)
        refused = len(emulator.world.log.refusals("rate_limited"))

    assert refused > 0
    assert refused == sum(minute.refused for minute in report.requests)


async def test_requests_of_others_are_not_counted_when_the_batch_is_over(emulator, eversince):
    report = await eversince.batch(["A film"])
    await eversince.projects.list()

    assert len(emulator.world.log) - 1 == sum(minute.requests for minute in report.requests)
    assert [] == eversince._runtime.session.observers.subscribers


async def test_credits_spent_are_what_the_balance_fell_by(emulator, eversince):
    before = emulator.world.account.credits

    report = await eversince.batch(ITEMS)

    assert before - emulator.world.account.credits == pytest.approx(report.credits_spent, rel=0.2)


# -- Over several runs ------------------------------------------------------------------------------------


async def interrupted(emulator: Emulator, journal: Path, seconds: float) -> None:
    """Run the batch, and leave it in the middle."""
    async with (
        Eversince(**emulator.connection) as eversince,
        eversince.batch(ITEMS, journal=journal),
    ):
        await asyncio.sleep(seconds)


async def killed(emulator: Emulator, journal: Path, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the batch, and end it without any further write."""

    async def die(_: ItemRunner, open_journal: SqliteJournal, __: object, job: object) -> None:
        await open_journal.release(job.id)

    with monkeypatch.context() as patch:
        patch.setattr(ItemRunner, "_release_cancelled", die)
        await interrupted(emulator, journal, seconds)


async def test_three_runs_and_a_kill_are_all_told(emulator, tmp_path, monkeypatch):
    """The report shows one rendering per item.

    No stage is repeated, and no two overlap.
    """
    journal = tmp_path / "campaign.db"
    await interrupted(emulator, journal, 60)
    await killed(emulator, journal, 60, monkeypatch)
    async with Eversince(**emulator.connection) as eversince:
        report = await eversince.batch(ITEMS, journal=journal)

    for outcome in report.outcomes:
        told = names(outcome)
        assert "rendering" in told
        assert told.count("queued") <= 1
        for before, after in pairwise(outcome.stages):
            assert before.ended_at <= after.began_at
    first_run = min(stage.began_at for outcome in report.outcomes for stage in outcome.stages)
    assert first_run < min(outcome.began_at for outcome in report.outcomes)
    assert len(emulator.world.log) == sum(minute.requests for minute in report.requests) + unheard(
        emulator, report
    )


def unheard(emulator: Emulator, report: Report) -> int:
    """Return the number of requests whose count died with a process.

    It is at most the number of requests since an item last ended.
    """
    lost = len(emulator.world.log) - sum(minute.requests for minute in report.requests)
    assert 0 <= lost < 60
    return lost


async def test_the_journal_alone_tells_the_same(emulator, tmp_path):
    journal = tmp_path / "campaign.db"
    await interrupted(emulator, journal, 100)
    async with Eversince(**emulator.connection) as eversince:
        report = await eversince.batch([*ITEMS, "bad"], journal=journal, download=tmp_path / "films")

    remembered = await Report.from_journal(journal)

    def essence(outcome: Outcome) -> tuple[object, ...]:
        error = None if outcome.error is None else str(outcome.error).partition(": ")[2]
        return outcome.status, outcome.project_id, outcome.share_url, outcome.files, bool(error)

    assert report.counts == remembered.counts
    assert {o.key: essence(o) for o in report.outcomes} == {o.key: essence(o) for o in remembered.outcomes}
    assert {o.key: names(o) for o in report.outcomes} == {o.key: names(o) for o in remembered.outcomes}
    assert 30 == remembered.requests_per_minute
    # Requests after the end of the last item belong to no item.
    assert 0 <= sum(m.requests for m in report.requests) - sum(m.requests for m in remembered.requests) <= 2


async def test_a_report_can_be_made_while_a_batch_is_at_work(emulator, eversince, tmp_path):
    journal = tmp_path / "campaign.db"
    async with eversince.batch(ITEMS, journal=journal) as batch:
        await asyncio.sleep(30)
        meanwhile = await Report.from_journal(journal)
        outcomes = [outcome async for outcome in batch]

    assert {"paused": 8} == meanwhile.counts
    assert len(meanwhile.at_work) == 8
    assert all(outcome.stages for outcome in meanwhile.outcomes if outcome.project_id)
    assert {"succeeded"} == {outcome.status for outcome in outcomes}
    meanwhile.to_html(tmp_path / "report.html")
    assert "8 at work right now" in (tmp_path / "report.html").read_text("utf-8")


async def test_a_journal_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(JournalError, match="there is no such journal"):
        await Report.from_journal(tmp_path / "nothing.db")

    assert [] == list(tmp_path.iterdir())


async def test_an_open_journal_stays_open(eversince):
    async with MemoryJournal() as journal:
        await eversince.batch(["A film"], journal=journal)

        report = await Report.from_journal(journal)

        assert {"succeeded": 1} == report.counts
        assert 1 == sum((await journal.counts()).values())


async def test_jobs_of_other_kinds_are_told_as_far_as_they_can_be():
    """A journal may hold jobs of other origin.

    Their results may have any form.
    """
    async with MemoryJournal() as journal:
        await journal.put("odd", ["what", "ever"], stage="approval")
        await journal.put("even", {"brief": 7}, stage="working")

        report = await Report.from_journal(journal)

    assert {"paused": 2} == report.counts


async def campaign(run: Run, brief: str) -> str | None:
    """Produce a film, and return its page if a person approves."""
    film = await run.produce(brief, share=True)
    return film.share_url if await run.approval("ship it?") else None


async def test_what_pipelines_did_is_told_as_well(emulator, tmp_path, monkeypatch):
    """The report includes runs that died or waited for a person."""
    journal, items = tmp_path / "campaign.db", [{"key": "mug", "brief": "A mug"}]
    with monkeypatch.context() as patch:
        patch.setattr(
            ItemRunner, "_release_cancelled", lambda self, journal, work, job: journal.release(job.id)
        )
        async with (
            Eversince(**emulator.connection) as eversince,
            eversince.batch(items, pipeline=pipeline(campaign), journal=journal),
        ):
            await asyncio.sleep(60)
    async with Eversince(**emulator.connection) as eversince:
        await eversince.batch(items, pipeline=pipeline(campaign), journal=journal)
        await asyncio.sleep(3600)
        waiting = await Report.from_journal(journal)
        await eversince.approve("mug", journal=journal)
        report = await eversince.batch(items, pipeline=pipeline(campaign), journal=journal)

    assert "approval" == names(waiting.outcomes[0])[-1]
    assert 3500 < waiting.outcomes[0].stages[-1].seconds
    [outcome] = report.outcomes
    assert ("succeeded", None) == (outcome.status, outcome.error)
    assert {"creating", "unrecorded", "rendering"} <= set(names(outcome))
    report.to_html(tmp_path / "report.html")
    found = Parsed((tmp_path / "report.html").read_text("utf-8"))
    assert "1 of 1 video is made" in found.text


# -- Writing them -----------------------------------------------------------------------------------------


async def test_all_three_reports_tell_of_a_batch(emulator, eversince, tmp_path):
    report = await eversince.batch(
        [*ITEMS, "bad", {"titel": "?"}], journal=tmp_path / "a.db", download=tmp_path / "films"
    )
    report.to_html(tmp_path / "report.html", title="Autumn")
    report.to_csv(tmp_path / "report.csv")
    report.to_json(tmp_path / "report.json")

    found = Parsed((tmp_path / "report.html").read_text("utf-8"))
    assert "8 of 10 videos are made" in found.text
    assert 8 == found.tags.count("video")
    assert all((tmp_path / source).is_file() for source in found.values("src"))
    assert {f"Slot {n}" for n in range(1, 6)} <= set(found.texts)
    assert 11 == len((tmp_path / "report.csv").read_text("utf-8").splitlines())
    told = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert {"succeeded": 8, "failed": 2} == told["counts"]
    assert "Autumn" in found.text

    for path in tmp_path.glob("report.*"):
        text = path.read_text("utf-8")
        assert emulator.connection["api_key"] not in text
        assert "X-Amz" not in text
        assert "Signature" not in text


async def test_outcomes_that_were_iterated_over_have_to_be_handed_in(eversince, tmp_path):
    async with eversince.batch(["A film"]) as batch:
        outcomes = [outcome async for outcome in batch]

    for write in (batch.report.to_html, batch.report.to_csv, batch.report.to_json):
        with pytest.raises(ConfigurationError, match="from_journal"):
            write(tmp_path / "report")
    attrs.evolve(batch.report, outcomes=outcomes).to_csv(tmp_path / "report.csv")
    assert "A film" in (tmp_path / "report.csv").read_text("utf-8")


async def test_what_was_not_begun_is_told_of(eversince, tmp_path):
    async with eversince.batch([f"Film {n}" for n in range(50)], journal=tmp_path / "a.db") as batch:
        await asyncio.sleep(30)
        batch.drain()
        outcomes = [outcome async for outcome in batch]
    report = attrs.evolve(batch.report, outcomes=outcomes)
    report.to_html(tmp_path / "report.html")

    assert 50 == report.left + len(outcomes)
    assert f"{report.left} not begun." in (tmp_path / "report.html").read_text("utf-8")


async def test_a_report_of_nothing_can_be_written(eversince, tmp_path):
    report = await eversince.batch([])

    report.to_html(tmp_path / "report.html")

    assert "There is nothing to tell yet." in (tmp_path / "report.html").read_text("utf-8")


# -- The parts --------------------------------------------------------------------------------------------


def test_the_lowest_free_number_is_taken():
    numbers = SlotNumbering()
    assert [1, 2, 3] == [numbers.take() for _ in range(3)]

    numbers.free(2)
    assert [2, 4] == [numbers.take(), numbers.take()]


def test_a_number_is_kept_where_it_is_free():
    numbers = SlotNumbering()
    numbers.take()
    assert 7 == numbers.take(7)
    assert 2 == numbers.take(7)


def effect(kind: EffectKind, begin: float, end: float | None, name: str | None = None) -> Effect:
    return Effect(
        job_id="mug",
        seq=1,
        name=name or kind,
        kind=kind,
        state="intent" if end is None else "done",
        incarnation="x",
        intent_at=at(begin),
        done_at=None if end is None else at(end),
    )


def test_effects_tell_of_a_run_that_left_no_record():
    effects = [effect("create", 0, 1), effect("render", 9, 10), effect("share", 12, 13)]

    assert [
        stage("creating", 0, 1),
        stage("unrecorded", 1, 9),
        stage("rendering", 9, 12),
        stage("sharing", 12, 13),
    ] == stages_from_effects(effects, at(60))


def test_what_came_of_the_last_effect_of_a_dead_process_is_not_known():
    assert [stage("creating", 0, 0), stage("unrecorded", 0, 60)] == stages_from_effects(
        [effect("create", 0, None)], at(60)
    )
    assert [stage("rendering", 0, 1), stage("unrecorded", 1, 60)] == stages_from_effects(
        [effect("render", 0, 1)], at(60)
    )


def test_what_is_on_record_is_not_told_again_by_effects():
    job = Job(
        id="mug",
        spec={},
        spec_sha="",
        stage="working",
        result={"stages": stages_to_json([stage("running", 1, 5, 1)])},
        created_at=at(0),
        updated_at=at(5),
    )

    stages = previous_stages(job, [effect("create", 0, 1), effect("share", 12, 13)], at(60))

    assert (stage("running", 1, 5, 1), stage("sharing", 12, 13)) == stages


def test_branches_of_a_pipeline_are_told_side_by_side():
    """Each production has a line of its own.

    A step appears by its parts, and an approval as waiting.
    """
    effects = [
        effect("step", 0, 20, "produce"),
        effect("create", 0, 1, "produce:create"),
        effect("render", 5, 6, "produce:render"),
        effect("share", 8, 9, "produce:share"),
        effect("step", 0, 20, "tall/produce"),
        effect("create", 2, 3, "tall/produce:create"),
        effect("share", 7, 9, "tall/produce:share"),
        effect("approval", 20, None, "ship it?"),
    ]

    assert [
        stage("creating", 0, 1),
        stage("unrecorded", 1, 5),
        stage("creating", 2, 3),
        stage("unrecorded", 3, 7),
        stage("rendering", 5, 8),
        stage("sharing", 7, 9),
        stage("sharing", 8, 9),
        stage("approval", 20, 60),
    ] == stages_from_effects(effects, at(60))


def test_what_items_took_with_them_adds_up():
    tallied = UsageTotals()
    for kept in (
        {"requests": [[100, 1, 2, 3, 0]]},
        {"requests": [[100, 1, 0, 0, 1]]},
    ):
        tallied.merge(kept)
    tallied.merge({"requests_per_minute": 30})

    [minute] = tallied.minutes
    assert (2, 2, 3, 1) == (minute.work, minute.looks, minute.other, minute.refused)
    assert 30 == tallied.limit


@pytest.mark.parametrize(
    "kept", [None, 3, "x", [], {"requests": 3}, {"requests": [[1], ["x"] * 5, [0, -1, 0, 0, 0]]}]
)
def test_what_cannot_be_read_adds_nothing(kept):
    tallied = UsageTotals()
    tallied.merge(kept)

    assert () == tallied.minutes
    assert tallied.credits_spent is None


def test_what_an_item_took_in_an_earlier_run_stays():
    assert {"requests": [[1, 1, 0, 0, 0], [2, 1, 0, 0, 0]]} == merge_usage(
        {"requests": [[1, 1, 0, 0, 0]], "share_url": "x"}, {"requests": [[2, 1, 0, 0, 0]]}
    )
