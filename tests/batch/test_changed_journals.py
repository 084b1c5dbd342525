"""Journals changed by hand: nonsense is reported with its place."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eversince_async import Eversince, EversinceError, JournalError, Run, pipeline
from eversince_async.batch.report import Report
from eversince_async.cli._resume_items import ResumableItems
from eversince_async.emulator import Emulator, Scenario
from eversince_async.journal import SqliteJournal
from eversince_async.journal.fields import Field
from eversince_async.polling.observation import Baseline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from eversince_async import Outcome, Workflow

QUICK = Scenario(queued=2, running=5, images=5, videos=5, rendering=10, cycles=1, scenes=(1, 1))


@pipeline
async def campaign(run: Run, brief: str) -> str:
    """A pipeline that does most of what pipelines can do."""
    film = await run.produce(brief, share=True)
    await run.sleep(5)
    if not await run.approval("ship it?", show=film):
        return "no"
    wide = await run.variation(film, "Create a 16:9 version")
    return str(wide.share_url)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(scenario=QUICK) as emulator:
        yield emulator


@pytest.fixture
async def finished(eversince: Eversince, tmp_path: Path) -> Path:
    """The journal of a finished batch."""
    path = tmp_path / "finished.db"
    await eversince.batch(["A mug"], journal=path, download=tmp_path / "films")
    return path


@pytest.fixture
async def run(eversince: Eversince, tmp_path: Path) -> Path:
    """The journal of a finished pipeline."""
    path = tmp_path / "run.db"
    running = asyncio.create_task(_awaited(eversince.run(campaign, "A mug", key="mug", journal=path)))
    while not running.done() and not await eversince.approvals(journal=path):
        await asyncio.sleep(1)
    await eversince.approve("mug", journal=path)
    await running
    return path


async def _awaited(workflow: Workflow[str]) -> str:
    return await workflow


def changed(path: Path, *statements: tuple[Any, ...]) -> Path:
    """Return a copy of a journal with changes."""
    copy = path.with_name(f"{path.stem}-changed.db")
    for ending in ("-wal", "-shm"):
        copy.with_name(copy.name + ending).unlink(missing_ok=True)
    shutil.copy(path, copy)
    with closing(sqlite3.connect(copy)) as database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        for statement, *values in statements:
            database.execute(statement, values)
        database.commit()
    return copy


UNFINISHED = ("UPDATE job SET stage = 'working', result = NULL, project_id = NULL",)
FAILED = ("UPDATE job SET stage = 'failed', result = NULL",)


async def resumed(eversince: Eversince, journal: Path, **options: Any) -> Outcome:
    """Run the batch again, and return the outcome of its only item."""
    download = journal.parent / "films"
    report = await eversince.batch(["A mug"], journal=journal, download=download, **options)
    (outcome,) = report.outcomes
    return outcome


# -- Batches ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "column", "value", "problem"),
    [
        ("create", "result", [], r"effect 'create' of job '1': result is no JSON object \(a list\)"),
        ("create", "result", {"id": 5, "status": None}, r"'create' of job '1': result\.id is no text"),
        ("create", "result", {"id": ""}, r"'create' of job '1': result\.id is a text of 0 characters"),
        ("create", "result", {"id": "proj"}, r"'create' of job '1': result\.status is missing"),
        ("share", "result", {"share_url": 7, "video_url": None}, r"'share' of job '1': result\.share_url"),
        ("share", "result", "https://", r"'share' of job '1': result is no JSON object"),
        ("download", "result", {"path": [], "size": 1}, r"'download' of job '1': result\.path is no text"),
        (
            "download",
            "result",
            {"path": "x.mp4", "size": 10**30},
            r"'download' of job '1': result\.size is out of all bounds",
        ),
    ],
)
async def test_a_changed_effect_is_a_journal_error_with_table_row_and_field(
    eversince: Eversince, finished: Path, kind: str, column: str, value: Any, problem: str
) -> None:
    if column == "result" and isinstance(value, dict) and value.get("path") == "x.mp4":
        value = {**value, "path": str(next((finished.parent / "films").iterdir()))}
    change = (f"UPDATE effect SET {column} = ? WHERE kind = ?", json.dumps(value), kind)

    outcome = await resumed(eversince, changed(finished, UNFINISHED, change))

    with pytest.raises(JournalError, match=problem):
        raise outcome.error or AssertionError


@pytest.mark.parametrize(
    ("stage", "column", "value", "problem"),
    [
        ("succeeded", "result", 5, r"job '1': result is no JSON object"),
        ("succeeded", "result", {"files": [1]}, r"job '1': result\.files is no list of texts"),
        ("succeeded", "result", {"files": "a.mp4"}, r"job '1': result\.files is no list of texts"),
        ("succeeded", "result", {"share_url": {}, "files": ["a"]}, r"job '1': result\.share_url is no text"),
        ("failed", "error", [], r"job '1': error is no JSON object"),
        ("failed", "error", {"type": 1, "message": ""}, r"job '1': error\.type is no text"),
        ("failed", "error", {"type": "NotFound"}, r"job '1': error\.message is missing"),
    ],
)
async def test_so_is_a_changed_job(
    eversince: Eversince, finished: Path, stage: str, column: str, value: Any, problem: str
) -> None:
    change = (f"UPDATE job SET stage = ?, {column} = ?", stage, json.dumps(value))

    outcome = await resumed(eversince, changed(finished, change))

    with pytest.raises(JournalError, match=problem):
        raise outcome.error or AssertionError


async def test_the_row_stays_as_it_is_and_others_are_brought_to_their_ends(
    eversince: Eversince, tmp_path: Path
) -> None:
    path = tmp_path / "batch.db"
    await eversince.batch(["A mug", "A cup"], journal=path)
    journal = changed(path, UNFINISHED, ("UPDATE effect SET result = '[]' WHERE job_id = '1'",))

    report = await eversince.batch(["A mug", "A cup"], journal=journal)

    assert {"failed": 1, "succeeded": 1} == dict(report.counts)
    async with SqliteJournal(journal) as opened:
        job = await opened.load("1")
        assert job is not None
        assert ("working", None, None) == (job.stage, job.error, job.owner)


async def test_a_note_that_is_no_json_is_a_journal_error(eversince: Eversince, finished: Path) -> None:
    journal = changed(finished, ("INSERT OR REPLACE INTO note VALUES ('entitlements', '{')",))

    with pytest.raises(JournalError, match="note 'entitlements': value is no JSON"):
        await resumed(eversince, journal)


@pytest.mark.parametrize(
    ("column", "value"),
    [("attempt", 2**62), ("attempt", -(2**60)), ("created_at", 2.5e11), ("lease_seconds", 1e300)],
)
async def test_a_number_that_cannot_be_reckoned_with_is_a_journal_error(
    eversince: Eversince, finished: Path, column: str, value: float
) -> None:
    journal = changed(finished, (f"UPDATE job SET {column} = ?", value))

    outcome = await resumed(eversince, journal)

    with pytest.raises(JournalError, match=rf"job '1': {column} is out of all bounds"):
        raise outcome.error or AssertionError


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, r"baseline is no JSON object \(null\)"),
        ({"video": None}, r"baseline\.updated_at is missing"),
        ({"video": 1, "updated_at": None}, r"baseline\.video is no text"),
        ({"video": None, "updated_at": "soon"}, r"baseline\.updated_at is no time"),
        ({"video": None, "updated_at": "2026-01-01T00:00:00"}, r"baseline\.updated_at is no time"),
    ],
)
def test_so_is_where_a_project_is_said_to_have_stood(value: Any, problem: str) -> None:
    with pytest.raises(JournalError, match=f"effect 'render' of job '1': {problem}"):
        Baseline.from_json(Field("effect 'render' of job '1'", "baseline", value), requested_at=0.0)


# -- Pipelines --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "column", "value", "problem"),
    [
        ("produce", "request", {}, r"effect 'produce' of job 'mug': request\.verb is missing"),
        ("produce", "request", [], r"effect 'produce' of job 'mug': request is no JSON object"),
        (
            "produce",
            "request",
            {"verb": "produce", "arguments": {}, "at": "0"},
            r"effect 'produce' of job 'mug': request\.at is no whole number",
        ),
        (
            "produce",
            "request",
            {"verb": "produce", "arguments": {}, "at": 0, "attempt": 10**40, "tries": 1},
            r"effect 'produce' of job 'mug': request\.attempt is out of all bounds",
        ),
    ],
)
async def test_a_changed_step_is_a_journal_error_with_table_row_and_field(
    eversince: Eversince, run: Path, name: str, column: str, value: Any, problem: str
) -> None:
    change = (f"UPDATE effect SET {column} = ? WHERE name = ?", json.dumps(value), name)
    journal = changed(run, UNFINISHED, change)

    with pytest.raises(JournalError, match=problem):
        await eversince.run(campaign, "A mug", key="mug", journal=journal)


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("result", {}, r"job 'mug': result\.result is missing"),
        ("result", None, r"job 'mug': result is no JSON object"),
    ],
)
async def test_so_is_a_changed_result(
    eversince: Eversince, run: Path, column: str, value: Any, problem: str
) -> None:
    journal = changed(run, (f"UPDATE job SET {column} = ?", json.dumps(value)))

    with pytest.raises(JournalError, match=problem):
        await eversince.run(campaign, "A mug", key="mug", journal=journal)


async def test_so_is_what_a_run_is_said_to_have_failed_of(eversince: Eversince, run: Path) -> None:
    journal = changed(run, ("UPDATE job SET stage = 'failed', error = '{\"type\": []}'",))

    with pytest.raises(JournalError, match=r"job 'mug': error\.type is no text"):
        await eversince.run(campaign, "A mug", key="mug", journal=journal)


async def test_so_is_a_question_without_words(eversince: Eversince, run: Path) -> None:
    change = ("UPDATE effect SET state = 'intent', request = '{}' WHERE kind = 'approval'",)
    journal = changed(run, UNFINISHED, change)

    with pytest.raises(JournalError, match=r"'approval' of job 'mug': request\.arguments is missing"):
        await eversince.approvals(journal=journal)


# -- Anything ---------------------------------------------------------------------------------------------

WORDS = "id status video updated_at cursor since brief share_url files path size type message facts verb at "
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 5),
        st.sampled_from([10**25, -1, 0, 1e300, "", "\0", "\ud800", "proj_1", "2026-01-01T00:00:00+00:00"]),
        st.text(max_size=5),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(WORDS.split()) | st.text(max_size=5), inner, max_size=4),
    ),
    max_leaves=8,
)
PLACES = [
    *(("job", column) for column in ("spec", "result", "error")),
    *(("effect", column) for column in ("request", "baseline", "result")),
    ("note", "value"),
]


def spoilt(stored: str | None, value: Any, where: int) -> Any:
    """Replace a stored value, or one of its fields, by another value."""
    known = None if stored is None else json.loads(stored)
    if isinstance(known, dict) and known and where:
        name = sorted(known)[where % len(known)]
        return {**known, name: value} if where % 2 else {k: v for k, v in known.items() if k != name}
    return value


def spoil(path: Path, place: tuple[str, str], value: Any, where: int, state: str, stage: str) -> Path:
    table, column = place
    copy = changed(
        path,
        ("UPDATE job SET stage = ?, owner = NULL", stage),
        ("UPDATE effect SET state = ? WHERE kind <> 'cancel'", state),
    )
    with closing(sqlite3.connect(copy)) as database:
        key = "rowid" if table == "job" else "name" if table == "note" else "job_id || '\n' || seq"
        rows = database.execute(f"SELECT {key}, {column} FROM {table} ORDER BY 1").fetchall()
        for row, stored in rows[where % max(len(rows), 1) :][:1]:
            text = json.dumps(spoilt(stored, value, where))
            database.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (text, row))
        database.commit()
    return copy


def need_ours(error: BaseException | None) -> None:
    """Require no error, or an error that this package raises on purpose."""
    assert error is None or isinstance(error, EversinceError), error
    assert "cannot be read: " not in str(error), error


CHANGES = {
    "place": st.sampled_from(PLACES),
    "value": JSON,
    "where": st.integers(0, 40),
    "state": st.sampled_from(["done", "done", "intent", "refused", "in_doubt", "adopted"]),
    "stage": st.sampled_from(["working", "working", "failed", "succeeded", "cancelled", "odd"]),
}
ENOUGH = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@ENOUGH
@given(**CHANGES)
async def test_whatever_json_stands_in_a_batchs_journal_only_our_errors_come_of_it(
    eversince: Eversince, finished: Path, place: Any, value: Any, where: int, state: Any, stage: str
) -> None:
    journal = spoil(finished, place, value, where, state, stage)
    try:
        for retry_failed in (False, True):
            outcome = await resumed(eversince, journal, retry_failed=retry_failed)
            need_ours(outcome.error)
        report = await Report.from_journal(journal)
        for write, name in ((report.to_html, "r.html"), (report.to_csv, "r.csv"), (report.to_json, "r.json")):
            write(finished.with_name(name))
    except JournalError as error:
        need_ours(error)


@ENOUGH
@given(**CHANGES)
async def test_so_it_is_when_it_is_resumed_without_its_rows(
    eversince: Eversince, finished: Path, place: Any, value: Any, where: int, state: Any, stage: str
) -> None:
    path = spoil(finished, place, value, where, state, stage)
    try:
        async with SqliteJournal(path) as journal:
            items = await ResumableItems.read(
                journal, finished.parent / "films", retry_failed=True, quality=None
            )
            report = await eversince.batch(items, journal=journal, retry_failed=True)
    except JournalError as error:
        need_ours(error)
    else:
        for outcome in report.outcomes:
            need_ours(outcome.error)


@ENOUGH
@given(**CHANGES)
async def test_so_it_is_with_pipelines(
    eversince: Eversince, run: Path, place: Any, value: Any, where: int, state: Any, stage: str
) -> None:
    journal = spoil(run, place, value, where, state, stage)
    try:
        for retry_failed in (False, True):
            workflow = eversince.run(campaign, "A mug", key="mug", journal=journal, retry_failed=retry_failed)
            async with asyncio.timeout(3600):
                await workflow
        await eversince.approvals(journal=journal)
    except TimeoutError:
        pass  # the answer to the approval was removed
    except EversinceError as error:
        need_ours(error)
