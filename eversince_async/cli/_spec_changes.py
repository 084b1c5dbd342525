"""The check for rows that were edited since their journal recorded them."""

from typing import Final

from eversince_async.account.quality_gate import may_render_otherwise
from eversince_async.cli._batch_file import BatchFile
from eversince_async.journal import Journal, Json
from eversince_async.journal.differences import describe_differences
from eversince_async.journal.redaction import digest, redact_for_resend

WHAT_TO_DO: Final = (
    "The videos in the journal were begun, and paid for. Put those rows back as they were; or, to have them "
    "made as they are now as well, give them new keys, or a file of their own with a journal of its own."
)
"""The advice for a person who has changed rows of a file."""


async def describe_changes(sheet: BatchFile, journal: Journal) -> list[tuple[int, str]]:
    """Find rows that were edited since the journal recorded them.

    Such rows would fail, or be paid for a second time. Rows are distinguished by their keys. If line numbers
    are the keys, inserting or deleting a line changes the keys of all rows below it.

    Returns:
        The line numbers, each with the difference there.
    """
    if not await journal.counts():
        return []  # the journal is new
    wanted = {item.key: digest(redact_for_resend(item.spec)) for _, item in sheet.items()}
    changed, known, left = set[str](), set[str](), dict[str, str]()
    async for job in journal.jobs():
        if job.id in wanted:
            known.add(job.id)
            if wanted[job.id] == job.spec_sha:
                continue
            changed.add(job.id)
        # Under a key that a person chose, a second video of the same brief may well be intended.
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
        there_is = f"; `eversince resume {job.project_id}` continues its project"
    changed = describe_differences(job.spec, redact_for_resend(spec))
    return f"was something else under the key {key!r}: {changed}{there_is}"
