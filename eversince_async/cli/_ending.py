"""What is said when a batch is over, or was left: how it stands, and how to go on."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import attrs

from eversince_async.batch.outcome import Outcome, Report
from eversince_async.cli._board import spell
from eversince_async.cli._exits import Exit
from eversince_async.cli._trouble import sentence
from eversince_async.errors import SpecChanged, Unauthorized

FAILURES: Final = 20
"""Failures that are told once more in the end; the rest is counted."""


@attrs.define
class Ending:
    """What there is to say in the end.

    Attributes:
        command: What was typed, and goes on with it when typed again.
        journal: The journal; None: nothing is remembered.
        folder: Where the videos are.
        report: Where the report is.
        failures: The first that failed.
        failed: How many failed or were cancelled.
    """

    command: str
    journal: Path | None
    folder: Path | None
    report: Path | None
    failures: list[Outcome] = attrs.field(factory=list)
    failed: int = 0

    def add(self, outcome: Outcome) -> None:
        """One more outcome."""
        if outcome.status in {"failed", "cancelled"}:
            self.failed += 1
            if len(self.failures) < FAILURES:
                self.failures.append(outcome)

    def exit_code(self, report: Report, left: int) -> Exit:
        """How it ended.

        Args:
            report: Of the batch.
            left: Items that were not begun.
        """
        if isinstance(report.cause, Unauthorized):
            return Exit.CONFIGURATION
        if report.counts.get("paused") or left:
            return Exit.UNFINISHED
        return Exit.FAILED if self.failed else Exit.DONE

    def lines(self, report: Report, left: int) -> list[str]:
        """The summary."""
        counts = [f"{number} {status}" for status, number in sorted(report.counts.items()) if number]
        if left:
            counts.append(f"{left} not begun")
        said = [f"{', '.join(counts) or 'nothing to do'}, in {spell(report.seconds)}"]
        said += [f"  {outcome.key}: {_why(outcome)}" for outcome in self.failures]
        if self.failed > len(self.failures):
            said.append(f"  and {self.failed - len(self.failures)} more")
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

    def _how_to_go_on(self, unfinished: int) -> list[str]:
        if self.journal is None:
            return (
                ["There is no journal: typed again, the command begins everything anew."]
                if unfinished
                else []
            )
        if unfinished:
            return [f"go on:   {self.command}"]
        if self.failed and not all(isinstance(each.error, SpecChanged) for each in self.failures):
            return [f"retry:   {_with(self.command, '--retry-failed')}"]
        return []

    def left_at_once(self) -> list[str]:
        """For whoever does not wait for what is under way."""
        if self.journal is None:
            return [
                "Interrupted. Projects that have begun go on at the server: `eversince list` shows them.",
                "There is no journal: typed again, the command begins everything anew, and pays for it.",
            ]
        return [
            "Interrupted. Projects that have begun go on at the server; nothing is lost, or made twice, by:",
            f"go on:   {self.command}",
        ]


def _why(outcome: Outcome) -> str:
    return outcome.status if outcome.error is None else sentence(outcome.error)


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _credits_to_buy(report: Report) -> Sequence[str]:
    return [
        f"buy:     {package.purchase_url}"
        + (f" ({package.credits:g} credits)" if package.credits is not None else "")
        for package in report.packages
        if package.purchase_url
    ]


def _with(command: str, flag: str) -> str:
    return command if f" {flag}" in command else f"{command} {flag}"
