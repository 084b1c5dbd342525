"""Tests that only an intact journal is opened.

The error names the kind of any other file, which is left untouched.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from eversince_async.errors import ConfigurationError, JournalError, JournalLocked
from eversince_async.journal import JobChange, SqliteJournal
from eversince_async.journal._schema import VERSION
from eversince_async.journal.copies import copy_to_read

HERE = Path(__file__).parent


async def make(path, jobs=3):
    async with SqliteJournal(path) as journal:
        await asyncio.gather(*(journal.put(f"film {n}", {"brief": "x" * 1000}) for n in range(jobs)))


async def refusal(path, **options):
    """Return the error of opening a file, and check that nothing changes."""
    before = {each.name: each.read_bytes() for each in path.parent.iterdir() if each.is_file()}
    with pytest.raises(JournalError) as caught:
        await SqliteJournal(path, **options).open()
    after = {each.name: each.read_bytes() for each in path.parent.iterdir() if each.is_file()}
    assert before == {name: content for name, content in after.items() if not name.endswith(("-shm", "-wal"))}
    assert str(path) in str(caught.value)
    return caught.value


# -- Bad files ------------------------------------------------------------------------------------------


async def test_some_other_file_is_no_journal(tmp_path):
    for number, content in enumerate([b"brief,title\nA mug,Mug\n", b"x", b"SQLite format 2" + bytes(200)]):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(content)
        assert "is no journal" in str(await refusal(path))


async def test_the_database_of_another_application_is_not_ours(tmp_path):
    for name, setup in {
        "plain": "CREATE TABLE customers (id)",
        "marked": "PRAGMA application_id = 7",
        "wal": "PRAGMA journal_mode = WAL; CREATE TABLE job (id)",
    }.items():
        path = tmp_path / name
        with closing(sqlite3.connect(path)) as database:
            database.executescript(setup)
        assert "another application" in str(await refusal(path))


async def test_a_journal_of_a_later_version_asks_for_an_upgrade(tmp_path):
    await make(path := tmp_path / "journal.db")
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")

    error = await refusal(path)

    assert f"layout {VERSION + 1}" in str(error)
    assert "upgrade" in str(error)


@pytest.mark.parametrize("damage", ["overwritten", "cut", "first page"])
async def test_a_damaged_journal_says_what_can_be_saved(tmp_path, damage):
    await make(path := tmp_path / "journal.db", jobs=100)
    whole = bytearray(path.read_bytes())
    if damage == "overwritten":
        whole[8192:40960] = os.urandom(32768)
    elif damage == "first page":
        whole[100:4000] = bytes(3900)
    path.write_bytes(whole[: len(whole) // 2] if damage == "cut" else whole)

    error = await refusal(path)

    assert "damaged" in str(error)
    assert ".recover" in str(error)


@pytest.mark.parametrize(("word", "damage"), [(b"STRICT", b"STRI\xb0T"), (b"CHECK", b"C\xb0ECK")])
async def test_a_journal_that_sqlite_complains_of_in_words_that_are_no_text_is_damaged(
    tmp_path, word, damage
):
    """SQLite quotes the file, and Python then fails to decode the message."""
    path = tmp_path / "journal.db"
    await make(path)
    path.write_bytes(path.read_bytes().replace(word, damage))

    assert "damaged" in str(await refusal(path))


async def test_a_journal_that_another_holds_is_locked(tmp_path):
    await make(path := tmp_path / "journal.db")
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("BEGIN IMMEDIATE")
        database.execute("UPDATE job SET attempt = 1")

        with pytest.raises(JournalLocked, match="another process"):
            await SqliteJournal(path, patience=0.05).open()
        database.rollback()


async def test_a_file_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    await make(path := tmp_path / "journal.db")
    monkeypatch.setattr(os, "access", lambda *_: False)

    assert "cannot be written" in str(await refusal(path))
    assert "cannot be written" in str(await refusal(tmp_path / "new.db"))


async def test_what_is_no_file_is_refused(tmp_path):
    assert "is no file" in str(await refusal(tmp_path))
    assert "no folder" in str(await refusal_of_folderless(tmp_path / "nowhere" / "journal.db"))
    with pytest.raises(ConfigurationError, match="MemoryJournal"):
        SqliteJournal(":memory:")


async def refusal_of_folderless(path):
    with pytest.raises(JournalError) as caught:
        await SqliteJournal(path).open()
    assert not path.parent.exists()
    return caught.value


async def test_an_empty_file_becomes_a_journal(tmp_path):
    path = tmp_path / "journal.db"
    path.touch()

    await make(path)


async def test_any_path_will_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    await make("ünï code? 100%#1.db")

    assert ["ünï code? 100%#1.db"] == [each.name for each in tmp_path.iterdir()]


async def test_two_may_make_one_journal_at_once(tmp_path):
    path = tmp_path / "journal.db"
    await asyncio.gather(*(make(path) for _ in range(8)))

    async with SqliteJournal(path) as journal:
        assert {"new": 3} == await journal.counts()


async def test_a_log_that_another_process_deletes_at_that_moment_is_no_trouble(tmp_path, monkeypatch):
    await make(path := tmp_path / "journal.db")
    look = Path.lstat

    def deleted_before(place):
        if place.name.endswith("-journal"):
            raise FileNotFoundError(place)
        return look(place)

    monkeypatch.setattr(Path, "lstat", deleted_before)
    monkeypatch.setattr(os.path, "lexists", lambda _: True)

    async with SqliteJournal(path) as journal:
        assert {"new": 3} == await journal.counts()


CLOSE_IN_ANOTHER_PROCESS = """
import asyncio, sys
from eversince_async.journal import SqliteJournal

