"""Where a video is to be written: looked at before anything is paid for it."""

import asyncio
import os
from pathlib import Path
from typing import Final

from eversince_async._places import check_name, check_room
from eversince_async.errors import DownloadFailed
from eversince_async.transfers.partial_file import PartialFile, printable_path, run_in_thread, trouble


def check_folder(folder: Path) -> None:
    """Make a folder if there is none, and find out whether files can be put there.

    Raises:
        DownloadFailed: They cannot.
    """
    try:
        check_name(folder)
        folder.mkdir(parents=True, exist_ok=True)
        check_room(folder)
    except OSError as error:
        raise DownloadFailed(printable_path(folder), trouble(error), is_local=True) from None


async def need_writable(target: str) -> None:
    """Make sure, before anything is paid for it, that a video can be written to a file or a folder.

    What can be found out is: names that cannot be, folders, links, pipes and devices in the way, missing
    permissions, and a disk without any room. Folders are made.

    Args:
        target: As `Production.download` takes it.

    Raises:
        DownloadFailed: It cannot.
    """
    path = Path(target)
    if target.endswith(_SLASHES) or await asyncio.to_thread(_is_folder, path):
        await asyncio.to_thread(check_folder, path)
    else:
        part = PartialFile(path)
        await run_in_thread(part, part.probe)


_SLASHES: Final = ("/", os.sep)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
