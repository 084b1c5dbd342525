"""The check for rows whose video would replace another file."""

import os
from collections.abc import Mapping
from pathlib import Path

from eversince_async.batch.delivery import is_complete
from eversince_async.batch.items import Item
from eversince_async.cli._batch_file import BatchFile
from eversince_async.journal import Job, Journal
from eversince_async.orchestrator.produce import OCCUPIED, is_file_there


async def find_overwrites(
    sheet: BatchFile, journal: Journal | None, reserved: Mapping[Path, str]
) -> list[tuple[int, str]]:
    """Find the rows whose video would replace a file of another origin.

    Args:
        sheet: The rows.
        journal: The journal of an earlier run; None if there is none.
        reserved: Files that belong to this run, with the name of each.

    Returns:
        The line numbers, each with the problem there.
    """
    used = {_place(path): what for path, what in reserved.items()}
    found: list[tuple[int, str]] = []
    for line, item in sheet.items():
        target = item.delivery.download
        if target is None or target.endswith(("/", os.sep)):  # a folder: the file is named by the project
            continue
        if (what := used.get(_place(target))) is not None:
            found.append((line, f"download {target!r} is {what}"))
        elif is_file_there(target) and not await _is_ours(journal, item, target):
            found.append((line, f"download {target!r}: {OCCUPIED}"))
    return found


def _place(path: str | os.PathLike[str]) -> str:
    return os.path.realpath(path)


async def _is_ours(journal: Journal | None, item: Item, target: str) -> bool:
    job = None if journal is None else await journal.load(item.key)
    if journal is None or job is None:
        return False
    return _will_stay(job, item) or await _was_begun(journal, item.key, target)


def _will_stay(job: Job, item: Item) -> bool:
    """Return True if the item is complete, so that no download follows."""
    return job.stage == "succeeded" and is_complete(item, job)


async def _was_begun(journal: Journal, key: str, target: str) -> bool:
    return any(
        effect.kind == "download" and is_same_file(effect.request, target)
        for effect in await journal.effects(key)
    )


def is_same_file(request: object, target: str) -> bool:
    """Return True if a recorded download went to the target."""
    path = request.get("path") if isinstance(request, Mapping) else None
    return isinstance(path, str) and os.path.abspath(path) == os.path.abspath(target)
