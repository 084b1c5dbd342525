"""Success means that everything asked for was delivered.

The last response may show less.
"""

from __future__ import annotations

from typing import Any

import pytest

from eversince_async import ConfigurationError, Eversince, JournalError
from eversince_async.batch.report import Report
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import ErrorAnswer
from eversince_async.journal import JobChange, SqliteJournal
from helpers.lagging_reads import edited, losing_videos

QUICK = Scenario(
    queued=1, running=(2, 4), images=2, videos=(4, 12), rendering=(4, 12), cycles=1, scenes=(1, 1)
)
ITEMS = [{"key": name, "brief": f"Film {name}"} for name in "abc"]


@pytest.fixture
async def emulator():
    async with Emulator(scenario=QUICK) as emulator:
        yield emulator


def made(emulator: Emulator) -> tuple[int, int, int]:
    counts = emulator.world.counts
    return counts["projects"], counts["renders"], counts["shares"]


@pytest.mark.parametrize("times", [1, 2, 100])
@pytest.mark.parametrize("status", ["rendering", "idle", "generating", "queued"])
async def test_a_read_that_lags_behind_the_list_loses_neither_share_nor_file(
    emulator, eversince, tmp_path, status, times
):
    edited(eversince, losing_videos(status, times=times))

    for _ in range(2):
        report = await eversince.batch(ITEMS, journal=tmp_path / "j.db", download=tmp_path)

        assert {"succeeded": 3} == report.counts
        assert all(outcome.share_url and len(outcome.files) == 1 for outcome in report.outcomes)
    assert (3, 3, 3) == made(emulator)


async def forgetting(path: Any, **result: Any) -> None:
    """Make a journal look as an earlier version would have written it.

    `result` replaces fields of all results.
    """
    async with SqliteJournal(path) as journal:
        async for job in journal.jobs():
            kept = {name: value for name, value in job.result.items() if name != "has_video"}
            await journal.acquire(job.id)
            await journal.change(job.id, JobChange(result={**kept, **result}, release=True))


async def test_a_row_without_its_share_is_finished_by_the_next_run(emulator, eversince, tmp_path):
    await eversince.batch(ITEMS, journal=tmp_path / "j.db", share=True)
    await forgetting(tmp_path / "j.db", share_url=None)

    report = await eversince.batch(ITEMS, journal=tmp_path / "j.db", share=True)

    assert {"succeeded": 3} == report.counts
    assert all(outcome.share_url for outcome in report.outcomes)
    assert (3, 3, 3) == made(emulator)


async def test_a_file_that_was_never_written_is_fetched_by_the_next_run(emulator, eversince, tmp_path):
    await eversince.batch(ITEMS, journal=tmp_path / "j.db")

    report = await eversince.batch(ITEMS, journal=tmp_path / "j.db", download=tmp_path / "films")

    assert {"succeeded": 3} == report.counts
    assert all(path.stat().st_size for outcome in report.outcomes for path in outcome.files)
    assert 3 == len(list((tmp_path / "films").iterdir()))
    assert (3, 3, 3) == made(emulator)


async def test_what_has_no_video_is_looked_at_only_once_for_it(emulator, eversince, tmp_path):
    """Single assets cannot be shared or downloaded.

    An old journal does not record that a project has only such assets.
    """
    items = [{"key": "a", "brief": "Some photos", "expected_output": "assets"}]
    await eversince.batch(items, journal=tmp_path / "j.db", download=tmp_path)
    await forgetting(tmp_path / "j.db")

    await eversince.batch(items, journal=tmp_path / "j.db", download=tmp_path)
    asked = len(emulator.world.log)
    report = await eversince.batch(items, journal=tmp_path / "j.db", download=tmp_path)

    assert {"succeeded": 1} == report.counts
    assert asked == len(emulator.world.log)


async def removed(eversince: Eversince, folder: Any) -> Any:
    """Run a batch, remove one of its files, and return its path."""
    report = await eversince.batch(ITEMS, journal=folder / "j.db", download=folder / "films")
    (path,) = next(outcome.files for outcome in report.outcomes if outcome.key == "b")
    path.unlink()
    return path


