"""Locks of either kind of system; what is not here is stood in for."""

from __future__ import annotations

import errno
import os
import sys
from types import SimpleNamespace

import pytest

from eversince_async.transfers.file_lock import BEHIND, lock


@pytest.fixture
def windows(monkeypatch):
    """Its locks, as they stand in its C library: of a byte at the place where the file stands."""
    taken = set()

    def locking(number, mode, count):
        assert (2, 1) == (mode, count)
        place = (os.fstat(number).st_ino, os.lseek(number, 0, os.SEEK_CUR))
        if place in taken:
            raise PermissionError(errno.EACCES, "Permission denied")
        taken.add(place)

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))
    monkeypatch.setattr("eversince_async.transfers.file_lock.sys", SimpleNamespace(platform="win32"))
    return taken


def test_windows_locks_a_byte_that_nobody_writes(windows, tmp_path):
    with (tmp_path / "film.part").open("w+b") as file:
        file.write(b"abc")
        lock(file)
        file.write(b"def")

    assert {BEHIND} == {place for _, place in windows}
    assert b"abcdef" == (tmp_path / "film.part").read_bytes()


def test_windows_refuses_who_comes_second(windows, tmp_path):
    with (tmp_path / "film.part").open("w+b") as first, (tmp_path / "film.part").open("r+b") as second:
        lock(first)
        with pytest.raises(OSError, match="another process is downloading to it") as refused:
            lock(second)

    assert errno.EBUSY == refused.value.errno


async def test_a_download_on_windows_ends_as_everywhere(windows, emulator, eversince, tmp_path):
    film = await eversince.resume(emulator.add_project(rendered=True).id, share=False)

    assert (await film.download(tmp_path / "film.mp4")).is_file()
    assert windows


@pytest.mark.skipif(sys.platform == "win32", reason="fcntl is POSIX's")
def test_elsewhere_who_comes_second_is_refused_too(tmp_path):
    with (tmp_path / "film.part").open("w+b") as first, (tmp_path / "film.part").open("r+b") as second:
        lock(first)
        with pytest.raises(OSError, match="another process is downloading to it"):
            lock(second)


def test_a_file_system_without_locks_does_without(monkeypatch, tmp_path):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("eversince_async.transfers.file_lock._lock_on_posix", none)
    with (tmp_path / "film.part").open("w+b") as file:
        lock(file)


async def test_a_system_without_the_flags_of_posix_downloads_as_well(
    windows, emulator, eversince, tmp_path, monkeypatch
):
    """Windows can open no folder, and knows neither links that are not to be followed nor waits for pipes."""
    for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_DIRECTORY"):
        monkeypatch.delattr(os, flag, raising=False)
    monkeypatch.setattr(os, "O_BINARY", 0, raising=False)

    made = await eversince.produce("A mug", download=tmp_path / "film.mp4")

    assert [tmp_path / "film.mp4"] == list(tmp_path.iterdir()) == list(made.files)
