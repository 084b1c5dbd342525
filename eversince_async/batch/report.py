"""Conversion of outcomes to a report, and of a journal to outcomes."""

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
from eversince_async.batch.delivery import missing_files
from eversince_async.batch.history import previous_stages, stored_stages
from eversince_async.batch.outcome import Outcome, OutcomeStatus, Report, failure_of, results_of
from eversince_async.batch.totals import NOTE as USAGE
from eversince_async.batch.totals import Totals
from eversince_async.batch.usage import UsageTotals
from eversince_async.durable.failures import kind_of
from eversince_async.durable.status import FINISHED
from eversince_async.errors import JournalError, RecordedFailure
from eversince_async.journal import Effect, Job, Journal, SqliteJournal
from eversince_async.journal.leases import lease_left
from eversince_async.models._base import UNSET
from eversince_async.models.account import CreditPackage
from eversince_async.models.projects import Brief
from eversince_async.report.formatting import odd_url, plural
from eversince_async.report.lanes import most_at_once
from eversince_async.report.model import Entry, Overview, Problem, PurchaseOffer

LONGEST_SPEC: Final = 300
"""Characters of an input without a brief that a report shows."""


# -- Contents of a report --------------------------------------------------------------------------------


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
