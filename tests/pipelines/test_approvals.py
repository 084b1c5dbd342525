"""Questions to people wait for days without cost.

Answers may come from anywhere.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from eversince_async import (
    ApprovalExpired,
    ApprovalRequested,
    ClientClosed,
    Eversince,
    JournalError,
    NotSerializable,
    Run,
    pipeline,
)
from eversince_async.journal import SqliteJournal
from helpers.pipeline_runs import campaign, counts, question

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


@pipeline
async def two_questions(run: Run) -> tuple[str, str]:
    async def ask(run: Run, text: str) -> str:
        return str(await run.approval(text))

    return await run.gather(ask(run.branch("left"), "left?"), ask(run.branch("right"), "right?"))


@pipeline
async def gives_up(run: Run) -> str:
    try:
        return str(await run.approval("ship it?", timeout=3600))
    except ApprovalExpired:
        return "expired"


@pipeline
async def filming_and_asking(run: Run) -> bool:
    answer, _ = await run.gather(run.approval("ship it?"), run.produce("A film"))
    return bool(answer)


@pipeline
async def shows(run: Run, thing: object) -> None:
    await run.approval("this?", show=thing)


def begin(running: Any) -> asyncio.Task[Any]:
    """Await a workflow in a task beside the test."""

    async def run() -> Any:
        return await running

    return asyncio.create_task(run())


async def stopped(task: asyncio.Task[Any]) -> None:
    """Cancel a task, as the end of the process does."""
    task.cancel()
    await asyncio.wait([task])


async def asked(eversince: Eversince, journal: Path, count: int = 1) -> None:
    """Wait until `count` questions are open."""
    while len(await eversince.approvals(journal=journal)) < count:
        await asyncio.sleep(1)


async def test_an_answer_in_the_same_process_wakes_it_at_once(eversince, journal):
    running = begin(eversince.run(question, key="mug", journal=journal))
    await asked(eversince, journal)
    before = asyncio.get_running_loop().time()

    await eversince.approve("mug", "yes", journal=journal)

    assert "yes" == await running
    assert before == asyncio.get_running_loop().time()


async def test_an_answer_from_another_process_is_seen_within_seconds(emulator, eversince, journal):
    """The other process opens a journal of its own over the file."""
    running = begin(eversince.run(question, key="mug", journal=journal))
    await asked(eversince, journal)
    async with SqliteJournal(journal) as other:
        await other.answer("mug", "approval", value=False)
        before = asyncio.get_running_loop().time()

        assert "False" == await running
    assert asyncio.get_running_loop().time() - before <= 3


async def test_another_client_may_answer(emulator, eversince, journal):
    running = begin(eversince.run(question, key="mug", journal=journal))
    async with Eversince(**emulator.connection) as other:
        await asked(other, journal)
        await other.approve("mug", journal=journal)

    assert "True" == await running


async def test_waiting_holds_no_slot_and_asks_nothing_of_the_server(emulator, eversince, journal, photo):
    running = begin(eversince.run(campaign, "A film", photo, key="mug", journal=journal))
    await asked(eversince, journal)
    emulator.world.log.clear()

    await asyncio.sleep(8 * 3600)

    assert 0 == len(emulator.world.log)
    assert 0 == eversince.governor.snapshot().slots.occupied
    await stopped(running)


async def test_waiting_across_a_restart_asks_nothing_of_the_server(emulator, journal, photo):
    """The new process reaches the question again without a single request."""
    async with Eversince(**emulator.connection) as first:
        running = begin(first.run(campaign, "A film", photo, key="mug", journal=journal))
        await asked(first, journal)
        await stopped(running)
    emulator.world.log.clear()
    async with Eversince(**emulator.connection) as second:
        running = begin(second.run(campaign, "A film", photo, key="mug", journal=journal))
        await asyncio.sleep(3600)
        meanwhile, slots = len(emulator.world.log), second.governor.snapshot().slots.occupied
        await second.approve("mug", journal=journal)
        made = await running

    assert (0, 0) == (meanwhile, slots)
    assert made.vertical.share_url is not None
    assert {"projects": 1, "renders": 2, "shares": 2} == counts(emulator)


async def test_an_answer_that_comes_while_nobody_runs_it_is_there_when_it_is_run_again(
    emulator, eversince, journal
):
    running = begin(eversince.run(question, key="mug", journal=journal))
    await asked(eversince, journal)
    await stopped(running)
    await eversince.approve("mug", "yes", journal=journal)

    assert "yes" == await eversince.run(question, key="mug", journal=journal)


async def test_while_it_waits_the_job_is_anybodys(eversince, journal):
    running = begin(eversince.run(question, key="mug", journal=journal))
    await asked(eversince, journal)
    async with SqliteJournal(journal) as other:
        await asyncio.sleep(10)
        job = await other.load("mug")

    assert ("waiting", None) == (job.stage, job.owner)
    await stopped(running)


async def test_of_two_processes_that_wait_one_goes_on_and_the_other_gets_the_result(
    emulator, eversince, journal, photo
):
    async with SqliteJournal(journal) as here, SqliteJournal(journal) as there:
        runs = [
            begin(eversince.run(campaign, "A film", photo, key="mug", journal=each)) for each in (here, there)
        ]
        await asked(eversince, journal)
        await asyncio.sleep(60)
        await eversince.approve("mug", journal=journal)
        first, second = await asyncio.gather(*runs)

    assert first.vertical.share_url == second.vertical.share_url
    assert {"projects": 1, "renders": 2, "shares": 2} == counts(emulator)


async def test_while_another_branch_works_the_job_stays_ours(emulator, eversince, journal):
    running = begin(eversince.run(filming_and_asking, key="mug", journal=journal))
    await asyncio.sleep(15)
    async with SqliteJournal(journal) as other:
        job = await other.load("mug")
        assert job.owner is not None
        while (await other.load("mug")).owner is not None:
            await asyncio.sleep(1)
    await eversince.approve("mug", journal=journal)

    assert await running is True
    assert {"projects": 1, "renders": 1, "shares": 1} == counts(emulator)


async def test_several_questions_are_told_apart_by_their_names(eversince, journal):
    running = begin(eversince.run(two_questions, key="mug", journal=journal))
    await asked(eversince, journal, 2)

    with pytest.raises(JournalError, match="several answers: name one of 'left/approval', 'right/approval'"):
        await eversince.approve("mug", journal=journal)
    await eversince.approve("mug", "r", name="right/approval", journal=journal)
    await eversince.approve("mug", "l", name="left/approval", journal=journal)

    assert ("l", "r") == await running


async def test_what_waits_is_listed_with_what_there_is_to_see(emulator, eversince, journal, photo):
    running = begin(eversince.run(campaign, "A film", photo, key="mug", journal=journal))
    await asked(eversince, journal)
    (waiting,) = await eversince.approvals(journal=journal)
    project = emulator.world.projects[waiting.show["project_id"]]
    await stopped(running)

    assert ("mug", "approval", "ship it?") == (waiting.key, waiting.name, waiting.question)
    assert "var_002" == waiting.show["variation_id"]
    assert project.id in waiting.show["studio_url"]
    assert waiting.expires_at is None


async def test_an_answered_one_is_listed_no_more(eversince, journal):
    running = begin(eversince.run(question, key="mug", journal=journal))
    await asked(eversince, journal)
    await eversince.approve("mug", journal=journal)
    await running

    assert [] == await eversince.approvals(journal=journal)


async def test_it_is_answered_once(eversince, journal):
    running = begin(eversince.run(question, key="mug", journal=journal))
    await asked(eversince, journal)
    await eversince.approve("mug", journal=journal)
    await running

    with pytest.raises(JournalError, match="waits for no answer: its stage is 'succeeded'"):
        await eversince.approve("mug", journal=journal)
    with pytest.raises(JournalError, match="was answered at"):
        await eversince.approve("mug", name="approval", journal=journal)


async def test_a_key_nobody_has_used_waits_for_nothing(eversince, journal):
    assert [] == await eversince.approvals(journal=journal)
    with pytest.raises(JournalError, match="there is no such key in the journal"):
        await eversince.approve("mug", journal=journal)


async def test_too_late_is_an_error_that_tells_the_question(eversince, journal):
    with pytest.raises(ApprovalExpired, match="no answer came in time: ship it\\?"):
        await eversince.run(question, patience=3600.0, key="mug", journal=journal)


async def test_the_time_counts_from_when_it_was_asked_first(eversince, journal):
    running = begin(eversince.run(gives_up, key="mug", journal=journal))
    await asyncio.sleep(3000)
    await stopped(running)
    before = asyncio.get_running_loop().time()

    assert "expired" == await eversince.run(gives_up, key="mug", journal=journal)
    assert 600 == pytest.approx(asyncio.get_running_loop().time() - before, abs=5)


async def test_one_that_has_expired_is_not_answered_any_more(eversince, journal):
    await eversince.run(gives_up, key="mug", journal=journal)

    with pytest.raises(JournalError, match="expired at"):
        await eversince.approve("mug", name="approval", journal=journal)


async def test_one_that_has_expired_is_asked_again_when_the_run_is_tried_again(eversince, journal):
    with pytest.raises(ApprovalExpired):
        await eversince.run(question, patience=60.0, key="mug", journal=journal)
    running = begin(eversince.run(question, patience=60.0, key="mug", journal=journal, retry_failed=True))
    await asked(eversince, journal)
    await eversince.approve("mug", "yes", journal=journal)

    assert "yes" == await running


async def test_when_it_is_too_late_is_listed(eversince, journal):
    running = begin(eversince.run(question, patience=3600.0, key="mug", journal=journal))
    await asked(eversince, journal)
    (waiting,) = await eversince.approvals(journal=journal)
    await stopped(running)

    assert timedelta(hours=1) == waiting.expires_at - waiting.since


async def test_who_follows_the_run_is_told_of_the_question(eversince, journal):
    async with eversince.run(question, key="mug", journal=journal) as running:
        async for event in running:
            if isinstance(event, ApprovalRequested):
                await eversince.approve("mug", f"{event.question} yes", name=event.step, journal=journal)
        assert "ship it? yes" == await running


async def test_the_answer_may_be_anything_that_json_has(eversince, journal):
    running = begin(eversince.run(question, key="mug", journal=journal))
    await asked(eversince, journal)
    with pytest.raises(JournalError, match="cannot be stored as JSON"):
        await eversince.approve("mug", object(), journal=journal)
    await eversince.approve("mug", {"title": "A mug", "link": "https://x.org/?v=1"}, journal=journal)

    assert "{'link': 'https://x.org/?v=1', 'title': 'A mug'}" == await running


async def test_a_question_that_cannot_be_shown_is_refused_before_it_is_asked(eversince, journal):
    with pytest.raises(NotSerializable, match="object cannot be shown"):
        await eversince.run(shows, object(), key="mug", journal=journal)


async def test_what_is_shown_may_be_anything_that_can_be_stored(eversince, journal):
    when = datetime(2026, 5, 1, tzinfo=UTC)
    running = begin(eversince.run(shows, {"when": when, "path": [1]}, key="mug", journal=journal))
    await asked(eversince, journal)
    (waiting,) = await eversince.approvals(journal=journal)
    await stopped(running)

    assert {"when": when.isoformat(), "path": [1]} == waiting.show


async def test_no_journal_is_made_by_an_answer(eversince, journal):
    with pytest.raises(JournalError, match="there is no such journal"):
        await eversince.approve("mug", journal=journal)

    assert not journal.exists()


async def test_a_client_that_drains_does_not_wait_for_a_person(emulator, journal):
    """The question stays open: another client continues with it."""
    eversince = Eversince(**emulator.connection)
    running = begin(eversince.run(question, key="mug", journal=journal))
    await asked(eversince, journal)
    await eversince.aclose(productions="drain")
    with pytest.raises(
        ClientClosed, match="the client closes, and the pipeline waits for an answer: ship it"
    ):
        await running

    async with Eversince(**emulator.connection) as other:
        await other.approve("mug", "yes", journal=journal)
        assert "yes" == await other.run(question, key="mug", journal=journal)