async def main():
    async with SqliteJournal(sys.argv[1]) as journal:
        await journal.put("cup", {})

asyncio.run(main())
"""


def in_another_process(path):
    subprocess.run([sys.executable, "-c", CLOSE_IN_ANOTHER_PROCESS, path], check=True)


async def test_a_journal_opened_twice_here_keeps_its_log_when_another_process_closes_it(tmp_path):
    path = tmp_path / "journal.db"
    async with SqliteJournal(path) as journal:
        async with SqliteJournal(path):
            pass
        in_another_process(path)
        await journal.put("mug", {})

        assert {"new": 2} == await journal.counts()


async def test_a_journal_that_is_reported_here_keeps_its_log_when_another_process_closes_it(tmp_path):
    path = tmp_path / "journal.db"
    async with SqliteJournal(path) as journal:
        async with copy_to_read(path) as copy:
            assert {} == await copy.counts()
        in_another_process(path)
        await journal.put("mug", {})

        assert {"new": 2} == await journal.counts()


# -- Trouble while in use -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
async def test_a_file_deleted_while_in_use_is_noticed_before_a_write_is_acknowledged(tmp_path, name):
    async with SqliteJournal(tmp_path / "journal.db") as journal:
        await journal.put("mug", {})
        (tmp_path / name).unlink()

        for _ in range(2):
            with pytest.raises(JournalError, match="deleted"):
                await journal.put("cup", {})


async def test_a_file_replaced_while_in_use_is_noticed(tmp_path):
    path = tmp_path / "journal.db"
    async with SqliteJournal(path) as journal:
        await journal.put("mug", {})
        shutil.copy(path, tmp_path / "copy")
        (tmp_path / "copy").replace(path)

        with pytest.raises(JournalError, match="replaced"):
            await journal.put("cup", {})


async def test_a_file_put_back_is_used_again(tmp_path):
    path, away = tmp_path / "journal.db", tmp_path / "away.db"
    async with SqliteJournal(path) as journal:
        path.rename(away)
        with pytest.raises(JournalError, match="put it back"):
            await journal.put("mug", {})
        away.rename(path)

        await journal.put("cup", {})

    async with SqliteJournal(path) as journal:
        assert None is not await journal.load("cup")


async def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path):
    """The database may not grow, as on a full disk.

    SQLite raises the same error.
    """
    path = tmp_path / "journal.db"
    async with SqliteJournal(path) as journal:
        await journal.put("mug", {})
        await limit(journal, 30)
        told = await asyncio.gather(
            *(journal.put(f"film {n}", {"brief": "x" * 5000}) for n in range(100)), return_exceptions=True
        )
        acknowledged = {each.id for each in told if not isinstance(each, BaseException)}
        refused = {str(each) for each in told if isinstance(each, JournalError)}

        assert 100 > len(acknowledged)
        assert ["the disk is full"] == list({text.split(": ")[1] for text in refused})
        assert acknowledged | {"mug"} == {job.id async for job in journal.jobs()}
        await limit(journal, 10_000)
        await journal.put("after", {"brief": "x" * 5000})

    async with SqliteJournal(path) as journal:
        assert acknowledged | {"mug", "after"} == {job.id async for job in journal.jobs()}


async def limit(journal, pages):
    connection = journal._connection
    await journal._thread.call(lambda: connection.execute(f"PRAGMA max_page_count = {pages}").fetchall())


@pytest.mark.parametrize("case", ["full", "read-only"])
def test_a_real_disk_that(case, tmp_path):
    """The script runs in its own mount namespace, if possible."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        pytest.skip("needs Linux with user namespaces")
    script = [sys.executable, HERE / "real_disk.py", case, tmp_path]
    subprocess.run(["unshare", "-Urm", *script], check=True, timeout=180)


