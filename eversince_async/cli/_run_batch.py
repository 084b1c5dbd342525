"""The run of a batch with a display and a summary."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from shlex import quote
from typing import Any

import attrs

from eversince_async._places import in_words
from eversince_async._signals import on_first_sigint
from eversince_async.batch.batch import Batch
from eversince_async.batch.outcome import Outcome
from eversince_async.batch.report import Report
from eversince_async.cli._batch_display import BatchDisplay, CountedItems
from eversince_async.cli._batch_summary import BatchSummary
from eversince_async.cli._client import connect
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._output import ResultsLost, command_line, warn_line
from eversince_async.cli._progress import refreshing
from eversince_async.cli._report_files import check_writable, write_report
from eversince_async.cli._signals import LEAVING
from eversince_async.errors import EversinceError, InvalidRequest, OtherAccount
from eversince_async.journal import Journal


@attrs.frozen(kw_only=True)
class BatchPlan:
    """A batch to run.

    Attributes:
        name: The batch's name in the display and the report.
        items: The items.
        count: The number of items.
        journal: The open journal; None for no journal.
        journal_path: The journal's file.
        folder: The folder for the videos; None downloads only the rows that name a file.
        report: The report to write.
        concurrency: As for `eversince.batch`.
        max_credits: As for `eversince.batch`.
        retry_failed: As for `eversince.batch`.
        refetch: As for `eversince.batch`.
        allow_other_account: As for `eversince.batch`.
        idempotent_as: As for `eversince.batch`.
        is_told_to_share: True if this machine makes the public pages when others work on the same file.
        wait_for_quota: As for `eversince.batch`.
        as_json: True to print outcomes as JSON.
    """

    name: str
    items: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]
    count: int
    journal: Journal | None
    journal_path: Path | None
    folder: Path | None
    report: Path | None
    concurrency: int | None
    max_credits: float | None
    retry_failed: bool
    refetch: bool = False
    allow_other_account: bool = False
    idempotent_as: str | None = None
    is_told_to_share: bool = False
    wait_for_quota: bool
    as_json: bool


def check_options(report: Path | None, concurrency: int | None, max_credits: float | None) -> None:
    """Refuse options whose faults would only show at the end.

    Raises:
        InvalidRequest: An option makes no sense.
    """
    problems = {}
    if report is not None and (problem := check_writable(report)) is not None:
        problems["--report"] = problem
    if concurrency is not None and concurrency < 1:
        problems["--concurrency"] = f"must be at least 1, not {concurrency}"
    if max_credits is not None and not max_credits > 0:
        problems["--max-credits"] = f"must be above zero, not {max_credits:g}"
    if problems:
        raise InvalidRequest(problems)


async def run_batch(plan: BatchPlan) -> ExitCode:
    """Run a batch to its end, and print its summary.

    The run ends early when a person interrupts it, or when the reader of its results leaves.

    Raises:
        EversinceError: The batch cannot go on, e.g. because the journal fails.
    """
    ending = BatchSummary(command_line(), plan.journal_path, plan.folder, plan.report)
    try:
        return await _run(plan, ending)
    except ResultsLost as lost:  # the paid projects are not lost with the pipe, so say how to go on
        for line in ending.interrupted_lines(str(lost)):
            warn_line(line)
        return ExitCode.UNFINISHED


async def _run(plan: BatchPlan, ending: BatchSummary) -> ExitCode:
    outcomes: list[Outcome] = []
    async with connect(lambda retry: watch.on_retry(retry)) as eversince, _print_resume_hint(ending):
        watch = BatchDisplay(plan.name, eversince.governor, as_json=plan.as_json)
        batch = eversince.batch(
            CountedItems(plan.items, plan.count, watch.on_item),
            journal=plan.journal,
            download=plan.folder,
            concurrency=plan.concurrency,
            max_credits=plan.max_credits,
            retry_failed=plan.retry_failed,
            refetch=plan.refetch,
            allow_other_account=plan.allow_other_account,
            idempotent_as=plan.idempotent_as,
            share=True if plan.is_told_to_share else None,
            wait_for_quota=plan.wait_for_quota,
            on_event=watch.event,
            drain_on_interrupt=False,
        )
        watch.follow(batch)
        with watch.board, on_first_sigint(lambda: _drain(batch, watch, ending), LEAVING):
            async with refreshing(watch.frame, watch.board), batch:
                async for outcome in batch:
                    watch.outcome(outcome)
                    ending.add(outcome)
                    if plan.report is not None:  # a report does not need the large production
                        outcomes.append(attrs.evolve(outcome, production=None))
    report = attrs.evolve(batch.report, outcomes=outcomes)
    left = plan.count - sum(report.counts.values())
    code = ending.exit_code(report, left)
    if plan.report is not None and not await _write_report(report, plan, ending) and code == ExitCode.DONE:
        code = ExitCode.UNFINISHED
    for line in ending.lines(report, left):
        warn_line(line)
    return code


async def _write_report(report: Report, plan: BatchPlan, ending: BatchSummary) -> bool:
    """Write the report; return False after printing why it failed."""
    assert plan.report is not None
    try:
        await asyncio.to_thread(write_report, report, plan.report, plan.name)
    except OSError as error:
        ending.report = None
        again = (
            ""
            if plan.journal_path is None
            else (f"; later: eversince report {quote(str(plan.journal_path))} -o {quote(str(plan.report))}")
        )
        warn_line(f"report:  not written, {in_words(error)}{again}")
        return False
    return True


def _drain(batch: Batch, watch: BatchDisplay, ending: BatchSummary) -> None:
    batch.drain()
    watch.on_pause()
    again = "the same command continues them" if ending.journal else "no journal remembers them"
    watch.say(
        f"Interrupted: no more videos are started, and {watch.under_way}. "
        f"A second interruption leaves at once: projects that have begun go on at the server, and {again}."
    )


@asynccontextmanager
async def _print_resume_hint(ending: BatchSummary) -> AsyncGenerator[None, None]:
    try:
        yield
    except asyncio.CancelledError:
        for line in ending.interrupted_lines("Interrupted."):
            warn_line(line)
        raise
    except EversinceError as error:
        if ending.journal is not None and not isinstance(error, OtherAccount):
            warn_line(f"go on:   {ending.command}")
        raise
