"""Results of a batch: each item's, the whole, and the progress."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import attrs

from eversince_async import clock
from eversince_async._wire.addresses import AddressPolicy
from eversince_async.batch.delivery import files_of, to_keep
from eversince_async.batch.history import stored_stages
from eversince_async.batch.workers import ActiveItem
from eversince_async.durable.failures import current_name
from eversince_async.errors import ConfigurationError, QuotaExhausted, RecordedFailure
from eversince_async.journal import Job, Journal
from eversince_async.journal.fields import Field
from eversince_async.models.account import CreditPackage
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.pipelines.serialization import Serializer
from eversince_async.report.model import RequestMinute
from eversince_async.report.stages import Stage

OutcomeStatus = Literal["succeeded", "failed", "cancelled", "paused"]
"""The status of an item at its end.

`paused` is neither finished nor failed; the same batch with the same journal resumes the item.
"""


@attrs.frozen(kw_only=True)
class Outcome:
    """The result of one item.

    Attributes:
        key: The item's name in the journal.
        index: The item's number among all items, from 0.
        input: The input of the item; with a pipeline, the pipeline's input.
        status: `succeeded`, `failed`, `cancelled` or `paused`.
        production: The finished video; None if there is none, if an earlier run made it, or if a pipeline
            returned something else.
        result: The return value of the pipeline; None without a pipeline.
        error: The reason why the item is not finished; None if it is. A failure of an earlier run has only
            its text.
        project_id: The id of the project; None if there is none.
        share_url: The address of the public page, which does not expire.
        files: The downloaded files.
        missing: Those files of an earlier run's downloads that were removed since; `refetch=True` downloads
            them again.
        attempts: The number of projects that the item took.
        is_recorded: True if the result comes from an earlier run or another process, and this run did
            nothing.
        stages: The stages of the item, including those of earlier runs if there is a journal.
        began_at: The time at which this run started the item.
        ended_at: The time at which the item ended.
    """

    key: str
    index: int
    input: Any = attrs.field(repr=False)
    status: OutcomeStatus
    production: Production | None = attrs.field(default=None, repr=False)
    result: Any = attrs.field(default=None, repr=False)
    error: Exception | None = None
    project_id: str | None = None
    share_url: str | None = None
    files: tuple[Path, ...] = ()
    missing: tuple[Path, ...] = ()
    attempts: int = 1
    is_recorded: bool = False
    stages: tuple[Stage, ...] = attrs.field(default=(), repr=False)
    began_at: datetime
    ended_at: datetime

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as plain values for `json.dumps`."""
        return {
            "key": self.key,
            "index": self.index,
            "status": self.status,
            "project_id": self.project_id,
            "share_url": self.share_url,
            "files": [str(path) for path in self.files],
            "missing": [str(path) for path in self.missing],
            "error": None if self.error is None else str(self.error),
            "attempts": self.attempts,
            "earlier": self.is_recorded,
            "began_at": self.began_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
        }


