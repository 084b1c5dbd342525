"""The summary of a batch that ended or was interrupted."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import Final, get_args

import attrs

from eversince_async._wire.endpoints import GET_PROJECT
from eversince_async.account.entitlements import USUAL
from eversince_async.batch.outcome import Outcome, OutcomeStatus
from eversince_async.batch.report import Report
from eversince_async.cli._addresses import address
from eversince_async.cli._errors import describe_error
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._progress import format_duration
from eversince_async.durable.failures import is_of_the_account, is_of_the_quality
from eversince_async.errors import InvalidRequest, NotFound, RecordedFailure, SpecChanged, ValidationFailed

UNSUCCESSFUL: Final = 20
"""The most failures and other missing videos that the summary lists; it counts the others."""


@attrs.define
class BatchSummary:
    """The summary of a batch.

    Attributes:
        command: The command as it was typed; the same command continues the batch.
        journal: The journal's file; None if the batch has no journal.
        folder: The folder of the videos.
        report: The report's file.
        unhappy: The first outcomes with an error or a cancellation.
        untold: The number of further outcomes of this kind.
        failed: The number of items that failed or were cancelled.
        dropped: The number of items that were taken, but paused before any request for them was sent.
        missing: The keys of finished items whose files were removed since.
        held: The number of items that wait until the account may render in their quality.
        held_paid: The number of these that are paid for, and could be rendered in another quality.
        hopeless: The number of items that failed in a way that no retry mends.
        deleted: The number of items that failed because their projects were deleted.
    """

    command: str
    journal: Path | None
    folder: Path | None
    report: Path | None
    unhappy: list[Outcome] = attrs.field(factory=list[Outcome])
    untold: int = 0
    failed: int = 0
    dropped: int = 0
    missing: list[str] = attrs.field(factory=list[str])
    held: int = 0
    held_paid: int = 0
    hopeless: int = 0
    deleted: int = 0

    def add(self, outcome: Outcome) -> None:
        """Add an outcome to the counts."""
        self.failed += outcome.status in {"failed", "cancelled"}
        self.hopeless += outcome.status == "failed" and _is_hopeless(outcome.error)
        self.deleted += outcome.status == "failed" and _was_deleted(outcome)
        if outcome.status == "paused" and is_of_the_quality(outcome.error):
            self.held += 1
            self.held_paid += outcome.project_id is not None
        if outcome.missing:
            self.missing.append(outcome.key)
        if outcome.error is not None or outcome.status == "cancelled":
            if len(self.unhappy) < UNSUCCESSFUL:
                self.unhappy.append(outcome)
            else:
                self.untold += 1
        elif outcome.status == "paused" and outcome.project_id is None:
            self.dropped += 1

    def exit_code(self, report: Report, left: int) -> ExitCode:
        """Return the exit code of the batch.

        Args:
            report: The batch's report.
            left: The number of items that were not taken.
        """
        if report.cause is not None and is_of_the_account(report.cause):
            return ExitCode.CONFIGURATION
        if report.counts.get("paused") or left:
            return ExitCode.UNFINISHED
        return ExitCode.FAILED if self.failed else ExitCode.DONE

    def lines(self, report: Report, left: int) -> list[str]:
        """Return the lines of the summary."""
        numbers = {status: report.counts.get(status, 0) for status in get_args(OutcomeStatus)}
        numbers |= {"paused": numbers["paused"] - self.dropped, "not begun": left + self.dropped}
        counts = [f"{number} {status}" for status, number in numbers.items() if number]
        lines = [f"{', '.join(counts) or 'nothing to do'}, in {format_duration(report.run_seconds)}"]
        lines += _credits_spent(report)
        reasons = self._reasons()
        lines += [f"  {_few(keys)}: {why}" for why, keys in reasons.values()]
        if self.untold:
            lines.append(f"  and {self.untold} more")
        if self.missing:
            lines.append(f"  {_few(self.missing)}: finished, but the file is not there any more")
        unfinished = report.counts.get("paused", 0) + left
        if report.paused is not None and unfinished:
            lines.append(f"paused:  {report.paused}")
        lines += _credits_to_buy(report)
        if report.resumes_at is not None:
            lines.append(f"again:   {_when(report.resumes_at)}, after the daily reset")
        lines += [
            f"{name + ':':<9}{path}"
            for name, path in (("videos", self.folder), ("journal", self.journal), ("report", self.report))
            if path is not None
        ]
        return lines + self._how_to_go_on(unfinished)

    def _reasons(self) -> dict[str, tuple[str, list[str]]]:
        """Group the keys by the reason, ignoring the request ids in it."""
        reasons: dict[str, tuple[str, list[str]]] = {}
        for outcome in self.unhappy:
            why = _why(outcome)
            reasons.setdefault(_apart_from_request(why), (why, []))[1].append(outcome.key)
        return reasons

    def _how_to_go_on(self, unfinished: int) -> list[str]:
        if unfinished and self.journal is None:
            return ["There is no journal: typed again, the command begins everything anew."]
        if unfinished:
            others = [f"go on:   {self.command}"] if unfinished > self.held else []
            return others + self._how_to_render_otherwise()
        if self.failed > self.hopeless and self.journal is not None:
            anew = ""
            if self.deleted:
                which = "a project that was" if self.deleted == 1 else f"{self.deleted} projects that were"
                anew = f"  (makes, and pays for, another in place of {which} deleted)"
            return [f"retry:   {_with(self.command, '--retry-failed')}{anew}"]
        if self.missing:
            return [f"fetch:   {_with(self.command, '--refetch')}"]
        return []

    def _how_to_render_otherwise(self) -> list[str]:
        """Return the commands for items whose quality the account may not render."""
        lines = list[str]()
        if self.held_paid:
            folder = "--no-download" if self.folder is None else f"--out {quote(str(self.folder))}"
            paid = f"eversince resume {quote(str(self.journal))} {folder} --quality {USUAL}"
            lines.append(f"finish:  {paid}  (what is paid for, in {USUAL})")
        if self.held:
            again = _with(self.command, "--retry-failed")
            lines.append(f"retry:   {again}  (once the account may render in that quality)")
        return lines

    def interrupted_lines(self, why: str) -> list[str]:
        """Return the lines for a person who leaves active projects behind."""
        if self.journal is None:
            return [
                f"{why} Projects that have begun go on at the server: `eversince list` shows them.",
                "There is no journal: typed again, the command begins everything anew, and pays for it.",
            ]
        return [
            f"{why} Projects that have begun go on at the server; nothing is lost, or made twice, by:",
            f"go on:   {self.command}",
        ]


def _is_hopeless(error: Exception | None) -> bool:
    """Return True if only a correction by a person can help."""
    kind = error.kind if isinstance(error, RecordedFailure) else type(error).__name__
    return kind in {each.__name__ for each in (InvalidRequest, SpecChanged, ValidationFailed)}


def _was_deleted(outcome: Outcome) -> bool:
    """Return True if the project of a failed item was deleted."""
    match outcome.error:
        case NotFound(endpoint=GET_PROJECT.name):
            return outcome.project_id is not None
        case RecordedFailure(kind="NotFound", problem=problem):
            return outcome.project_id is not None and problem.startswith(f"{GET_PROJECT.name}:")
        case _:
            return False


def _why(outcome: Outcome) -> str:
    why = outcome.status if outcome.error is None else describe_error(outcome.error)
    return f"paused: {why}" if outcome.status == "paused" else why


def _apart_from_request(why: str) -> str:
    return re.sub(r" \[request [^]]*\]", "", why)


def _few(keys: Sequence[str]) -> str:
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _credits_spent(report: Report) -> Sequence[str]:
    """Return a line on the run's cost if the balance fell.

    Only the balance shows the cost, and others may use the same account.
    """
    if not report.balance_fell:
        return []
    others = "use by others, if there was any, is in it"
    if report.others:
        which = "1 project that is" if report.others == 1 else f"{report.others} projects that are"
        others = f"use by others is in it: {which} not of this batch"
    return [f"credits: the balance fell by {report.balance_fell:,.10g}; {others}"]


def _credits_to_buy(report: Report) -> Sequence[str]:
    return [
        f"buy:     {address('purchase_url', package.purchase_url)}"
        + (f" ({package.credits:g} credits)" if package.credits is not None else "")
        for package in report.packages
        if package.purchase_url
    ]


def _with(command: str, flag: str) -> str:
    return command if f" {flag}" in command else f"{command} {flag}"