async def test_a_file_that_was_removed_is_told_by_the_run(emulator, eversince, tmp_path):
    path = await removed(eversince, tmp_path)
    asked = len(emulator.world.log)

    report = await eversince.batch(ITEMS, journal=tmp_path / "j.db", download=tmp_path / "films")

    assert {"a": (), "b": (path,), "c": ()} == {each.key: each.missing for each in report.outcomes}
    assert not path.exists()
    assert asked == len(emulator.world.log)


async def test_a_file_that_was_removed_is_told_by_all_reports(eversince, tmp_path):
    path = await removed(eversince, tmp_path)

    report = await Report.from_journal(tmp_path / "j.db")

    assert (path,) == next(each.missing for each in report.outcomes if each.key == "b")
    for write, name in ((report.to_html, "r.html"), (report.to_csv, "r.csv"), (report.to_json, "r.json")):
        write(tmp_path / name)
        assert "not there any more" in (tmp_path / name).read_text("utf-8")


async def test_a_file_that_cannot_be_looked_for_is_told_as_gone(eversince, tmp_path):
    options = {"journal": tmp_path / "j.db", "download": tmp_path / "films"}
    await eversince.batch(ITEMS[:1], **options)
    odd = str(tmp_path / ("x" * 300))
    await forgetting(tmp_path / "j.db", files=[odd], has_video=True)

    report = await eversince.batch(ITEMS[:1], **options)

    assert [odd] == [str(path) for path in report.outcomes[0].missing]


@pytest.mark.parametrize("name", ["a\0b", "\udfff\ud800", ""], ids=ascii)
async def test_a_file_whose_name_none_can_have_is_an_unreadable_row(eversince, tmp_path, name):
    await eversince.batch(ITEMS[:1], journal=tmp_path / "j.db", download=tmp_path / "films")
    await forgetting(tmp_path / "j.db", files=[name])

    with pytest.raises(JournalError, match="cannot be the name of a file"):
        await Report.from_journal(tmp_path / "j.db")


async def test_refetch_fetches_it_and_nothing_else(emulator, eversince, tmp_path):
    path = await removed(eversince, tmp_path)
    before = made(emulator)

    report = await eversince.batch(
        ITEMS, journal=tmp_path / "j.db", download=tmp_path / "films", refetch=True
    )

    assert {"succeeded": 3} == report.counts
    assert path.stat().st_size
    assert before == made(emulator)
    assert all(outcome.share_url and not outcome.missing for outcome in report.outcomes)
    again = await eversince.batch(ITEMS, journal=tmp_path / "j.db", refetch=True)
    assert all(outcome.is_recorded and outcome.share_url for outcome in again.outcomes)


async def test_a_file_that_was_emptied_is_as_good_as_removed(emulator, eversince, tmp_path):
    """A full disk or a power cut may leave such a file."""
    path = await removed(eversince, tmp_path)
    path.touch()
    before = made(emulator)

    told = await eversince.batch(ITEMS, journal=tmp_path / "j.db", download=tmp_path / "films")
    await eversince.batch(ITEMS, journal=tmp_path / "j.db", download=tmp_path / "films", refetch=True)

    assert {(path,)} == {outcome.missing for outcome in told.outcomes if outcome.missing}
    assert path.stat().st_size
    assert before == made(emulator)


async def test_a_refetch_that_fails_leaves_the_item_finished(emulator, eversince, tmp_path):
    path = await removed(eversince, tmp_path)
    emulator.faults.once("GET", "/projects/*", ErrorAnswer(status=410, code="gone"))

    failed = await eversince.batch(ITEMS, journal=tmp_path / "j.db", refetch=True)
    again = await eversince.batch(ITEMS, journal=tmp_path / "j.db")

    assert ["b"] == [outcome.key for outcome in failed.outcomes if outcome.error]
    assert not path.exists()
    assert {"succeeded": 3} == again.counts
    assert all(outcome.share_url for outcome in again.outcomes)


async def test_refetch_is_not_for_pipelines(eversince):
    from eversince_async.pipelines import Run, pipeline

    @pipeline
    async def nothing(run: Run) -> None:
        pass

    with pytest.raises(ConfigurationError):
        eversince.batch([()], pipeline=nothing, refetch=True)