@attrs.frozen(kw_only=True)
class Report:
    """The result of a batch.

    Attributes:
        counts: The number of items with each status.
        left: The number of further items without an outcome, if the number of all items is known.
        outcomes: All outcomes, in the order in which the items ended; empty if the caller iterated over them.
        paused: The reason why the batch stopped early, in words; None if it did not. Items that had a project
            by then are finished; the same batch with the same journal continues with the rest.
        cause: The error that stopped the batch; None if no error did.
        packages: The credit packages to buy, with purchase links, if credits ran out.
        seconds: The duration in seconds. With a journal, the duration of all its runs together, without the
            time between them, and with each moment counted once for any number of processes.
        run_seconds: The duration of this run, in seconds; 0 in a report of a journal.
        slots: The number of projects that the account may have active at once, as far as any run knew it;
            None if no run did.
        requests: The requests of each minute, including those of earlier runs if there is a journal.
        requests_per_minute: The number of requests that the account may send in a minute; None if there is no
            limit.
        credits_spent: The fall of the account's balance while a run watched it, in credits; with a journal,
            of all runs together, without changes between them; None if no response stated the balance.
        balance_fell: The fall of the balance in this run alone, in credits, as responses stated it; None if
            they did not, and in a report of a journal. It includes the use of the account by others, and
            purchases between two responses hide as much of it.
        others: The number of active projects that were seen in this run and do not belong to it.
        at_work: Keys of items on which a process is working at present, in a report of a journal.
        addresses: The policy for addresses that a written report may link to, from the client's base URL;
            None in a report of a journal, where any address may be right.
    """

    counts: Mapping[OutcomeStatus, int]
    left: int = 0
    outcomes: Sequence[Outcome] = attrs.field(default=(), repr=False)
    paused: str | None = None
    cause: Exception | None = attrs.field(default=None, repr=False)
    packages: Sequence[CreditPackage] = attrs.field(default=(), repr=False)
    seconds: float = 0.0
    run_seconds: float = 0.0
    slots: int | None = None
    requests: Sequence[RequestMinute] = attrs.field(default=(), repr=False)
    requests_per_minute: int | None = None
    credits_spent: float | None = None
    balance_fell: float | None = None
    others: int = 0
    at_work: frozenset[str] = attrs.field(default=frozenset(), repr=False)
    addresses: AddressPolicy | None = attrs.field(default=None, repr=False)

    @property
    def resumes_at(self) -> datetime | None:
        """The time at which a used-up daily quota resets, or None."""
        return self.cause.resets_at if isinstance(self.cause, QuotaExhausted) else None

    # -- Written reports --------------------------------------------------------------------------------

    def to_html(self, path: str | os.PathLike[str], *, title: str | None = None) -> None:
        """Write an HTML page with the videos, a timeline and the failures.

        The timeline shows the item on each slot.

        The page is one file. It plays downloaded videos from their places relative to the page, so keep them
        together. It has room for some hundred videos and two thousand items; `to_csv` and `to_json` hold all
        items. The page contains no secret.

        Args:
            path: The file. A complete new file replaces it; on failure, the old file remains unchanged.
            title: The title of the page; by default, the number of videos.

        Raises:
            ConfigurationError: The report holds no outcomes, because the caller iterated over them. Pass them
                in with `attrs.evolve(batch.report, outcomes=…)`, or create a report with `from_journal`.
            OSError: The file cannot be written.
        """
        from eversince_async.batch.report import build_entries, build_overview
        from eversince_async.report.page import write_html

        outcomes = self._outcomes()
        write_html(path, build_overview(self, title, outcomes), build_entries(self, outcomes))

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a table for spreadsheets, with a row for each item.

        The table is UTF-8 with a byte order mark (`utf-8-sig`), with times in UTC and durations in seconds. A
        cell that a spreadsheet could take for a formula starts with an apostrophe.

        Args:
            path: The file, as for `to_html`.

        Raises:
            ConfigurationError: As for `to_html`.
            OSError: As for `to_html`.
        """
        from eversince_async.batch.report import build_entries
        from eversince_async.report.csv_table import write_csv

        write_csv(path, build_entries(self, self._outcomes()))

    def to_json(self, path: str | os.PathLike[str], *, title: str | None = None) -> None:
        """Write a JSON document for programs.

        The document holds all that the page shows, and the stages of each item.

        Args:
            path: The file, as for `to_html`.
            title: As for `to_html`.

        Raises:
            ConfigurationError: As for `to_html`.
            OSError: As for `to_html`.
        """
        from eversince_async.batch.report import build_entries, build_overview
        from eversince_async.report.json_document import write_json

        outcomes = self._outcomes()
        write_json(path, build_overview(self, title, outcomes), build_entries(self, outcomes))

    def _outcomes(self) -> Sequence[Outcome]:
        if not self.outcomes and any(self.counts.values()):
            raise ConfigurationError(
                "the outcomes were iterated over, and are not here: attrs.evolve(batch.report, outcomes=…) "
                "hands them in, and Report.from_journal(…) finds them in the journal"
            )
        return self.outcomes

    @staticmethod
    async def from_journal(journal: str | os.PathLike[str] | Journal) -> "Report":
        """Build a report of all runs that a journal remembers.

        This is possible while another process works on the journal. Items that no run has started are left
        out. Unfinished items are `paused`; `at_work` names those on which a process is working at present.
        The journal does not remember why a run stopped.

        Args:
            journal: The journal's file, or an open journal.

        Raises:
            JournalError: The file does not exist, or is no journal.
        """
        from eversince_async.batch.report import report_from_journal

        return await report_from_journal(journal)


@attrs.frozen(kw_only=True)
class Progress:
    """The progress of a batch.

    Attributes:
        total: The number of items; None while it is not known.
        items_read: The number of items read so far.
        active: The number of active items.
        counts: The number of items with each status.
        is_recorded: The number of items among them that were finished before this run.
        eta: Seconds to the end, as likely too few as too many; None while there is no basis for an estimate.
        eta_range: The range of seconds in which the end falls nine times in ten; None if `eta` is.
    """

    total: int | None
    items_read: int
    active: int
    counts: Mapping[OutcomeStatus, int]
    is_recorded: int
    eta: float | None
    eta_range: tuple[float, float] | None

    @property
    def done(self) -> int:
        """The number of items that have ended."""
        return sum(self.counts.values())


@attrs.define
class Counts:
    """Counts of items while a batch runs.

    Attributes:
        counts: The number of items with each status.
        items_read: The number of items read so far.
        is_recorded: The number of items that an earlier run had ended.
        unfinished: The number of items that have a project and are not finished.
        first_trouble: The first error that left one of these unfinished.
    """

    counts: Counter[OutcomeStatus] = attrs.field(factory=Counter)
    items_read: int = 0
    is_recorded: int = 0
    unfinished: int = 0
    first_trouble: Exception | None = None

    def add(self, outcome: Outcome) -> None:
        """Count one more outcome."""
        self.counts[outcome.status] += 1
        self.is_recorded += outcome.is_recorded
        if outcome.status == "paused" and outcome.project_id is not None:
            self.unfinished += 1
            self.first_trouble = self.first_trouble or outcome.error


def new_outcome(
    work: ActiveItem,
    status: OutcomeStatus,
    *,
    job: Job | None = None,
    made: Any = None,
    error: Exception | None = None,
) -> Outcome:
    """Build the outcome of an item that this run executed."""
    production = made if isinstance(made, Production) else None
    project_id = work.steps.project_id if work.steps is not None else job.project_id if job else None
    return Outcome(
        key=work.item.key,
        index=work.item.index,
        input=work.item.input,
        status=status,
        production=production,
        result=made if work.item.call is not None else None,
        error=error,
        project_id=project_id,
        share_url=None if production is None else production.share_url,
        files=() if production is None else production.files,
        attempts=1 if job is None else job.attempt,
        stages=() if work.record is None else work.record.stages,
        began_at=work.began_at,
        ended_at=clock.steady_now(),
    )


def recorded_outcome(work: ActiveItem, job: Job, runtime: Runtime, missing: tuple[Path, ...] = ()) -> Outcome:
    """Build an item's outcome from the job that another run recorded.

    The other run is an earlier one, or one of another process. Some of its files may be missing by now.

    Raises:
        UnreadableRow: The job's record cannot be read.
    """
    share_url, files = results_of(job)
    order, made = work.item.call, None
    if order is not None and job.stage == "succeeded":
        made = order.result_from_json(Serializer(runtime), job)
    status: OutcomeStatus = "succeeded" if job.stage == "succeeded" else "failed"
    return Outcome(
        key=work.item.key,
        index=work.item.index,
        input=work.item.input,
        status="cancelled" if job.stage == "cancelled" else status,
        production=made if isinstance(made, Production) else None,
        result=made,
        error=failure_of(job),
        project_id=job.project_id,
        share_url=share_url,
        files=files,
        missing=missing,
        attempts=job.attempt,
        is_recorded=True,
        stages=stored_stages(job),
        began_at=job.created_at,
        ended_at=job.updated_at,
    )


def results_of(job: Job) -> tuple[str | None, tuple[Path, ...]]:
    """Return the public page and the files that a job records.

    Raises:
        UnreadableRow: The job's record cannot be read.
    """
    if job.result is None:
        return None, ()
    result = Field.of(job, "result")
    share_url = result.get("share_url")
    return None if share_url is None else share_url.text(), files_of(job)


def failure_of(job: Job) -> RecordedFailure | None:
    """Return the failure that a job records; None if there is none.

    Raises:
        UnreadableRow: The job's record cannot be read.
    """
    if job.error is None:
        return None
    error = Field.of(job, "error")
    return RecordedFailure(current_name(error["type"].text()), error["message"].text_or_none() or "")


def result_to_json(work: ActiveItem, made: Any, runtime: Runtime) -> dict[str, Any]:
    """Return the result of a finished item as the journal stores it.

    Raises:
        NotSerializable: The return value of the pipeline cannot be stored.
    """
    order = work.item.call
    if order is not None:
        return {**order.result_to_json(Serializer(runtime), made, work.item.key), **_production_to_json(made)}
    return _production_to_json(made)


def _production_to_json(made: object) -> dict[str, Any]:
    return to_keep(made) if isinstance(made, Production) else {}
