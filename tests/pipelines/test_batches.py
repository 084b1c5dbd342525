"""Batches of pipelines: each item is a run under its own key.

A run that waits for a person gives its place up.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eversince_async import (
    ApprovalPending,
    ConfigurationError,
    Production,
    ProjectFailed,
    Report,
    Run,
    SpecChanged,
    pipeline,
)
from helpers.pipeline_runs import Campaign, campaign, counts, one_film, question

CALLS: list[str] = []


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


@pipeline
async def swallows(run: Run) -> str:
    """Catch every error; waiting for an approval is no error."""
    try:
        return str(await run.approval("ship it?"))
    except Exception:  # noqa: BLE001 - the point
        return "swallowed"


@pipeline
async def counting(run: Run, text: str, *, fail: bool = False) -> int:
    return await run.step("count", counted, text, fail)


async def counted(text: str, fail: bool) -> int:  # noqa: FBT001 - it is called by place
    CALLS.append(text)
    if fail and CALLS.count(text) == 1:
        raise KeyError(text)
    return len(text)


@pipeline
async def filming_first(run: Run, brief: str) -> str:
    film = await run.produce(brief)
    await run.approval(f"ship {brief}?", show=film)
    return str(film.share_url)


async def ended(batch: Any) -> dict[str, Any]:
    """Return the outcome of each item, by its key."""
    return {outcome.key: outcome for outcome in (await batch).outcomes}


async def test_each_item_is_a_run_with_a_result_of_its_own(emulator, eversince, journal):
    outcomes = await ended(eversince.batch(["One", "Two"], pipeline=one_film, journal=journal))

    assert ["succeeded", "succeeded"] == [outcome.status for outcome in outcomes.values()]
    assert all(isinstance(outcome.result, Production) for outcome in outcomes.values())
    assert {outcome.result.share_url for outcome in outcomes.values()} == {
        outcome.share_url for outcome in outcomes.values()
    }
    assert {"projects": 2, "renders": 2, "shares": 2} == counts(emulator)


async def test_an_item_is_a_tuple_a_mapping_or_a_single_argument(eversince, journal):
    items = ["a", ("bb",), {"key": "three", "text": "ccc"}]

    outcomes = await ended(eversince.batch(items, pipeline=counting, journal=journal))

    assert {"1": 1, "2": 2, "three": 3} == {key: outcome.result for key, outcome in outcomes.items()}


async def test_the_same_batch_again_gives_the_same_without_doing_it(emulator, eversince, journal):
    await eversince.batch(["One"], pipeline=one_film, journal=journal)
    emulator.world.log.clear()

    outcomes = await ended(eversince.batch(["One"], pipeline=one_film, journal=journal))

    assert (True, "succeeded") == (outcomes["1"].is_recorded, outcomes["1"].status)
    assert outcomes["1"].share_url == outcomes["1"].result.share_url
    assert 0 == len([entry for entry in emulator.world.log if entry.method == "POST"])


async def test_it_works_without_a_journal(eversince):
    outcomes = await ended(eversince.batch(["a", "bb"], pipeline=counting))

    assert [1, 2] == [outcome.result for outcome in outcomes.values()]


async def test_one_that_waits_for_a_person_gives_its_place_up(emulator, eversince, journal):
    """There is one place, yet all three items ask their question."""
    briefs = ["One", "Two", "Three"]

    outcomes = await ended(eversince.batch(briefs, pipeline=filming_first, journal=journal, concurrency=1))

    assert ["paused"] * 3 == [outcome.status for outcome in outcomes.values()]
    assert all(isinstance(outcome.error, ApprovalPending) for outcome in outcomes.values())
    assert "pipeline '2', step 'approval': waits for an answer: ship Two?" == str(outcomes["2"].error)
    assert 3 == len(await eversince.approvals(journal=journal))


async def test_the_same_batch_goes_on_with_what_was_answered(emulator, eversince, journal):
    batch = {"pipeline": filming_first, "journal": journal}
    await eversince.batch(["One", "Two"], **batch)
    await eversince.approve("2", journal=journal)

    outcomes = await ended(eversince.batch(["One", "Two"], **batch))

    assert ("paused", "succeeded") == (outcomes["1"].status, outcomes["2"].status)
    assert {"projects": 2, "renders": 2, "shares": 2} == counts(emulator)


async def test_waiting_is_no_error_that_a_function_could_take_for_one(eversince, journal):
    outcomes = await ended(eversince.batch([()], pipeline=swallows, journal=journal))

    assert isinstance(outcomes["1"].error, ApprovalPending)


async def test_a_batch_and_a_run_stand_under_the_same_keys(emulator, eversince, journal, photo):
    item = {"key": "mug", "brief": "A film", "photo": photo}
    await eversince.batch([item], pipeline=campaign, journal=journal)
    await eversince.approve("mug", journal=journal)

    made = await eversince.run(campaign, "A film", photo, key="mug", journal=journal)
    outcomes = await ended(eversince.batch([item], pipeline=campaign, journal=journal))

    assert isinstance(outcomes["mug"].result, Campaign)
    assert made.vertical.share_url == outcomes["mug"].result.vertical.share_url
    assert {"projects": 1, "renders": 2, "shares": 2} == counts(emulator)


async def test_one_items_failure_touches_no_other(eversince, journal):
    items = [{"text": "a", "fail": True}, {"text": "bb"}]

    outcomes = await ended(eversince.batch(items, pipeline=counting, journal=journal))

    assert ["failed", "succeeded"] == [outcomes[key].status for key in ("1", "2")]
    assert isinstance(outcomes["1"].error, KeyError)


async def test_failed_items_are_tried_again_when_that_is_wished(eversince, journal):
    items = [{"text": "a", "fail": True}, {"text": "bb"}]
    await eversince.batch(items, pipeline=counting, journal=journal)

    outcomes = await ended(eversince.batch(items, pipeline=counting, journal=journal, retry_failed=True))

    assert ["succeeded", "succeeded"] == [outcomes[key].status for key in ("1", "2")]
    assert ["a", "bb", "a"] == CALLS


async def test_arguments_that_it_does_not_take_are_that_items_failure(eversince, journal):
    outcomes = await ended(eversince.batch([{"text": "a"}, {"txt": "b"}], pipeline=counting, journal=journal))

    assert ("succeeded", "failed") == (outcomes["1"].status, outcomes["2"].status)
    assert "item: missing a required argument: 'text'" == str(outcomes["2"].error)


async def test_other_arguments_under_an_old_key_are_that_items_failure(eversince, journal):
    await eversince.batch(["a"], pipeline=counting, journal=journal)

    outcomes = await ended(eversince.batch(["b"], pipeline=counting, journal=journal))

    assert isinstance(outcomes["1"].error, SpecChanged)


async def test_a_drained_batch_of_pipelines_is_gone_on_with(emulator, eversince, journal):
    async with eversince.batch(["One", "Two"], pipeline=one_film, journal=journal) as batch:
        await asyncio.sleep(5)
        batch.drain()
        outcomes = [outcome async for outcome in batch]
    assert ["succeeded", "succeeded"] == [outcome.status for outcome in outcomes]


async def test_a_batch_that_is_left_early_is_gone_on_with(emulator, eversince, journal):
    async with eversince.batch(["One", "Two"], pipeline=one_film, journal=journal):
        await asyncio.sleep(5)

    outcomes = await ended(eversince.batch(["One", "Two"], pipeline=one_film, journal=journal))

    assert ["succeeded", "succeeded"] == [outcome.status for outcome in outcomes.values()]
    assert {"projects": 2, "renders": 2, "shares": 2} == counts(emulator)


async def test_its_productions_are_the_functions_business(eversince):
    with pytest.raises(ConfigurationError, match="what its productions are to be stands in its function"):
        eversince.batch(["a"], pipeline=counting, aspect_ratio="9:16")
    with pytest.raises(ConfigurationError, match="is no pipeline"):
        eversince.batch(["a"], pipeline=counting.function)


async def test_what_it_returns_must_be_storable(eversince):
    @pipeline
    async def socketed(run: Run) -> asyncio.Lock:
        raise ProjectFailed("never", project_id=None)

    with pytest.raises(ConfigurationError, match="the result type of 'socketed': Lock cannot be stored"):
        eversince.batch([()], pipeline=socketed)


async def test_a_question_nobody_is_asked_yet_is_asked_in_a_batch_too(eversince, journal):
    await eversince.batch([("left?",)], pipeline=question, journal=journal)
    (waiting,) = await eversince.approvals(journal=journal)

    assert ("1", "left?") == (waiting.key, waiting.question)


async def test_what_it_went_through_is_in_the_report(eversince, journal, tmp_path):
    report = await eversince.batch(["One"], pipeline=one_film, journal=journal)
    report.to_html(tmp_path / "report.html")
    (outcome,) = report.outcomes

    assert {"running", "rendering"} <= {stage.name for stage in outcome.stages}
    assert outcome.share_url in (tmp_path / "report.html").read_text("utf-8")


async def test_a_report_from_the_journal_tells_pipelines_by_name_and_brief(eversince, journal, tmp_path):
    await eversince.batch(["A film about a mug"], pipeline=one_film, journal=journal)
    (await Report.from_journal(journal)).to_csv(tmp_path / "report.csv")
    text = (tmp_path / "report.csv").read_text("utf-8-sig")

    assert "one_film" in text
    assert "A film about a mug" in text
