"""Checks of a finished item's deliveries and of its files."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eversince_async._places import check_name
from eversince_async.batch.items import Item
from eversince_async.journal import Job, Json
from eversince_async.journal.fields import Field
from eversince_async.orchestrator.production import Production


def to_keep(production: Production) -> dict[str, Any]:
    """Return the values of a finished production that the journal stores."""
    return {
        "project_id": production.project_id,
        "share_url": production.share_url,
        "files": [str(path) for path in production.files],
        "has_video": production.assembled_url is not None,
    }


def is_complete(item: Item, job: Job) -> bool:
    """Return True if an earlier run delivered everything an item asks for.

    This is always true of a pipeline, which takes care of its own deliveries.
    """
    delivery = item.to_do
    return item.call is not None or is_delivered(
        job.result, shares=delivery.share is not None, downloads=delivery.download is not None
    )


def is_delivered(made: Json, *, shares: bool, downloads: bool) -> bool:
    """Return True if a job's result has the required page and file.

    A project without a video, such as one of single assets, has nothing to share or download, and counts as
    delivered. Journals of earlier versions do not record whether there is a video; then one poll of the
    project answers that, once.

    Args:
        made: The result that the job stores.
        shares: True if a public page is required.
        downloads: True if a file is required.
    """
    if not isinstance(made, Mapping) or "share_url" not in made or made.get("has_video") is False:
        return True
    return (not shares or made["share_url"] is not None) and (not downloads or bool(made.get("files")))


async def missing_files(job: Job) -> tuple[Path, ...]:
    """Return the files of earlier downloads that are gone or empty.

    A file of any other size counts as the user's own change, such as a cut or a compressed video.
    """
    if job.stage != "succeeded" or not isinstance(job.result, Mapping):
        return ()
    paths = files_of(job)
    return await asyncio.to_thread(_missing, paths) if paths else ()


def files_of(job: Job) -> tuple[Path, ...]:
    """Return the files that a job's result lists.

    Raises:
        UnreadableRow: The result lists anything other than file names.
    """
    files = None if job.result is None else Field.of(job, "result").get("files")
    if files is None:
        return ()
    for name in files.texts():
        try:
            check_name(name)
        except OSError:
            files.wrong(f"holds {name!a}, which cannot be the name of a file")
    return tuple(map(Path, files.texts()))


def _missing(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    return tuple(path for path in paths if not _has_bytes(path))


def _has_bytes(path: Path) -> bool:
    """Return True if a path is a file with any content.

    A path that cannot be inspected counts as missing.
    """
    try:
        return path.is_file() and path.stat().st_size > 0
    except (OSError, ValueError):
        return False
