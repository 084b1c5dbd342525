"""Checks of a video's target, made before it is paid for."""

import asyncio
import os
from pathlib import Path
from typing import Final

from eversince_async._places import check_name, check_room
from eversince_async.errors import DownloadFailed
from eversince_async.transfers.partial_file import PartialFile, printable_path, run_in_thread, trouble


def check_folder(folder: Path) -> None:
    """Make a folder if necessary, and check that it accepts files.

    Raises:
        DownloadFailed: No file can be put there.
    """
    try:
        check_name(folder)
        folder.mkdir(parents=True, exist_ok=True)
        check_room(folder)
    except OSError as error:
        raise DownloadFailed(printable_path(folder), trouble(error), is_local=True) from None


async def need_writable(target: str) -> None:
    """Make sure that a video can be written to the target.

    The check is made before the video is paid for. It finds impossible names; folders, links, pipes and
    devices in the way; missing permissions; and a disk without any room. Folders are made.

    Args:
        target: The file or folder, as `Production.download` takes it.

    Raises:
        DownloadFailed: The video cannot be written there.
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
