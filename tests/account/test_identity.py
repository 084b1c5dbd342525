"""A journal knows the server and the account whose projects it remembers, and goes on with no other."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing

import pytest

from eversince_async import Eversince, NotFound, OtherAccount, Unauthorized
from eversince_async.account.identity import NOTE, normalize_url
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import ErrorAnswer
from eversince_async.errors import JournalError
from eversince_async.journal import MemoryJournal, SqliteJournal
from eversince_async.pipelines import Run, pipeline
from helpers.lagging_reads import refusing

QUICK = Scenario(
    queued=2, running=5, images=5, videos=5, rendering=10, cycles=1, scenes=(1, 1), self_render=0.0
)
OTHER_KEY = "es_live_another"
ROWS = [{"key": "a", "brief": "Film a"}, {"key": "b", "brief": "Film b"}]
MORE = [*ROWS, {"key": "c", "brief": "Film c"}]
NOT_FOUND = ErrorAnswer(status=404, code="not_found", message="Project not found")
FORBIDDEN = ErrorAnswer(status=403, code="forbidden", message="Not permitted")


@pytest.fixture
async def emulator():
    async with Emulator(scenario=QUICK, keys=[OTHER_KEY], studio_projects=False) as emulator:
        yield emulator


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "campaign.db"


async def begun(emulator: Emulator, journal: object) -> None:
    """A journal that remembers projects of this emulator."""
    async with Eversince(**emulator.connection) as eversince:
        await eversince.batch(ROWS, journal=journal)


def made(emulator: Emulator) -> int:
    return emulator.world.counts["projects"]


def reads(emulator: Emulator) -> int:
    return sum(
        1 for each in emulator.world.log if each.method == "GET" and each.path.startswith("/projects/proj_")
    )


def delete(emulator: Emulator, *ids: str) -> None:
    """Have the API know these projects no more; the world counts them still, to name new ones."""
    projects = emulator.world.projects
    for project_id in ids:
        projects[f"deleted {project_id}"] = projects.pop(project_id)


async def noted(journal: object) -> dict[str, object]:
    async with SqliteJournal(journal) as opened:
        return await opened.noted(NOTE)


# -- Another server ---------------------------------------------------------------------------------------


async def test_another_server_is_asked_for_nothing(emulator, journal):
    await begun(emulator, journal)
    async with Eversince("es_live_emulator", base_url="https://eversince.example/api/v1") as eversince:
        with pytest.raises(OtherAccount, match=r"campaign\.db: belongs to another server, http://127"):
            await eversince.batch(MORE, journal=journal)
        assert eversince.rate_limit is None


async def test_another_emulator_does_not_know_the_projects(emulator, journal):
    """Both are on this machine, where the port alone says nothing."""
    await begun(emulator, journal)
    async with Emulator(scenario=QUICK) as other, Eversince(**other.connection) as eversince:
        with pytest.raises(OtherAccount, match="another server or account"):
            await eversince.batch(MORE, journal=journal)

        assert 0 == made(other)


async def test_an_emulator_that_keeps_its_state_may_come_back_at_another_port(journal, tmp_path):
    async with Emulator(scenario=QUICK, state=tmp_path / "state.db") as first:
        await begun(first, journal)
    async with Emulator(scenario=QUICK, state=tmp_path / "state.db") as again:
        assert first.base_url != again.base_url
        async with Eversince(**again.connection) as eversince:
            report = await eversince.batch(MORE, journal=journal)

        assert {"succeeded": 3} == report.counts, report.outcomes
        assert normalize_url(again.base_url) == (await noted(journal))["server"]
        assert 3 == made(again)


async def test_it_can_be_overruled_once_for_all_times(emulator, journal):
    await begun(emulator, journal)
    async with Emulator(scenario=QUICK) as other:
        async with Eversince(**other.connection) as eversince:
            report = await eversince.batch(MORE, journal=journal, allow_other_account=True)
        async with Eversince(**other.connection) as eversince:
            await eversince.batch(MORE, journal=journal)

        assert {"succeeded": 3} == report.counts, report.outcomes
        assert 1 == made(other), "finished rows stay finished"
    async with Eversince(**emulator.connection) as eversince:
        with pytest.raises(OtherAccount):
            await eversince.batch(MORE, journal=journal)


async def test_overruling_leaves_a_journal_of_this_account_as_it_is(emulator, journal):
    await begun(emulator, journal)
    before = await noted(journal)
    async with Eversince(**emulator.connection) as eversince:
        await eversince.batch(MORE, journal=journal, allow_other_account=True)

    assert before == await noted(journal)


# -- Another key ------------------------------------------------------------------------------------------


async def test_a_new_key_of_the_same_account_costs_one_look_once(emulator, journal):
    await begun(emulator, journal)
    looked = reads(emulator)
    for _ in range(2):
        async with Eversince(OTHER_KEY, base_url=emulator.base_url) as eversince:
            report = await eversince.batch(ROWS, journal=journal)

    assert {"succeeded": 2} == report.counts
    assert looked + 1 == reads(emulator)


@pytest.mark.parametrize("refusal", [NOT_FOUND, FORBIDDEN], ids=["404", "403"])
async def test_a_key_that_reaches_none_of_the_projects_is_of_another_account(emulator, journal, refusal):
    await begun(emulator, journal)
    before = made(emulator)
    async with Eversince(OTHER_KEY, base_url=emulator.base_url) as eversince:
        refusing(eversince, lambda method, path, body: method == "GET" and refusal)
        with pytest.raises(OtherAccount, match="another account"):
            await eversince.batch(MORE, journal=journal)

    assert before == made(emulator)


async def test_one_project_that_was_deleted_makes_no_other_account(emulator, journal):
    await begun(emulator, journal)
    delete(emulator, next(iter(emulator.world.projects)))
    async with Eversince(OTHER_KEY, base_url=emulator.base_url) as eversince:
        report = await eversince.batch(MORE, journal=journal)

    assert {"succeeded": 3} == report.counts, report.outcomes


async def test_a_key_that_is_refused_pauses_the_batch_as_ever(emulator, journal):
    await begun(emulator, journal)
    async with Eversince("es_live_wrong", base_url=emulator.base_url) as eversince:
        report = await eversince.batch(MORE, journal=journal)

    assert {"succeeded": 2, "paused": 1} == report.counts
    assert isinstance(report.cause, Unauthorized)
    assert 1 == len((await noted(journal))["keys"]), "nothing was learned of that key"


async def test_a_journal_that_knows_no_project_is_anybodys(emulator, journal):
    async with Eversince("es_live_wrong", base_url=emulator.base_url) as eversince:
        await eversince.batch(ROWS, journal=journal)
    async with Eversince(**emulator.connection) as eversince:
        report = await eversince.batch(ROWS, journal=journal)

    assert {"succeeded": 2} == report.counts


async def test_an_older_journal_belongs_to_the_first_it_meets(emulator, journal):
    await begun(emulator, journal)
    with closing(sqlite3.connect(journal)) as file, file:
        file.execute("DELETE FROM note")
    await begun(emulator, journal)

    assert normalize_url(emulator.base_url) == (await noted(journal))["server"]


@pytest.mark.parametrize("kept", [[], {"id": "x"}, {"id": 1, "server": 2, "salt": 3, "keys": 4}], ids=str)
async def test_a_journal_that_was_tampered_with_says_so(eversince, journal, kept):
    async with SqliteJournal(journal) as opened:
        await opened.note(NOTE, kept)

    with pytest.raises(JournalError, match="no longer says to which account it belongs"):
        await eversince.batch(ROWS, journal=journal)
    report = await eversince.batch(ROWS, journal=journal, allow_other_account=True)
    assert {"succeeded": 2} == report.counts


# -- What is kept -----------------------------------------------------------------------------------------


async def test_neither_the_key_nor_a_part_of_it_is_kept(emulator, journal):
    key = "es_live_q7RkZp31xVb9"
    async with (
        Emulator(scenario=QUICK, keys=[key]) as emulator,
        Eversince(key, base_url=emulator.base_url) as eversince,
    ):
        await eversince.batch(ROWS, journal=journal)

    kept = json.dumps(await noted(journal))
    assert not any(key[n : n + 4] in kept for n in range(len("es_live_"), len(key) - 3))


async def test_the_same_key_looks_otherwise_in_another_journal(emulator, tmp_path):
    await begun(emulator, tmp_path / "a.db")
    await begun(emulator, tmp_path / "b.db")

    one, other = [await noted(tmp_path / name) for name in ("a.db", "b.db")]
    assert one["keys"] != other["keys"]


async def test_two_processes_that_begin_a_journal_agree_whose_it_is(emulator, journal):
    async def run(rows: list[dict[str, str]]) -> None:
        async with Eversince(**emulator.connection) as eversince:
            await eversince.batch(rows, journal=journal)

    await asyncio.gather(run(ROWS[:1]), run(ROWS[1:]))

    before = reads(emulator)
    await begun(emulator, journal)
    assert before == reads(emulator)


@pytest.mark.parametrize(
    ("base_url", "same"),
    [
        ("https://Eversince.AI/api/v1", "https://eversince.ai:443/api/v1/"),
        ("http://localhost:80/x", "http://localhost/x"),
        ("http://[::1]:8021/x", "http://[::1]:8021/x"),
    ],
)
def test_a_server_has_one_spelling(base_url, same):
    assert normalize_url(base_url) == normalize_url(same)


# -- Pipelines, and what is known of the account ----------------------------------------------------------


@pipeline
async def campaign(run: Run, brief: str, quality: str = "1080p") -> str:
    return (await run.produce(brief, render=quality)).project_id


async def test_a_pipeline_goes_on_with_no_other_account(emulator, journal):
    async with Eversince(**emulator.connection) as eversince:
        await eversince.run(campaign, "A mug", key="mug", journal=journal)
    async with Emulator(scenario=QUICK) as other, Eversince(**other.connection) as eversince:
        with pytest.raises(OtherAccount):
            await eversince.run(campaign, "A cup", key="cup", journal=journal)
        assert 0 == made(other)

        await eversince.run(campaign, "A cup", key="cup", journal=journal, allow_other_account=True)
        assert 1 == made(other)


async def test_an_open_journal_is_looked_at_once_for_each_client(emulator):
    async with MemoryJournal() as journal:
        await begun(emulator, journal)
        looked = reads(emulator)
        async with Eversince(OTHER_KEY, base_url=emulator.base_url) as eversince:
            for _ in range(3):
                await eversince.batch(ROWS, journal=journal)

    assert looked + 1 == reads(emulator)


async def test_after_a_key_was_refused_the_journal_is_looked_at_again(emulator):
    """Keys may be refused for a while: an open journal is not taken for ours for that."""
    refusals = [ErrorAnswer(status=401, code="unauthorized", message="no")]
    async with MemoryJournal() as journal:
        await begun(emulator, journal)
        before = made(emulator)
        async with Eversince(OTHER_KEY, base_url=emulator.base_url) as eversince:
            refusing(eversince, lambda *_: refusals and refusals[0])
            report = await eversince.batch(MORE, journal=journal)
            refusals[0] = NOT_FOUND
            with pytest.raises(OtherAccount, match="another account"):
                await eversince.batch(MORE, journal=journal)

    assert isinstance(report.cause, Unauthorized)
    assert before == made(emulator)


async def test_a_refusal_of_4k_is_the_accounts_and_not_the_journals(journal):
    four = [{"key": f"4k-{n}", "brief": f"Film {n}", "render": "4k"} for n in range(2)]
    async with Emulator(scenario=QUICK) as emulator, Eversince(**emulator.connection) as eversince:
        await eversince.batch(four, journal=journal)
    async with Emulator(scenario=QUICK, plan="pro") as other, Eversince(**other.connection) as eversince:
        rows = [{**row, "key": f"new-{row['key']}"} for row in four]
        report = await eversince.batch(rows, journal=journal, allow_other_account=True)

    assert {"succeeded": 2} == report.counts


async def test_a_pipeline_learns_from_the_journal_what_was_refused(emulator, journal):
    async with Eversince(**emulator.connection) as eversince:
        await eversince.batch([{"key": "a", "brief": "Film", "render": "4k"}], journal=journal)
    async with Eversince(**emulator.connection) as eversince:
        with pytest.raises(Exception, match="refused renders in 4k"):
            await eversince.run(campaign, "A mug", "4k", key="mug", journal=journal)

    assert 1 == made(emulator)


async def test_a_batch_learns_from_a_pipeline_what_was_refused(emulator, journal):
    async with Eversince(**emulator.connection) as eversince:
        with pytest.raises(Exception, match="Pro"):
            await eversince.run(campaign, "A mug", "4k", key="mug", journal=journal)
    async with Eversince(**emulator.connection) as eversince:
        report = await eversince.batch([{"key": "a", "brief": "Film", "render": "4k"}], journal=journal)

    assert {"paused": 1} == report.counts
    assert 1 == made(emulator)


async def test_what_was_granted_is_believed_for_a_day(emulator, journal):
    emulator.account.plan = "pro"
    rows = [{"key": f"4k-{n}", "brief": f"Film {n}", "render": "4k"} for n in range(7)]
    async with Eversince(**emulator.connection) as eversince:
        await eversince.batch(rows[:1], journal=journal)
    emulator.account.plan = "creator"
    await asyncio.sleep(25 * 3600)
    async with Eversince(**emulator.connection) as eversince:
        await eversince.batch(rows, journal=journal)

    assert 2 == made(emulator), "one, to learn that the subscription has ended"


async def test_a_deleted_project_is_no_other_account_while_the_key_is_the_same(emulator, journal):
    """It has a way on of its own: `retry_failed`."""
    async with Eversince(**emulator.connection) as eversince:
        async with eversince.batch(ROWS, journal=journal):
            await asyncio.sleep(8)
        delete(emulator, *emulator.world.projects)
        first = await eversince.batch(ROWS, journal=journal)
        again = await eversince.batch(ROWS, journal=journal, retry_failed=True)

    assert {"failed": 2} == first.counts
    assert {NotFound} == {type(outcome.error) for outcome in first.outcomes}
    assert {"succeeded": 2} == again.counts, again.outcomes
