"""A batch replaces only files that its journal wrote.

It pays for nothing that has no place.
"""

from __future__ import annotations

import pytest

from eversince_async.emulator import Emulator, Scenario
from eversince_async.errors import DownloadFailed, JournalError
from eversince_async.journal import SqliteJournal

FAST = Scenario(queued=2, running=20, images=20, videos=60, rendering=30, cycles=1, scenes=(1, 1))
OURS = "somebody's own"


@pytest.fixture
async def emulator():
    async with Emulator(scenario=FAST, credits=10_000) as emulator:
        yield emulator


def made(emulator):
    counts = emulator.world.counts
    return counts["projects"], counts["renders"], counts["shares"]


@pytest.mark.parametrize("journal", ["a.db", None])
async def test_a_file_that_is_there_is_not_replaced_and_nothing_is_paid(
    emulator, eversince, tmp_path, journal
):
    (tmp_path / "mug.mp4").write_text(OURS)
    items = [{"key": "mug", "brief": "A mug", "download": "mug.mp4"}]

    report = await eversince.batch(items, journal=tmp_path / journal if journal else None, download=tmp_path)

    (outcome,) = report.outcomes
    assert "paused" == outcome.status
    assert isinstance(outcome.error, DownloadFailed)
    assert "move it away" in str(outcome.error)
    assert OURS == (tmp_path / "mug.mp4").read_text()
    assert (0, 0, 0) == made(emulator)


async def test_a_file_that_appears_meanwhile_is_not_replaced(emulator, eversince, tmp_path):
    items = [{"key": "mug", "brief": "A mug", "download": "mug.mp4"}]
    options = {"journal": tmp_path / "a.db", "download": tmp_path}

    def appear(key, event):
        (tmp_path / "mug.mp4").write_text(OURS)

    first = await eversince.batch(items, on_event=appear, **options)
    assert {"paused": 1} == first.counts
    assert OURS == (tmp_path / "mug.mp4").read_text()

    (tmp_path / "mug.mp4").unlink()
    again = await eversince.batch(items, **options)
    assert {"succeeded": 1} == again.counts
    assert (1, 1, 1) == made(emulator)


async def test_two_rows_of_one_file_keep_the_first(emulator, eversince, tmp_path):
    items = [{"key": key, "brief": key, "download": "same.mp4"} for key in ("a", "b")]

    report = await eversince.batch(items, download=tmp_path, concurrency=1)

    assert {"succeeded": 1, "paused": 1} == report.counts


async def test_a_download_that_was_interrupted_goes_on_over_what_it_left(
    emulator, eversince, tmp_path, monkeypatch
):
    """The file is the journal's own, although no note says so.

    The process died between the rename of the file and the note.
    """
    items = [{"key": "mug", "brief": "A mug", "download": "mug.mp4"}]
    options = {"journal": tmp_path / "a.db", "download": tmp_path}
    done = SqliteJournal.done

    async def dies(self, effect, *args, **kwargs):
        if effect.kind == "download":
            raise JournalError("no power")
        return await done(self, effect, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(SqliteJournal, "done", dies)
        with pytest.raises(JournalError):
            await eversince.batch(items, **options)
    assert (tmp_path / "mug.mp4").exists()

    report = await eversince.batch(items, **options)

    assert {"succeeded": 1} == report.counts
    assert (1, 1, 1) == made(emulator)
