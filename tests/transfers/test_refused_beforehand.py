"""What cannot be written is refused before anything is paid for it, wherever it was to be written."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from eversince_async import DownloadFailed, JournalError, Run, pipeline
from eversince_async.batch.report import Report
from eversince_async.cli._report_files import check_writable
from eversince_async.errors import ConfigurationError
from eversince_async.journal import SqliteJournal

pytestmark = pytest.mark.slow

posix = pytest.mark.skipif(os.name != "posix", reason="other systems have other files")


def make_odd(folder: Path, kind: str) -> Path:
    """A path to which nothing can be written, and what is there."""
    path = folder / "film.mp4"
    match kind:
        case "a link":
            path.symlink_to(folder / "elsewhere.mp4")
        case "a link in a circle":
            path.symlink_to(path)
        case "a pipe":
            os.mkfifo(path)
        case "a pipe as its part":
            os.mkfifo(folder / "film.mp4.part")
        case "a folder as its note":
            (folder / "film.mp4.part.json").mkdir()
        case "below a file":
            path.write_bytes(b"mine")
            path /= "film.mp4"
        case "NUL":
            path = folder / "fi\0lm.mp4"
        case "half a surrogate":
            path = folder / "fi\ud800lm.mp4"
        case "too long":
            path = folder / f"{'x' * 300}.mp4"
        case "a folder too long":
            path = folder / ("x" * 300) / "film.mp4"
        case "a device":
            try:
                os.mknod(path, 0o20600, os.makedev(1, 3))
            except PermissionError:
                pytest.skip("needs the right to make devices")
    return path


ODD = [
    *("a link", "a link in a circle", "a pipe", "a pipe as its part", "a folder as its note", "below a file"),
    *("NUL", "half a surrogate", "too long", "a folder too long", "a device"),
]


@posix
@pytest.mark.parametrize("kind", ODD)
async def test_a_production_makes_no_project(emulator, eversince, tmp_path, kind):
    target = make_odd(tmp_path, kind)
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(DownloadFailed) as caught:
        await eversince.produce("A mug", download=target)

    str(caught.value).encode()  # it can be printed
    assert "\0" not in str(caught.value)
    assert 0 == emulator.world.counts["projects"]
    assert before == sorted(tmp_path.rglob("*"))


@posix
@pytest.mark.parametrize("kind", ODD)
async def test_a_project_that_is_resumed_is_not_rendered(emulator, eversince, tmp_path, kind):
    project = emulator.add_project()

    with pytest.raises(DownloadFailed):
        await eversince.resume(project.id, download=make_odd(tmp_path, kind))

    assert 0 == emulator.world.counts["renders"]


@posix
async def test_a_variation_is_not_asked_for(emulator, eversince, tmp_path):
    project = emulator.add_project(rendered=True)

    with pytest.raises(DownloadFailed):
        await eversince.variation(project.id, "A wide one", download=make_odd(tmp_path, "a pipe"))

    assert {"GET"} >= {route.partition(" ")[0] for route in emulator.world.log.routes()}


@pipeline
async def campaign(run: Run, target: str) -> str:
    """A film in a file."""
    return (await run.produce("A mug", download=target)).project_id


@posix
@pytest.mark.parametrize("kind", ["a pipe", "too long", "half a surrogate"])
async def test_a_pipeline_makes_no_project(emulator, eversince, tmp_path, kind):
    with pytest.raises((DownloadFailed, JournalError)):
        await eversince.run(
            campaign, str(make_odd(tmp_path, kind)), key="mug", journal=tmp_path / "journal.db"
        )

    assert 0 == emulator.world.counts["projects"]


@posix
async def test_rows_of_a_batch_make_no_project_and_others_are_made(emulator, eversince, tmp_path):
    films = tmp_path / "films"
    films.mkdir()
    os.mkfifo(films / "pipe.mp4")
    rows = [{"brief": "A mug", "download": "pipe.mp4"}, {"brief": "A cup", "download": "cup.mp4"}]

    report = await eversince.batch(rows, download=films)

    assert {"paused": 1, "succeeded": 1} == dict(report.counts)
    assert 1 == emulator.world.counts["projects"]


async def test_a_file_that_is_there_is_no_hindrance(emulator, eversince, tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"an older one")

    made = await eversince.produce("A mug", download=tmp_path / "film.mp4")

    assert (tmp_path / "film.mp4",) == made.files


async def test_nothing_is_left_behind_by_looking(emulator, eversince, tmp_path):
    await eversince.produce("A mug", download=tmp_path / "film.mp4")

    assert ["film.mp4"] == [each.name for each in tmp_path.iterdir()]


# -- Reports ----------------------------------------------------------------------------------------------

REPORTS = ["a link", "a pipe", "below a file", "NUL", "half a surrogate", "too long", "a device"]


def odd_report(folder: Path, kind: str) -> Path:
    path = make_odd(folder, kind)
    page = path.with_name(path.name.replace(".mp4", ".html"))
    if os.path.lexists(folder / "film.mp4") and page.parent == folder:
        (folder / "film.mp4").rename(page)
    return page


@posix
@pytest.mark.parametrize("kind", REPORTS)
def test_a_report_is_refused_in_words(tmp_path, kind):
    problem = check_writable(odd_report(tmp_path, kind))

    assert problem is not None
    assert "Errno" not in problem


@posix
@pytest.mark.parametrize("kind", ["a pipe", "a device"])
def test_a_report_does_not_replace_what_is_no_file(tmp_path, kind):
    """Neither is it waited for."""
    path = odd_report(tmp_path, kind)
    before = path.lstat().st_mode

    with pytest.raises(OSError, match="a pipe, a socket or a device"):
        Report(counts={}).to_html(path)
    assert before == path.lstat().st_mode


# -- Journals ---------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("kind", ["a pipe", "below a file", "too long", "a device", "a link"])
async def test_a_journal_is_refused_in_words(tmp_path, kind):
    with pytest.raises(JournalError) as caught:
        await SqliteJournal(make_odd(tmp_path, kind)).open()
    assert "Errno" not in str(caught.value)


@pytest.mark.parametrize("name", ["a\0b.db", "a\ud800b.db"], ids=["NUL", "half a surrogate"])
def test_what_cannot_be_the_name_of_a_journal_is_refused_at_once(tmp_path, name):
    with pytest.raises(ConfigurationError, match="cannot be the name of a file"):
        SqliteJournal(tmp_path / name)


@posix
@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/null")], ids=["pipe", "link"])
async def test_nor_is_anything_but_its_own_files_beside_it(tmp_path, ending, make):
    async with SqliteJournal(tmp_path / "journal.db") as journal:
        await journal.put("mug", {})
    with contextlib.suppress(FileNotFoundError):
        (tmp_path / f"journal.db{ending}").unlink()
    make(tmp_path / f"journal.db{ending}")

    with pytest.raises(JournalError, match=f"journal.db{ending}: is no file of the journal's"):
        await SqliteJournal(tmp_path / "journal.db").open()


# -- Rights and room --------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("lack", ["rights", "room", "inodes", "writing"])
def test_what_a_real_disk_does_not_allow_is_told_before_anything_is_paid(tmp_path, lack):
    """In a mount namespace of its own, where one can be had."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        pytest.skip("needs Linux with user namespaces")
    script = [sys.executable, Path(__file__).with_name("lacking_disk.py"), tmp_path, lack]
    subprocess.run(["unshare", "-Urm", *script], check=True, timeout=120)
