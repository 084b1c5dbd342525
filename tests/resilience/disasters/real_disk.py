"""A batch whose journal and videos fill a real disk.

A test runs this script in a mount namespace of its own.
"""

import asyncio
import subprocess
import sys
from pathlib import Path

from eversince_async import Eversince
from eversince_async.emulator import Emulator
from eversince_async.errors import DownloadFailed, JournalError
from eversince_async.testing.virtual_time import run
from helpers.batch_runs import QUICK, Campaign


def mount(options: str, folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)


async def main(folder: Path) -> None:
    mount("size=1500k", folder)
    campaign = Campaign(folder, items=12)
    async with (
        Emulator(scenario=QUICK, studio_projects=False, video_bytes=300_000) as emulator,
        Eversince(**emulator.connection) as eversince,
    ):
        try:
            stopped = await campaign.batch(eversince)
        except JournalError as problem:  # the journal or a video, depending on which is refused first
            told = str(problem)
        else:
            assert isinstance(stopped.cause, DownloadFailed), stopped
            told = str(stopped.paused)
        assert "the disk is full" in told, told
        assert emulator.world.counts["projects"] < 12, "more was begun"
        mount("remount,size=20m", folder)
        await asyncio.sleep(300)  # unreleased leases run out
        await campaign.check(emulator, await campaign.batch(eversince))


if __name__ == "__main__":
    run(main(Path(sys.argv[1])))
