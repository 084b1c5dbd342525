"""Tests of a journal file's permissions, and of changed contents."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from contextlib import closing, suppress
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eversince_async.errors import EversinceError, JournalError
from eversince_async.journal import SqliteJournal

posix = pytest.mark.skipif(os.name != "posix", reason="other systems have no such permissions")


@pytest.fixture
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder):
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}


# -- Eyes -----------------------------------------------------------------------------------------------


@posix
async def test_a_new_journal_and_the_files_beside_it_are_readable_by_their_owner_only(tmp_path, open_umask):
    async with SqliteJournal(tmp_path / "journal.db") as journal:
        await journal.put("mug", {"brief": "A secret launch"})

        assert {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600} == modes(tmp_path)


@posix
async def test_what_is_saved_of_a_journal_that_was_taken_away_is_readable_by_its_owner_only(
    tmp_path, open_umask
):
    async with SqliteJournal(tmp_path / "journal.db") as journal:
        await journal.put("mug", {})
        (tmp_path / "journal.db").unlink()
        with pytest.raises(JournalError, match="saved"):
            await journal.put("cup", {})

    assert [0o600] == [mode for name, mode in modes(tmp_path).items() if "saved" in name]


@posix
async def test_the_permissions_that_somebody_gave_a_journal_stay(tmp_path, open_umask):
    """A team may share a journal."""
    async with SqliteJournal(tmp_path / "journal.db"):
        pass
    (tmp_path / "journal.db").chmod(0o660)

    async with SqliteJournal(tmp_path / "journal.db") as journal:
        await journal.put("mug", {})

        assert {0o660} == set(modes(tmp_path).values())


@posix
@pytest.mark.parametrize("target", ["nowhere.db", "journal.db", "nowhere/at/all.db"])
async def test_a_link_that_leads_to_no_file_is_refused(tmp_path, target):
    """That includes a link that leads to itself.

    Nothing is created at the link's target.
    """
    link = tmp_path / "journal.db"
    link.symlink_to(tmp_path / target)

    with pytest.raises(JournalError, match=r"journal\.db: is a link that leads to no file"):
        await SqliteJournal(link).open()
    assert [link] == list(tmp_path.iterdir())


@posix
async def test_a_link_to_a_journal_is_followed(tmp_path):
    async with SqliteJournal(tmp_path / "real.db") as journal:
        await journal.put("mug", {})
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")

    async with SqliteJournal(tmp_path / "link.db") as journal:
        assert await journal.load("mug") is not None


# -- Hands ----------------------------------------------------------------------------------------------


async def make(path):
    async with SqliteJournal(path) as journal:
        await journal.put("mug", {"brief": "A mug"})
        await journal.acquire("mug")
        await journal.done(await journal.intent("mug", "create", {"brief": "A mug"}), {"id": "proj_1"})
        await journal.intent("mug", "share", {})
        await journal.release("mug")


async def everything(path):
    """Read everything that can be read."""
    async with SqliteJournal(path) as journal:
        await journal.load("mug")
        async for _ in journal.jobs():
            pass
        await journal.effect("mug", "create")
        await journal.effects("mug")
        await journal.open_creates()
        await journal.counts()
        await journal.changes()
        await journal.spent("create", datetime(2020, 1, 1, tzinfo=UTC))
        await journal.take("new")


def tamper(path, statement, *values):
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute(statement, values)
        database.commit()


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("job", "spec", "{"),
        ("job", "spec", ""),
        ("job", "spec", "[" * 100_000),
        ("job", "result", '{"n": NaN}'),
        ("job", "error", "9" * 10_000),
        ("job", "created_at", 1e300),
        ("job", "created_at", float("inf")),
        ("job", "lease_until", -1e18),
        ("job", "not_before", 1e17),
        ("effect", "kind", "nuke"),
        ("effect", "state", "perhaps"),
        ("effect", "request", "'"),
        ("effect", "baseline", "{'a': 1}"),
        ("effect", "done_at", 1e20),
        ("effect", "intent_at", 1e20),
    ],
)
async def test_a_row_that_was_changed_by_hand_is_a_journal_error_with_its_place(
    tmp_path, table, column, value
):
    path = tmp_path / "journal.db"
    await make(path)
    tamper(path, f"UPDATE {table} SET {column} = ?", value)

    with pytest.raises(JournalError) as caught:
        await everything(path)
    assert f"{path}: " in str(caught.value)
    assert "'mug'" in str(caught.value) or "kind 'create'" in str(caught.value)
    assert column in str(caught.value)


async def test_a_count_that_was_deleted_is_a_journal_error(tmp_path):
    path = tmp_path / "journal.db"
    await make(path)
    tamper(path, "DELETE FROM change")

    with pytest.raises(JournalError, match="count is missing"):
        await everything(path)


async def test_text_that_is_no_text_is_a_journal_error(tmp_path):
    path = tmp_path / "journal.db"
    await make(path)
    tamper(path, "UPDATE job SET stage = CAST(x'ff00fe' AS TEXT)")

    with pytest.raises(JournalError):
        await everything(path)


COLUMNS = {
    "job": "id spec stage attempt project_id result error owner lease_until not_before created_at "
    "lease_boot lease_seconds created_change",
    "effect": "name kind state incarnation tries request baseline result claim intent_at done_at boot "
    "intent_seconds done_seconds",
}


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    place=st.sampled_from([(table, name) for table, names in COLUMNS.items() for name in names.split()]),
    value=st.one_of(
        st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=20), st.binary()
    ),
)
def test_whatever_stands_in_a_row_only_our_errors_come_of_it(tmp_path_factory, place, value):
    path = tmp_path_factory.mktemp("journal") / "journal.db"
    asyncio.run(make(path))
    try:
        tamper(path, f"UPDATE {place[0]} SET {place[1]} = ?", value)
    except (sqlite3.Error, OverflowError, UnicodeError):
        return  # the file itself refuses it
    with suppress(EversinceError):
        asyncio.run(everything(path))
