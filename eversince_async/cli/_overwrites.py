"""Rows whose video would replace a file that their journal did not write."""

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
    """Rows whose video would replace something that is not theirs.

    Args:
        sheet: The rows.
        journal: What an earlier run has done; None: there was none.
        reserved: Files that belong to this run, and what they are.

    Returns:
        Lines, and what is wrong there.
    """
    used = {_place(path): what for path, what in reserved.items()}
    found: list[tuple[int, str]] = []
    for line, item in sheet.items():
        target = item.delivery.download
        if target is None or target.endswith(("/", os.sep)):  # in a folder, its name is its project's
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
    """Whether nothing is downloaded for it any more."""
    return job.stage == "succeeded" and is_complete(item, job)


async def _was_begun(journal: Journal, key: str, target: str) -> bool:
    return any(
        effect.kind == "download" and is_same_file(effect.request, target)
        for effect in await journal.effects(key)
    )


def is_same_file(request: object, target: str) -> bool:
    """Whether what a journal has of a download went to the same place."""
    path = request.get("path") if isinstance(request, Mapping) else None
    return isinstance(path, str) and os.path.abspath(path) == os.path.abspath(target)
