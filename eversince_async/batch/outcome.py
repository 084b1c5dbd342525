"""What came of a batch: of each item, of all, and how far it has come meanwhile."""

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
"""`paused`: not finished, and not failed either; the same batch with the same journal goes on with it."""


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of one item.

    Attributes:
        key: Its name in the journal.
        index: Its number among the items, from 0.
        input: What was given; with a pipeline whatever that takes.
        status: `succeeded`, `failed`, `cancelled` or `paused`.
        production: The finished video; None if there is none, or if an earlier run has made it, or if a
            pipeline has made something else.
        result: What the pipeline returned; None without one.
        error: Why it is not finished; None if it is. What an earlier run has failed of is its text only.
        project_id: The project, if there is one.
        share_url: The public page, which does not expire.
        files: What was downloaded.
        missing: Those of them, downloaded by an earlier run, that were removed since; `refetch=True` fetches
            them again.
        attempts: How many projects it took.
        is_recorded: Whether an earlier run, or another process, has come to this; nothing was done now.
        stages: What it went through, in earlier runs as well if there is a journal.
        began_at: When it was begun, by this run.
        ended_at: When it ended.
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
        """Plain values that `json.dumps` takes."""
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
    """What came of a batch.

    Attributes:
        counts: How many items came to which status.
        left: How many more items there are that nothing came of (yet), where their number is known.
        outcomes: All outcomes, in the order in which they ended; empty if they were iterated over.
        paused: Why the batch stopped before its end, in words; None if it did not. What has a project by then
            is finished; the same batch with the same journal goes on with the rest.
        cause: The error that stopped it, if it was one.
        packages: What to buy, with purchase links, when credits ran out.
        seconds: How long it took; with a journal, all runs of it together, without the time between them,
            and each moment once however many processes were at work.
        run_seconds: How long this run took; 0 in a report of a journal.
        slots: How many projects the account may have at work at once, as far as any run knew; None if none
            did.
        requests: The requests of each minute, those of earlier runs as well if there is a journal.
        requests_per_minute: How many the account may send in a minute; None if there is no limit.
        credits_spent: By how many credits the account's balance fell while a run watched it; with a journal,
            of all runs together, without what it did between them; None if it was not told.
        balance_fell: By how many credits the balance fell in this run alone, as answers told it; None if they
            did not, as in a report of a journal. What others used of the account is in it, and what was
            bought between two answers hides as much.
        others: Active projects that were seen in this run and are not of it.
        at_work: Keys of items that a process works on right now, in a report of a journal.
        addresses: Which addresses a written report may link to, by the client's base URL; None in a report of
            a journal, where any address may be the right one.
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
        """When there are projects or renders again, when the day's were used up."""
        return self.cause.resets_at if isinstance(self.cause, QuotaExhausted) else None

    # -- For others to read -----------------------------------------------------------------------------

    def to_html(self, path: str | os.PathLike[str], *, title: str | None = None) -> None:
        """Write a page for people: the videos, a timeline of what was on which slot, and what failed.

        It is one file. Downloaded videos are played from where they are, seen from the page: keep them
        together. It has a place for some hundred videos and two thousand items; `to_csv` and `to_json` have
        all. No secret stands in it.

        Args:
            path: The file. It is replaced when the new one is whole; if that fails, it stays as it was.
            title: What to call it; by default it says how many videos there are.

        Raises:
            ConfigurationError: The outcomes are not here, since they were iterated over: hand them in by
                `attrs.evolve(batch.report, outcomes=…)`, or make a report `from_journal`.
            OSError: It cannot be written.
        """
        from eversince_async.batch.report import build_entries, build_overview
        from eversince_async.report.page import write_html

        outcomes = self._outcomes()
        write_html(path, build_overview(self, title, outcomes), build_entries(self, outcomes))

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a table for spreadsheets, a row for each item.

        UTF-8 with a byte order mark (`utf-8-sig`), times in UTC, durations in seconds. What a spreadsheet
        might take for a formula has an apostrophe in front.

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
        """Write a document for programs: all that the page tells, and each item's stages.

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
        """What a journal remembers, of all runs; also while another process works on it.

        What was not begun by any run is not in it. Items that are not finished are `paused`; those that a
        process works on right now are named in `at_work`. Why a run stopped is not remembered.

        Args:
            journal: Its file, or an open journal.

        Raises:
            JournalError: There is no such file, or it is no journal.
        """
        from eversince_async.batch.report import report_from_journal

        return await report_from_journal(journal)


@attrs.frozen(kw_only=True)
class Progress:
    """How far a batch has come.

    Attributes:
        total: How many items there are; None while that is not known.
        items_read: How many have been read so far.
        active: How many are being made.
        counts: How many came to which status.
        is_recorded: How many of them had been finished before this run.
        eta: Seconds to the end, as likely to be too few as too many; None while there is nothing to go by.
        eta_range: Between which seconds the end comes nine times in ten; None like `eta`.
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
        """How many items have come to an end."""
        return sum(self.counts.values())


@attrs.define
class Counts:
    """Counts while a batch runs.

    Attributes:
        counts: Items by what they came to.
        items_read: Items that were taken.
        is_recorded: Those that an earlier run has brought to their ends.
        unfinished: Those that have a project, and are not at their ends.
        first_trouble: The first error that has left one of these unfinished.
    """

    counts: Counter[OutcomeStatus] = attrs.field(factory=Counter)
    items_read: int = 0
    is_recorded: int = 0
    unfinished: int = 0
    first_trouble: Exception | None = None

    def add(self, outcome: Outcome) -> None:
        """One more outcome."""
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
    """What this run has come to."""
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
    """What an earlier run, or another process, has come to; some of its files may not be there any more.

    Raises:
        UnreadableRow: The job keeps something else.
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
    """The public page and the files that a job keeps.

    Raises:
        UnreadableRow: It keeps something else.
    """
    if job.result is None:
        return None, ()
    result = Field.of(job, "result")
    share_url = result.get("share_url")
    return None if share_url is None else share_url.text(), files_of(job)


def failure_of(job: Job) -> RecordedFailure | None:
    """What a job has failed of.

    Raises:
        UnreadableRow: It keeps something else.
    """
    if job.error is None:
        return None
    error = Field.of(job, "error")
    return RecordedFailure(current_name(error["type"].text()), error["message"].text_or_none() or "")


def result_to_json(work: ActiveItem, made: Any, runtime: Runtime) -> dict[str, Any]:
    """What the journal keeps of a finished item.

    Raises:
        NotSerializable: What its pipeline returned cannot be kept.
    """
    order = work.item.call
    if order is not None:
        return {**order.result_to_json(Serializer(runtime), made, work.item.key), **_production_to_json(made)}
    return _production_to_json(made)


def _production_to_json(made: object) -> dict[str, Any]:
    return to_keep(made) if isinstance(made, Production) else {}
