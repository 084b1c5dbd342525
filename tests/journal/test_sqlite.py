"""Tests of many tasks on one thread.

They cover shared commits, cancellation at any moment, and virtual time.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading

import attrs
import pytest

from eversince_async.errors import ConfigurationError, JournalError, SpecChanged
from eversince_async.journal import JobChange, SqliteJournal


@pytest.fixture
async def journal(tmp_path):
    async with SqliteJournal(tmp_path / "journal.db") as journal:
        yield journal


# -- Group commit ---------------------------------------------------------------------------------------


async def test_writes_of_many_tasks_share_a_commit(journal):
    await asyncio.gather(*(journal.put(f"film {n}", {}) for n in range(100)))

    assert 1 == journal.commits


async def test_writes_that_come_during_a_commit_share_the_next(journal):
    first = asyncio.create_task(journal.put("film", {}))
    while not journal._thread._is_due or journal._thread._waiting:
        await asyncio.sleep(0)
    await asyncio.gather(first, *(journal.put(f"film {n}", {}) for n in range(50)))

    assert 2 == journal.commits


async def test_a_write_that_is_refused_takes_nobody_elses_with_it(journal):
    await journal.put("mug", {"brief": "A mug"})

    told = await asyncio.gather(
        journal.put("cup", {}), journal.put("mug", {}), journal.put("jug", {}), return_exceptions=True
    )

    assert ["Job", "SpecChanged", "Job"] == [type(each).__name__ for each in told]
    assert 2 == journal.commits


async def test_a_bug_in_a_write_takes_nobody_elses_with_it(journal):
    def broken(rows):
        rows.save_job(attrs.evolve(job, stage="broken"))
        raise ZeroDivisionError

    job = await journal.put("mug", {})

    told = await asyncio.gather(
        journal.put("cup", {}), journal._write(broken), journal.put("jug", {}), return_exceptions=True
    )

    assert isinstance(told[1], ZeroDivisionError)
    assert {"mug", "cup", "jug"} == {job.id async for job in journal.jobs("new")}


async def test_each_who_waited_for_a_failed_commit_gets_an_error_of_its_own(journal, tmp_path):
    (tmp_path / "journal.db").unlink()

    told = await asyncio.gather(journal.put("cup", {}), journal.put("jug", {}), return_exceptions=True)

    assert [JournalError, JournalError] == list(map(type, told))
    assert told[0] is not told[1]
    assert str(told[0]) == str(told[1])


async def test_more_writes_than_a_commit_takes_are_all_written(journal):
    await asyncio.gather(*(journal.put(f"film {n}", {}) for n in range(1201)))

    assert {"new": 1201} == await journal.counts()
    assert 3 == journal.commits


# -- Virtual time ---------------------------------------------------------------------------------------


async def test_time_stands_still_while_it_writes(journal):
    async with asyncio.timeout(3600):
        before = asyncio.get_running_loop().time()
        for number in range(10):
            await journal.put(f"film {number}", {})

    assert before == asyncio.get_running_loop().time()


# -- Cancellation ---------------------------------------------------------------------------------------


async def cancelled_at(moment, verb):
    """Cancel a call after a number of rounds of the loop.

    Returns:
        True if the call had ended by then.
    """
    task = asyncio.create_task(verb)
    for _ in range(moment):
        await asyncio.sleep(0)
    ended = task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return ended


@pytest.mark.parametrize("pause", [0, 0.0003])
async def test_a_cancelled_write_has_happened_entirely_or_not_at_all(journal, pause):
    moment, ended = 0, False
    while not ended:
        name = f"film {moment}"
        await journal.put(name, {})
        await journal.acquire(name)
        effect = await journal.intent(name, "render", {})
        verb = journal.done(effect, job=JobChange(stage="rendering"))
        with journal._thread.loop.paused():
            await asyncio.to_thread(threading.Event().wait, pause)
        ended = await cancelled_at(moment, verb)

        state = (await journal.effect(name, "render")).state
        stage = (await journal.load(name)).stage

        assert (state, stage) in {("intent", "new"), ("done", "rendering")}
        moment += 1 if moment < 20 else 50
    assert ("done", "rendering") == (state, stage)


async def test_a_write_cancelled_before_it_began_never_happens(journal):
    task = asyncio.create_task(journal.put("mug", {}))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert None is await journal.load("mug")
    assert 0 == journal.commits


@pytest.mark.parametrize("way", ["acquire", "take"])
async def test_a_lease_granted_to_somebody_who_is_gone_is_given_back(journal, way):
    await journal.put("mug", {})
    moment, ended = 0, False
    while not ended:
        verb = journal.acquire("mug") if way == "acquire" else journal.take("new")
        ended = await cancelled_at(moment, verb)
        if not ended:
            await journal.put("cup", {})  # by now, all earlier writes are over
            assert None is (await journal.load("mug")).owner
        moment += 1 if moment < 20 else 50
    assert journal.incarnation == (await journal.load("mug")).owner


async def test_cancelling_who_waits_for_a_lease_leaves_the_lease_of_another_task(journal):
    await journal.put("mug", {})
    await journal.acquire("mug")
    for moment in range(8):
        task = asyncio.create_task(journal.acquire("mug"))
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    await journal.put("cup", {})
    assert journal.incarnation == (await journal.load("mug")).owner


async def test_opening_can_be_cancelled_at_any_moment(tmp_path):
    for moment in range(12):
        journal = SqliteJournal(tmp_path / "journal.db")
        if await cancelled_at(moment, journal.open()):
            await journal.aclose()
        async with journal:
            await journal.put(f"film {moment}", {})

    threads = [thread.name for thread in threading.enumerate() if "eversince-journal" in thread.name]
    assert 2 > len(threads)


async def test_what_was_begun_is_written_before_it_closes(tmp_path):
    journal = SqliteJournal(tmp_path / "journal.db")
    await journal.open()
    tasks = [asyncio.create_task(journal.put(f"film {n}", {})) for n in range(1200)]
    await asyncio.sleep(0)
    await journal.aclose()
    await asyncio.gather(*tasks)

    async with journal:
        assert {"new": 1200} == await journal.counts()


# -- Use ------------------------------------------------------------------------------------------------


async def test_it_belongs_to_the_loop_that_opened_it(journal):
    def elsewhere():
        return asyncio.run(journal.load("mug"))

    with pytest.raises(ConfigurationError, match="another event loop"):
        await asyncio.to_thread(elsewhere)


async def test_it_is_closed_where_it_was_opened(journal):
    def elsewhere():
        asyncio.run(journal.aclose())

    with pytest.raises(ConfigurationError, match="another event loop"):
        await asyncio.to_thread(elsewhere)

    assert await journal.load("mug") is None


async def test_it_says_what_it_is(journal):
    assert "<SqliteJournal journal.db, open>" == repr(journal)
    await journal.aclose()
    assert "<SqliteJournal journal.db, closed>" == repr(journal)


async def test_a_changed_spec_is_told_apart_even_deep_inside(journal):
    brief = "A film about a mug, " * 50
    await journal.put("mug", {"brief": f"{brief}in red", "references": [{"upload_id": "u1"}]})

    with pytest.raises(SpecChanged) as caught:
        await journal.put("mug", {"brief": f"{brief}in blue", "references": [{"upload_id": "u2"}]})

    assert 'in red", now' in str(caught.value)
    assert 'in blue"' in str(caught.value)
    assert 'references[0].upload_id: "u1", now "u2"' in str(caught.value)
