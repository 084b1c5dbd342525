"""`Report`: the result of a batch, written as a page, a table or a document, or read from a journal."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs

from eversince_async import clock
from eversince_async._wire.addresses import AddressPolicy
from eversince_async.batch.delivery import missing_files
from eversince_async.batch.outcome import Outcome, OutcomeStatus, failure_of, results_of
from eversince_async.batch.timeline import previous_stages, stored_stages
from eversince_async.batch.totals import NOTE as USAGE
from eversince_async.batch.totals import Totals
from eversince_async.batch.usage import UsageTotals
from eversince_async.durable.failures import kind_of
from eversince_async.durable.status import FINISHED
from eversince_async.errors import ConfigurationError, JournalError, QuotaExhausted, RecordedFailure
from eversince_async.journal import Effect, Job, Journal, SqliteJournal
from eversince_async.journal.leases import lease_left
from eversince_async.models._base import UNSET
from eversince_async.models.account import CreditPackage
from eversince_async.models.projects import Brief
from eversince_async.report.formatting import odd_url, plural
from eversince_async.report.lanes import most_at_once
from eversince_async.report.model import Entry, Overview, Problem, PurchaseOffer, RequestMinute

LONGEST_SPEC: Final = 300
"""Characters of an input without a brief that a report shows."""


# -- Contents of a report --------------------------------------------------------------------------------


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
        return await report_from_journal(journal)


def build_overview(report: Report, title: str | None, outcomes: Sequence[Outcome]) -> Overview:
    """Build the part of a report that concerns all items."""
    counts = Counter[str](report.counts)
    working = sum(1 for outcome in outcomes if outcome.key in report.at_work) if report.at_work else 0
    if working:
        counts["paused"] -= working
        counts["working"] = working
    return Overview(
        title=title or plural(sum(counts.values()) + report.left, "video"),
        made_at=clock.now(),
        counts={status: count for status, count in counts.items() if count},
        left=report.left,
        paused=report.paused,
        resumes_at=report.resumes_at,
        offers=[
            _package_offer(package)
            for package in report.packages
            if package.purchase_url
            and odd_url("purchase_url", package.purchase_url, report.addresses) is None
        ],
        seconds=report.seconds or None,
        slots=most_at_once((stage for each in outcomes for stage in each.stages), report.slots),
        minutes=report.requests,
        requests_per_minute=report.requests_per_minute,
        credits_spent=report.credits_spent,
    )


def _package_offer(package: CreditPackage) -> PurchaseOffer:
    label = "" if package.credits is None else f"{package.credits:g} credits"
    label += "" if package.price is None else f" for {package.price}"
    return PurchaseOffer(label.strip() or "credits", str(package.purchase_url))


def build_entries(report: Report, outcomes: Iterable[Outcome]) -> Iterator[Entry]:
    """Build the part of a report that concerns each item."""
    for outcome in outcomes:
        title, brief = _title_and_brief(outcome.input)
        problem = odd_url("share_url", outcome.share_url, report.addresses)
        yield Entry(
            key=outcome.key,
            number=outcome.index + 1,
            status="working" if outcome.key in report.at_work else outcome.status,
            title=title,
            brief=brief,
            problem=_problem(outcome.error) or _missing(outcome.missing),
            project_id=outcome.project_id,
            share_url=outcome.share_url if problem is None else None,
            share_problem=problem,
            files=outcome.files,
            attempts=outcome.attempts,
            earlier=outcome.is_recorded,
            began_at=_began_at(outcome),
            ended_at=outcome.ended_at,
            stages=outcome.stages,
        )


def _began_at(outcome: Outcome) -> datetime:
    """Return the time at which an item started.

    For an item that an earlier run made, the stages give that time by the same clock. A job enters the
    journal before an emulator's first response has shown the speed of the emulator's clock.
    """
    stages = [stage.began_at for stage in outcome.stages]
    return min(stages) if outcome.is_recorded and stages else min([outcome.began_at, *stages])


def _problem(error: Exception | None) -> Problem | None:
    if error is None:
        return None
    if isinstance(error, RecordedFailure):
        return Problem(error.kind, error.problem)
    return Problem(kind_of(error), str(error))


def _missing(files: Iterable[Path]) -> Problem | None:
    """Return the problem of a finished item whose files were removed since."""
    names = ", ".join(str(path) for path in files)
    return Problem("FileMissing", f"not there any more: {names}") if names else None


def _title_and_brief(given: Any) -> tuple[str | None, str]:
    """Return the title and brief of an input or its journal record."""
    if isinstance(given, Brief):
        return (None if given.title is UNSET else given.title), given.brief
    if isinstance(given, str):
        return None, given
    if not isinstance(given, Mapping):
        return None, f"{given!r:.{LONGEST_SPEC}}"
    if "pipeline" in given and isinstance(given.get("arguments"), Mapping):
        return str(given["pipeline"]), _title_and_brief(given["arguments"])[1]
    brief, title = given.get("brief"), given.get("title")
    if isinstance(brief, Mapping | Brief):
        inner = _title_and_brief(brief)
        return (title if isinstance(title, str) else inner[0]), inner[1]
    if not isinstance(brief, str):
        return None, json.dumps(given, ensure_ascii=False, default=str)[:LONGEST_SPEC]
    return (title if isinstance(title, str) else None), brief


# -- From a journal ---------------------------------------------------------------------------------------


async def report_from_journal(journal: str | os.PathLike[str] | Journal) -> Report:
    """Build the report of a journal; see `Report.from_journal`."""
    if not isinstance(journal, str | os.PathLike):
        return await _read_report(journal)
    path = Path(journal)
    if not await asyncio.to_thread(path.exists):
        raise JournalError(f"{path}: there is no such journal")
    async with SqliteJournal(path) as opened:
        return await _read_report(opened)


async def _read_report(journal: Journal) -> Report:
    now, here = clock.now(), clock.moment()
    usage = UsageTotals(Totals.read(await journal.noted(USAGE)))
    outcomes, at_work = list[Outcome](), set[str]()
    async for job in journal.jobs():
        outcome = _outcome(job, len(outcomes), await _effects(job, journal), now)
        outcomes.append(attrs.evolve(outcome, missing=await missing_files(job)))
        usage.merge(job.result)
        if job.stage not in FINISHED and lease_left(job, now, here) > 0:
            at_work.add(job.id)
    return Report(
        counts=dict(Counter(outcome.status for outcome in outcomes)),
        outcomes=outcomes,
        requests=usage.minutes,
        requests_per_minute=usage.limit,
        credits_spent=usage.credits_spent,
        seconds=usage.seconds,
        slots=usage.slots,
        at_work=frozenset(at_work),
    )


async def _effects(job: Job, journal: Journal) -> list[Effect]:
    """Return a job's effects, unless the job's own record is complete."""
    return [] if job.stage in FINISHED and stored_stages(job) else await journal.effects(job.id)


def _outcome(job: Job, index: int, effects: list[Effect], now: datetime) -> Outcome:
    share_url, files = _share_and_files(job, effects)
    ended_at = job.updated_at if job.stage in FINISHED else max(now, job.updated_at)
    ended_at = max(ended_at, job.created_at)  # a clock may have been set back
    return Outcome(
        key=job.id,
        index=index,
        input=job.spec,
        status=_status(job.stage),
        error=failure_of(job),
        project_id=job.project_id,
        share_url=share_url,
        files=files,
        attempts=job.attempt,
        is_recorded=True,
        stages=previous_stages(job, effects, ended_at),
        began_at=job.created_at,
        ended_at=ended_at,
    )


def _share_and_files(job: Job, effects: list[Effect]) -> tuple[str | None, tuple[Path, ...]]:
    """Return a job's public page and files.

    They come from the job's result, or, for an unfinished job or a pipeline, from its last effects.
    """
    shares = [each.result.get("share_url") for each in effects if _has_result(each, "share")]
    files = [each.result.get("path") for each in effects if _has_result(each, "download")]
    if isinstance(job.result, Mapping) and "share_url" in job.result:
        return results_of(job)
    share_url = shares[-1] if shares and isinstance(shares[-1], str) else None
    return share_url, tuple(Path(path) for path in files if isinstance(path, str))


def _has_result(effect: Effect, kind: str) -> bool:
    return effect.kind == kind and isinstance(effect.result, Mapping)


def _status(stage: str) -> OutcomeStatus:
    match stage:
        case "succeeded" | "failed" | "cancelled":
            return stage
        case _:
            return "paused"
