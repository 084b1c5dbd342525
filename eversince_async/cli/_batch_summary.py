"""What is said when a batch is over, or was left: how it stands, and how to go on."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import Final, get_args

import attrs

from eversince_async._wire.endpoints import GET_PROJECT
from eversince_async.account.entitlements import USUAL
from eversince_async.batch.outcome import Outcome, OutcomeStatus, Report
from eversince_async.cli._addresses import address
from eversince_async.cli._errors import describe_error
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._progress import format_duration
from eversince_async.durable.failures import is_of_the_account, is_of_the_quality
from eversince_async.errors import InvalidRequest, NotFound, RecordedFailure, SpecChanged, ValidationFailed

UNSUCCESSFUL: Final = 20
"""Failures, and other reasons not to have a video, that are told once more in the end; more are counted."""


@attrs.define
class BatchSummary:
    """What there is to say in the end.

    Attributes:
        command: What was typed, and goes on with it when typed again.
        journal: The journal; None: nothing is remembered.
        folder: Where the videos are.
        report: Where the report is.
        unhappy: The first that have something to complain of.
        untold: How many more have.
        failed: How many failed or were cancelled.
        dropped: How many had been taken, and were let go of before anything was asked of the server.
        missing: Keys of finished items whose files were removed since.
        held: How many wait until the account may render in their quality.
        held_paid: How many of these are paid for, and could be rendered in another.
        hopeless: How many failed in a way that no retry mends.
        deleted: How many failed as their projects were deleted.
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
        """One more outcome."""
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
        """How it ended.

        Args:
            report: Of the batch.
            left: Items that were not taken.
        """
        if report.cause is not None and is_of_the_account(report.cause):
            return ExitCode.CONFIGURATION
        if report.counts.get("paused") or left:
            return ExitCode.UNFINISHED
        return ExitCode.FAILED if self.failed else ExitCode.DONE

    def lines(self, report: Report, left: int) -> list[str]:
        """The summary."""
        numbers = {status: report.counts.get(status, 0) for status in get_args(OutcomeStatus)}
        numbers |= {"paused": numbers["paused"] - self.dropped, "not begun": left + self.dropped}
        counts = [f"{number} {status}" for status, number in numbers.items() if number]
        said = [f"{', '.join(counts) or 'nothing to do'}, in {format_duration(report.run_seconds)}"]
        said += _credits_spent(report)
        reasons = self._reasons()
        said += [f"  {_few(keys)}: {why}" for why, keys in reasons.values()]
        if self.untold:
            said.append(f"  and {self.untold} more")
        if self.missing:
            said.append(f"  {_few(self.missing)}: finished, but the file is not there any more")
        unfinished = report.counts.get("paused", 0) + left
        if report.paused is not None and unfinished:
            said.append(f"paused:  {report.paused}")
        said += _credits_to_buy(report)
        if report.resumes_at is not None:
            said.append(f"again:   {_when(report.resumes_at)}, when there is more of it")
        said += [
            f"{name + ':':<9}{path}"
            for name, path in (("videos", self.folder), ("journal", self.journal), ("report", self.report))
            if path is not None
        ]
        return said + self._how_to_go_on(unfinished)

    def _reasons(self) -> dict[str, tuple[str, list[str]]]:
        """Which have the same reason, but for the request it was told by."""
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
        """What to type when the account may not render in the quality that was asked for."""
        said = list[str]()
        if self.held_paid:
            folder = "--no-download" if self.folder is None else f"--out {quote(str(self.folder))}"
            paid = f"eversince resume {quote(str(self.journal))} {folder} --quality {USUAL}"
            said.append(f"finish:  {paid}  (what is paid for, in {USUAL})")
        if self.held:
            again = _with(self.command, "--retry-failed")
            said.append(f"retry:   {again}  (asks again: once the account may render so)")
        return said

    def interrupted_lines(self, why: str) -> list[str]:
        """For whoever does not wait for what is under way."""
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
    """Whether a failed item fails again until somebody corrects it."""
    kind = error.kind if isinstance(error, RecordedFailure) else type(error).__name__
    return kind in {each.__name__ for each in (InvalidRequest, SpecChanged, ValidationFailed)}


def _was_deleted(outcome: Outcome) -> bool:
    """Whether a failed item's project is not there any more."""
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
    """What the run has cost: nothing tells but the balance, which is not ours alone."""
    if not report.balance_fell:
        return []
    others = "use by others, if there was any, is in it"
    if report.others:
        seen = "1 project that is" if report.others == 1 else f"{report.others} projects that are"
        others = f"use by others is in it: {seen} not of this batch"
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
