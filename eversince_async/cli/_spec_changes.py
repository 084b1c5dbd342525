"""Rows of a file that a journal knows with other wishes, and wishes that it knows under another key."""

from typing import Final

from eversince_async.batch.quality_gate import may_render_otherwise
from eversince_async.cli._batch_file import BatchFile
from eversince_async.journal import Journal, Json
from eversince_async.journal.differences import describe_differences
from eversince_async.journal.redaction import digest, redact_for_resend

WHAT_TO_DO: Final = (
    "What the journal has was begun, and paid for. Put those rows back as they were; or, to have them made "
    "as they are now as well, give them new keys, or a file of their own with a journal of its own."
)
"""For whoever has changed rows of a file."""


async def describe_changes(sheet: BatchFile, journal: Journal) -> list[tuple[int, str]]:
    """Rows that would fail, or be paid for a second time, because the file was edited since the last run.

    Rows are told apart by their keys. Where these are the numbers of lines, a line that is put in or taken
    out moves all below it to other keys.

    Returns:
        Lines, and what is different there.
    """
    if not await journal.counts():
        return []  # a new one
    wanted = {item.key: digest(redact_for_resend(item.spec)) for _, item in sheet.items()}
    changed, known, left = set[str](), set[str](), dict[str, str]()
    async for job in journal.jobs():
        if job.id in wanted:
            known.add(job.id)
            if wanted[job.id] == job.spec_sha:
                continue
            changed.add(job.id)
        # Under a key that was chosen, the same wishes once more may well be what is meant.
        if job.id.isdecimal() or not sheet.has_keys:
            left.setdefault(job.spec_sha, job.id)
    found: list[tuple[int, str]] = []
    if not changed and not left:
        return found
    for line, item in sheet.items():
        if item.key in changed and not await _may_render_otherwise(journal, item.key, item.spec):
            found.append((line, await _describe_change(journal, item.key, item.spec)))
        elif item.key not in changed and item.key not in known and wanted[item.key] in left:
            found.append((line, f"stands in the journal under the key {left[wanted[item.key]]!r}"))
    return found


async def _may_render_otherwise(journal: Journal, key: str, spec: Json) -> bool:
    job = await journal.load(key)
    return job is not None and await may_render_otherwise(journal, job, spec)


async def _describe_change(journal: Journal, key: str, spec: Json) -> str:
    job = await journal.load(key)
    assert job is not None
    there_is = ""
    if job.project_id is not None and job.stage != "succeeded":
        there_is = f"; its project can be seen through by `eversince resume {job.project_id}`"
    changed = describe_differences(job.spec, redact_for_resend(spec))
    return f"was something else under the key {key!r}: {changed}{there_is}"
