"""No pipeline's secret gets into its journal, events or errors."""

from __future__ import annotations

import asyncio
import sqlite3
from urllib.parse import urlsplit

from eversince_async import Eversince, Run, UrlReference, pipeline
from eversince_async.journal import SqliteJournal
from helpers.pipeline_runs import campaign, one_film

SIGNED = "https://r2.example/logo.png?X-Amz-Signature=0123456789abcdef0123456789abcdef"


@pipeline
async def with_signed_reference(run: Run, url: str) -> str:
    film = await run.produce("A film", references=[UrlReference(url=url, type="image")])
    await run.sleep(3600)
    return film.project_id


def written_in(journal) -> str:
    """Return all rows of a journal as text."""
    with sqlite3.connect(journal) as connection:
        tables = ("job", "effect")
        rows = [row for table in tables for row in connection.execute(f"SELECT * FROM {table}")]
    connection.close()
    return repr(rows)


async def test_the_signatures_of_videos_are_not_written_down(emulator, eversince, journal, photo):
    async def agree() -> None:
        while not await eversince.approvals(journal=journal):
            await asyncio.sleep(10)
        await eversince.approve("mug", journal=journal)

    agreeing = asyncio.create_task(agree())
    made = await eversince.run(campaign, "A film", photo, key="mug", journal=journal)
    await agreeing
    url = urlsplit(made.master.assembled_url)
    written = written_in(journal)

    assert url.query
    assert url.path in written
    assert url.query not in written
    assert emulator.connection["api_key"] not in written


async def test_a_remembered_production_downloads_by_a_fresh_signature(emulator, eversince, journal, tmp_path):
    await eversince.run(one_film, "A film", key="mug", journal=journal)
    async with Eversince(**emulator.connection) as other:
        film = await other.run(one_film, "A film", key="mug", journal=journal)

        file = await film.download(tmp_path / "mug.mp4")

    assert file.stat().st_size


async def test_a_remembered_production_can_be_read_again(emulator, eversince, journal):
    first = await eversince.run(one_film, "A film", key="mug", journal=journal)
    film = await eversince.run(one_film, "A film", key="mug", journal=journal)

    again = await film.refresh()

    assert "" == urlsplit(film.assembled_url).query
    assert "" != urlsplit(again.assembled_url).query
    assert first.share == again.share


async def test_a_signed_reference_is_sent_and_not_written_down(emulator, eversince, journal):
    """The next run passes the reference again.

    The journal cannot show that it is the same.
    """
    running = asyncio.ensure_future(_run(eversince, journal))
    await asyncio.sleep(600)
    running.cancel()
    await asyncio.wait([running])

    project_id = await _run(eversince, journal)

    assert project_id in emulator.world.projects
    assert "0123456789abcdef" not in written_in(journal)
    assert 1 == emulator.world.counts["projects"]


async def _run(eversince: Eversince, journal: object) -> str:
    return await eversince.run(with_signed_reference, SIGNED, key="mug", journal=journal)


async def test_a_run_shows_none_of_its_arguments(eversince, journal):
    async with SqliteJournal(journal) as opened:
        running = eversince.run(with_signed_reference, SIGNED, key="mug", journal=opened)
        shown = repr(running)
        await running

    assert "0123456789abcdef" not in shown
