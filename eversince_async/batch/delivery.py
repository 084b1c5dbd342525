"""Whether a finished item has all that was asked for, and whether its files are still there."""

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
    """What the journal keeps of what a production has come to."""
    return {
        "project_id": production.project_id,
        "share_url": production.share_url,
        "files": [str(path) for path in production.files],
        "has_video": production.assembled_url is not None,
    }


def is_complete(item: Item, job: Job) -> bool:
    """Whether what an item asks for was delivered by an earlier run; a pipeline sees to that itself."""
    delivery = item.to_do
    return item.call is not None or is_delivered(
        job.result, shares=delivery.share is not None, downloads=delivery.download is not None
    )


def is_delivered(made: Json, *, shares: bool, downloads: bool) -> bool:
    """Whether what was made has a public page and a file, as far as its job tells.

    What has no video, as a project of single assets, has nothing to be shared or downloaded. Journals of
    earlier versions do not tell that: then one look at the project does, once.

    Args:
        made: What the job keeps.
        shares: Whether a page is asked for.
        downloads: Whether a file is.
    """
    if not isinstance(made, Mapping) or "share_url" not in made or made.get("has_video") is False:
        return True
    return (not shares or made["share_url"] is not None) and (not downloads or bool(made.get("files")))


async def missing_files(job: Job) -> tuple[Path, ...]:
    """The files that an item's earlier runs have written and that are gone, or empty, by now.

    Any other size is taken for the user's own doing, who may have cut or packed the video.
    """
    if job.stage != "succeeded" or not isinstance(job.result, Mapping):
        return ()
    paths = files_of(job)
    return await asyncio.to_thread(_missing, paths) if paths else ()


def files_of(job: Job) -> tuple[Path, ...]:
    """The files that a job keeps.

    Raises:
        UnreadableRow: It keeps something else.
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
    """Whether there is a file with anything in it; one that cannot be looked at is not there for us."""
    try:
        return path.is_file() and path.stat().st_size > 0
    except (OSError, ValueError):
        return False
