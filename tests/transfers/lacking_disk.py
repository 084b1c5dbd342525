"""Run by a test in a mount namespace of its own: a disk that lacks something, and what is told of it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from eversince_async import DownloadFailed, Eversince, JournalError
from eversince_async.cli._report_files import check_writable
from eversince_async.emulator import Emulator
from eversince_async.journal import SqliteJournal
from eversince_async.testing.virtual_time import run

WORDS = {
    "rights": "cannot be written",
    "room": "the disk is full",
    "inodes": "the disk is full",
    "writing": "cannot be written",
}
"""What every sentence has, by what is lacking."""


def take_away(folder: Path, lack: str) -> None:
    options = "size=64k" if lack != "inodes" else "nr_inodes=3"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)
    match lack:
        case "room":
            with (folder / "filler").open("wb", buffering=0) as filler:
                while filler.write(bytes(4096)) == 4096 and filler.tell() < 64 * 1024:
                    pass
        case "inodes":
            for number in range(2):
                (folder / f"filler{number}").touch()
        case "writing":
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        case "rights":
            folder.chmod(0o555)
            drop_rights()


def drop_rights() -> None:
    """Have this process heed permissions: root in its own namespace does not have to."""
    import ctypes

    # PR_CAPBSET_DROP is not enough for a process that has them: so all capabilities are set to none.
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    assert 0 == libc.capset(header, (ctypes.c_uint32 * 6)()), os.strerror(ctypes.get_errno())


async def main(folder: Path, lack: str) -> None:
    take_away(folder, lack)
    words = WORDS[lack]
    async with Emulator() as emulator, Eversince(**emulator.connection) as eversince:
        for target in (folder / "film.mp4", f"{folder}/", folder):
            with pytest.raises(DownloadFailed, match=words):
                await eversince.produce("A mug", download=target)
        with pytest.raises(DownloadFailed, match=words):
            await eversince.batch(["A mug"], download=folder)
        assert 0 == emulator.world.counts["projects"]
    with pytest.raises(JournalError, match=words):
        await SqliteJournal(folder / "journal.db").open()
    problem = check_writable(folder / "report.html")
    assert problem is not None
    assert re.search(f"{words}|its folder cannot be written|the disk can only be read", problem), problem


if __name__ == "__main__":
    run(main(Path(sys.argv[1]), sys.argv[2]))