async def test_another_process_that_never_lets_go_is_named_and_nothing_is_written(tmp_path):
    path = tmp_path / "journal.db"
    async with SqliteJournal(path, patience=0.05) as journal:
        await journal.put("mug", {})
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            with pytest.raises(JournalLocked, match="another process"):
                await journal.put("cup", {})
            assert None is await journal.load("cup")
            database.execute("ROLLBACK")

        await journal.put("cup", {})


# -- For people -----------------------------------------------------------------------------------------


async def test_a_journal_reads_well_with_plain_sqlite(tmp_path):
    path = tmp_path / "journal.db"
    async with SqliteJournal(path) as journal:
        await journal.put("mug", {"brief": "A mug"})
        await journal.acquire("mug")
        effect = await journal.intent("mug", "render", {"quality": "4k"})
        await journal.done(effect, {"ok": True}, job=JobChange(stage="rendering", release=True))
        created = (await journal.load("mug")).created_at

    with closing(sqlite3.connect(path)) as database:
        assert [("mug", "rendering", '{"brief":"A mug"}')] == database.execute(
            "SELECT id, stage, spec FROM jobs"
        ).fetchall()
        ((shown,),) = database.execute("SELECT created FROM jobs")
        assert timedelta(milliseconds=2) > abs(created - datetime.fromisoformat(shown))
        assert [("mug", "render", "done", '{"quality":"4k"}')] == database.execute(
            "SELECT job, kind, state, request FROM effects WHERE done IS NOT NULL"
        ).fetchall()
        assert [("wal",)] == database.execute("PRAGMA journal_mode").fetchall()


async def test_no_secret_reaches_the_disk(tmp_path):
    secrets = {"es_live_hunter2": 0, "X-Amz-Signature=5eC1e7": 0, "5eC1e7": 0, "whsec_77": 0, "pa55word": 0}
    url = "https://user:pa55word@media.example/v.mp4?X-Amz-Expires=60&X-Amz-Signature=5eC1e7"
    leaky = {"text": f"see {url} with es_live_hunter2", "webhook_secret": "whsec_77", "list": [url]}
    path = tmp_path / "journal.db"
    async with SqliteJournal(path) as journal:
        await journal.put("mug", leaky)
        await journal.acquire("mug")
        effect = await journal.intent("mug", "share", leaky, baseline=leaky)
        change = JobChange(result=leaky, error=leaky)
        await journal.done(effect, leaky, claim=url, job=change)
        content = b"".join(each.read_bytes() for each in tmp_path.iterdir())

    assert secrets == {secret: content.count(secret.encode()) for secret in secrets}
