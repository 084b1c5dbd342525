"""Where a download may go: folders, long names, taken names, and two at once."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from eversince_async import DownloadFailed
from eversince_async.transfers.partial_file import PartialFile


@pytest.fixture
async def film(emulator, eversince):
    """A production whose video is there."""
    return await eversince.resume(emulator.add_project(rendered=True).id, share=False)


async def test_into_a_folder_it_is_named_after_the_project(film, tmp_path):
    assert tmp_path / f"{film.project_id}.mp4" == await film.download(tmp_path)


ODD_IDS = [
    "../../escaped",
    "/absolute",
    "sub/x",
    "..\\..\\x",
    "a\0b",
    "..",
    "",
    "a\nb\x1b[31m",
    "CON",
    "nul.x",
    "é",
    "x" * 500,
]


@pytest.mark.parametrize("project_id", ODD_IDS, ids=ascii)
async def test_no_id_of_a_project_leads_out_of_the_folder(film, tmp_path, project_id):
    """Ids come from the server."""
    odd = attrs.evolve(film, project=attrs.evolve(film.project, id=project_id))
    path = await odd.download(tmp_path)

    assert tmp_path == path.parent
    assert path.name.isprintable()
    assert path.stem.lower() not in {"con", "nul.x", "."}


async def test_a_path_that_ends_in_a_slash_is_a_folder_that_is_made(film, tmp_path):
    path = await film.download(f"{tmp_path}/films/of/today/")

    assert tmp_path / "films" / "of" / "today" / f"{film.project_id}.mp4" == path
    assert path.is_file()


async def test_missing_folders_are_made(film, tmp_path):
    assert (await film.download(tmp_path / "a" / "b.mp4")).is_file()


async def test_what_was_there_is_replaced(film, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"old")

    await film.download(path)

    assert path.stat().st_size > 3


async def test_the_longest_name_a_file_can_have_is_good(film, tmp_path):
    """The `.part` is named otherwise then."""
    path = tmp_path / ("ü" * 125 + ".mp4")

    assert path == await film.download(path)
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="names are counted otherwise there")
async def test_a_name_that_is_too_long_fails_before_anything_is_fetched(film, tmp_path, emulator):
    before = len(emulator.world.log)

    with pytest.raises(DownloadFailed, match="the name is too long"):
        await film.download(tmp_path / ("x" * 300))
    assert before == len(emulator.world.log)


async def test_a_file_as_a_folder_fails_before_anything_is_fetched(film, tmp_path, emulator):
    (tmp_path / "file").write_text("not a folder")
    before = len(emulator.world.log)

    with pytest.raises(DownloadFailed, match="cannot be written"):
        await film.download(tmp_path / "file" / "film.mp4")
    assert before == len(emulator.world.log)


async def test_a_folder_that_cannot_be_written_to_fails_before_anything_is_fetched(
    film, tmp_path, emulator, monkeypatch
):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)  # root may write anywhere
    before = len(emulator.world.log)

    with pytest.raises(DownloadFailed, match="its folder cannot be written to"):
        await film.download(tmp_path / "film.mp4")
    assert before == len(emulator.world.log)


async def test_a_full_disk_keeps_what_has_arrived(film, tmp_path, monkeypatch):
    def full(self: PartialFile, chunks: list[bytes]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(PartialFile, "append", full)

    with pytest.raises(DownloadFailed, match="the disk is full; make room and download again"):
        await film.download(tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()
    monkeypatch.undo()
    assert (await film.download(tmp_path / "film.mp4")).is_file()


async def test_a_second_download_to_the_same_path_is_refused_and_the_first_goes_on(film, tmp_path):
    path = tmp_path / "film.mp4"
    has_begun, refused = asyncio.Event(), asyncio.Event()

    async def lingering(_: int, __: int | None) -> None:
        has_begun.set()
        await refused.wait()

    first = asyncio.create_task(film.download(path, on_progress=lingering))
    await has_begun.wait()

    with pytest.raises(DownloadFailed, match="another download to this path is under way"):
        await film.download(tmp_path / "." / "film.mp4")
    refused.set()
    assert path == await first


async def test_the_path_is_free_again_after_a_failure(film, tmp_path, monkeypatch):
    def broken(self: PartialFile) -> None:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(PartialFile, "load", broken)
    with pytest.raises(DownloadFailed):
        await film.download(tmp_path / "film.mp4")
    monkeypatch.undo()

    assert (await film.download(tmp_path / "film.mp4")).is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such lock there")
async def test_another_process_that_downloads_to_the_same_path_is_noticed(film, tmp_path):
    import fcntl

    with (tmp_path / "film.mp4.part").open("wb") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        theirs.write(b"theirs")
        theirs.flush()

        with pytest.raises(DownloadFailed, match="another process is downloading to it"):
            await film.download(tmp_path / "film.mp4")
    assert b"theirs" == (tmp_path / "film.mp4.part").read_bytes()


@pytest.mark.parametrize("name", ["film.mp4.part", "film.mp4.part.json", "film.mp4"])
@pytest.mark.parametrize("link", [os.symlink, os.link])
async def test_a_link_in_the_way_is_neither_followed_nor_replaced(film, tmp_path, name, link):
    precious, target = tmp_path / "precious", tmp_path / "films" / "film.mp4"
    precious.write_text("precious")
    target.parent.mkdir()
    link(precious, target.parent / name)

    if link is os.link and name == "film.mp4":  # a file as any other: its name gets another one
        await film.download(target)
    else:
        with pytest.raises(DownloadFailed, match="link"):
            await film.download(target)
        assert (target.parent / name).samefile(precious)
    assert "precious" == precious.read_text()


async def test_a_link_to_nowhere_is_none_to_make_a_file_by(film, tmp_path):
    (tmp_path / "film.mp4").symlink_to(tmp_path / "nowhere")

    with pytest.raises(DownloadFailed, match="it is a link"):
        await film.download(tmp_path / "film.mp4")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such pipes there")
@pytest.mark.parametrize("name", ["film.mp4.part", "film.mp4.part.json", "film.mp4"])
async def test_a_pipe_in_the_way_is_neither_waited_for_nor_replaced(film, tmp_path, emulator, name):
    os.mkfifo(tmp_path / name)
    if name == "film.mp4.part.json":
        (tmp_path / "film.mp4.part").write_bytes(b"x")

    with pytest.raises(DownloadFailed, match="pipe"):
        await film.download(tmp_path / "film.mp4")
    assert (tmp_path / name).is_fifo()


@pytest.mark.parametrize("note", ["[" * 100_000, "{}", "\ud800", '{"etag": 1, "total": 1}'], ids=len)
async def test_a_note_that_makes_no_sense_begins_anew(film, tmp_path, note):
    (tmp_path / "film.mp4.part").write_bytes(b"x")
    (tmp_path / "film.mp4.part.json").write_text(note, "utf-8", "surrogatepass")

    assert b"ftyp" in (await film.download(tmp_path / "film.mp4")).read_bytes()[:16]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such sockets there")
async def test_a_socket_in_the_way_is_not_replaced(film, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # its address may not be long
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind("film.mp4")

        with pytest.raises(DownloadFailed, match="no file but a pipe, a socket or a device"):
            await film.download("film.mp4")
        assert Path("film.mp4").is_socket()


@pytest.mark.parametrize("name", ["a\0b.mp4", "\ud800.mp4"])
async def test_what_cannot_be_a_name_is_refused_in_words(film, tmp_path, name):
    with pytest.raises(DownloadFailed, match="cannot be the name of a file"):
        await film.download(tmp_path / name)


async def test_a_part_that_somebody_else_wrote_to_is_not_passed_off_as_the_file(film, tmp_path, monkeypatch):
    close: Any = PartialFile.close

    def meddled(self: PartialFile, chunks: list[bytes]) -> None:
        close(self, chunks)
        with self.file.open("ab") as file:
            file.write(b"+")

    monkeypatch.setattr(PartialFile, "close", meddled)

    with pytest.raises(DownloadFailed, match="another program has written"):
        await film.download(tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()
