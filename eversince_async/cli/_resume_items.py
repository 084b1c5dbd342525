"""Items of a batch, read back from its journal."""

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

import attrs

from eversince_async._file_names import file_name, fold_name
from eversince_async.account.quality_gate import may_render_otherwise
from eversince_async.batch.delivery import is_delivered
from eversince_async.batch.items import SENT
from eversince_async.durable.status import RUNNING, WAITING
from eversince_async.journal import Job, Journal
from eversince_async.journal.fields import Field
from eversince_async.journal.redaction import is_unredacted
from eversince_async.orchestrator.options import Unchecked

SHOWN: Final = 10
"""The most names that a note lists; it counts the others."""


@attrs.frozen
class ResumableItems:
    """The resumable items of a journal, as an async iterable.

    Attributes:
        journal: The journal.
        folder: The folder for the videos; None for no download.
        quality: The quality for videos that are not rendered yet; None keeps the quality of each item.
        keys: The keys of the videos that this command can resume.
        pipeline_keys: The keys of jobs of a pipeline, which only its program can resume.
        incomplete: The keys of videos that were not started, and whose rows have a secret that the journal
            must not keep.
    """

    journal: Journal
    folder: Path | None
    quality: str | None = None
    keys: list[str] = attrs.field(factory=list[str])
    pipeline_keys: list[str] = attrs.field(factory=list[str])
    incomplete: list[str] = attrs.field(factory=list[str])

    @classmethod
    async def read(
        cls, journal: Journal, folder: Path | None, *, retry_failed: bool, quality: str | None
    ) -> Self:
        """Read the resumable items from a journal."""
        found = cls(journal, folder, quality)
        async for job in journal.jobs(RUNNING, WAITING, *(["failed"] if retry_failed else [])):
            found._group_of(job).append(job.id)
        async for job in journal.jobs("succeeded"):
            if is_of_batch(job) and not found._has_all(job):
                found.keys.append(job.id)
        return found

    def _has_all(self, job: Job) -> bool:
        """Return True if a finished video has the requested page and file."""
        shares, downloads = job.spec["share"] is not None, self.folder is not None
        return is_delivered(job.result, shares=shares, downloads=downloads)

    def _group_of(self, job: Job) -> list[str]:
        if not is_of_batch(job):
            return self.pipeline_keys
        return self.keys if job.project_id is not None or is_unredacted(job.spec) else self.incomplete

    @property
    def is_left(self) -> bool:
        """True if the journal has jobs that this command cannot resume."""
        return bool(self.pipeline_keys or self.incomplete)

    def notes(self) -> Iterator[str]:
        """Yield notes on the jobs that this command cannot resume."""
        if self.pipeline_keys:
            yield (
                f"{_names(self.pipeline_keys)}: of a pipeline; run its program again, which goes on with it "
                "(`eversince approve` lists the questions that wait for an answer)"
            )
        if self.incomplete:
            yield (
                f"{_names(self.incomplete)}: not begun, and with a secret address, which no journal "
                "keeps; type the command with the file of rows again"
            )

    async def __aiter__(self) -> AsyncIterator[Mapping[str, Any]]:
        taken = set[str]()
        for key in self.keys:
            job = await self.journal.load(key)
            if job is not None:
                yield await self._item(job, taken)

    async def _item(self, job: Job, taken: set[str]) -> Mapping[str, Any]:
        """Rebuild an item from its job, perhaps with another quality."""
        quality, share = _wishes_of(job)
        otherwise = {**job.spec, "render": self.quality}
        if self.quality is not None and await may_render_otherwise(self.journal, job, otherwise):
            quality = self.quality
        brief = {"brief": None, **Field.of(job, "spec")["brief"].mapping()}
        item = {
            **{name: value for name, value in brief.items() if name in SENT},
            "extra": {name: value for name, value in brief.items() if name not in SENT},
            "key": job.id,
            "render": None if quality is None else Unchecked(quality),
            "share": False if share is None else share,
        }
        if self.folder is not None and not job.id.isdecimal():
            item["download"] = file_name(job.id, ".mp4", taken=taken)
            taken.add(fold_name(item["download"]))
        return item


def _wishes_of(job: Job) -> tuple[str | None, Mapping[str, Any] | None]:
    """Return the quality and the public page that a job asks for."""
    spec = Field.of(job, "spec")
    share = spec["share"]
    return spec["render"].text_or_none(), None if share.is_null else share.mapping()


def is_of_batch(job: Job) -> bool:
    """Return True if a job is a batch's video, not a pipeline."""
    return isinstance(job.spec, dict) and set(job.spec) == {"brief", "render", "share"}


def _names(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
