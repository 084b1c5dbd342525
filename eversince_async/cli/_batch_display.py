"""The display of a running batch, on a terminal or a pipe."""

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final

import attrs

from eversince_async._redaction import excerpt
from eversince_async.batch.batch import Batch
from eversince_async.batch.items import iterate
from eversince_async.batch.outcome import Outcome, Progress
from eversince_async.cli._addresses import address
from eversince_async.cli._errors import describe_error
from eversince_async.cli._output import is_terminal, write_line
from eversince_async.cli._progress import LineDisplay, LiveDisplay, ProgressDisplay, Row, format_duration
from eversince_async.cli._terminal_text import unbroken
from eversince_async.governor import GovernorProtocol
from eversince_async.orchestrator.events import Event
from eversince_async.pace import speed
from eversince_async.session.hooks import RetryScheduled

FRAME: Final = 0.2
"""Real seconds between two redraws of the board."""

HEARTBEAT: Final = 60.0
"""Seconds without a line after which a pipe gets a status line; the interval doubles each time."""

LONGEST_QUIET: Final = 16 * HEARTBEAT
"""The longest interval between two status lines, in seconds.

While a batch waits for the daily reset, a line every minute would be useless.
"""

TROUBLED: Final = 90.0
"""The fewest seconds for which a failed request stays in the display."""

NAME: Final = 40
"""The most characters shown of an item's name."""


@attrs.frozen
class CountedItems:
    """Items with a known count, which report when they are taken.

    Attributes:
        items: The items.
        count: The number of items.
        on_item: Called with each item that the batch takes.
    """

    items: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]
    count: int
    on_item: Callable[[Mapping[str, Any]], None]

    def __len__(self) -> int:
        return self.count

    async def __aiter__(self) -> AsyncIterator[Mapping[str, Any]]:
        async for given in iterate(self.items):
            assert isinstance(given, Mapping)
            self.on_item(given)
            yield given


class BatchDisplay:
    """The display of a batch.

    Args:
        name: The batch's name in the display.
        governor: The governor of the account that the batch runs on.
        as_json: True to print each outcome as a line of JSON; otherwise a pipe gets cells separated by tabs.
    """

    def __init__(self, name: str, governor: GovernorProtocol, *, as_json: bool) -> None:
        self._name = name
        self._governor = governor
        self._as_json = as_json
        self._is_live = is_terminal() and not as_json
        self._names: dict[str, str] = {}
        self._rows: dict[str, Row] = {}
        self._batch: Batch | None = None
        self._spoke_at = 0.0
        self._quiet = HEARTBEAT
        self._has_shown_pause = False
        self._trouble: tuple[str, float] | None = None
        self.board: ProgressDisplay = (
            LiveDisplay(self._footer, self._holding) if self._is_live else LineDisplay(wordy=False)
        )

    def follow(self, batch: Batch) -> None:
        """Show this batch from now on."""
        self._batch = batch
        self._spoke_at = asyncio.get_running_loop().time()

    def on_item(self, given: Mapping[str, Any]) -> None:
        """Note the name of an item that the batch takes."""
        key = str(given["key"])
        about = given.get("title") or given.get("brief")
        words = f"line {key}: {about}" if key.isdecimal() else key
        self._names[key] = excerpt(words, NAME)

    def event(self, key: str, event: Event) -> None:
        """Show an event of an item."""
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = self.board.row(self._name_of(key))
        if row.tell(event):
            self.board.changed(row)

    def outcome(self, outcome: Outcome) -> None:
        """Show the outcome of an item, and remove the item's row."""
        row = self._rows.pop(outcome.key, None)
        if row is not None:
            self.board.removed(row)
        if not outcome.is_recorded and (outcome.status != "paused" or outcome.error is not None):
            self.say(self._line(outcome, row))
        self._names.pop(outcome.key, None)
        if self._as_json:
            write_line(json.dumps(outcome.to_json(), ensure_ascii=False))
        elif not self._is_live:
            link = address("share_url", outcome.share_url) or ""
            cells = (outcome.key, outcome.status, link, " ".join(map(str, outcome.files)))
            write_line("\t".join(map(unbroken, cells)))

    @property
    def under_way(self) -> str:
        """The number of started items that a paused batch still finishes."""
        count = sum(row.began_at is not None or row.project_id is not None for row in self._rows.values())
        return f"{count} in progress will be finished"

    def on_retry(self, retry: RetryScheduled) -> None:
        """Show that a failed request is being retried.

        A retry does not stop the batch, but it explains why nothing moves.
        """
        now = asyncio.get_running_loop().time()
        is_news = self._trouble_now() is None
        self._trouble = f"trouble: {excerpt(retry.reason)}; trying again", now + max(retry.wait, TROUBLED)
        if is_news and not self._is_live:
            self.say(self._trouble[0])

    def on_pause(self) -> None:
        """Note that the reason for the pause has been printed."""
        self._has_shown_pause = True

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._spoke_at, self._quiet = asyncio.get_running_loop().time(), HEARTBEAT
        self.board.say(line)

    async def frame(self) -> None:
        """Wait for the next redraw, then print the lines that are due."""
        factor = speed()
        await asyncio.sleep((FRAME if self._is_live else 5 * FRAME) * factor)
        batch = self._batch
        if batch is None:
            return
        if not self._has_shown_pause and (reason := batch.report.paused) is not None:
            self._has_shown_pause = True
            self.say(f"no more videos are started: {reason}; {self.under_way}")
        if not self._is_live and asyncio.get_running_loop().time() >= self._spoke_at + self._quiet * factor:
            quiet = self._quiet
            self.say("; ".join(filter(None, (self._standing(batch), self._trouble_now(), self._limits()))))
            self._quiet = min(2 * quiet, LONGEST_QUIET)

    # -- Inside -----------------------------------------------------------------------------------------

    def _name_of(self, key: str) -> str:
        return self._names.get(key, key)

    def _line(self, outcome: Outcome, row: Row | None) -> str:
        took = None if row is None else row.seconds(asyncio.get_running_loop().time())
        words = [f"{self._name_of(outcome.key)}: {outcome.status}"]
        if outcome.error is not None:
            words[0] += f": {describe_error(outcome.error)}"
        elif took is not None:
            words[0] += f" in {format_duration(took)}"
        words += [address("share_url", outcome.share_url) or "", *map(str, outcome.files)]
        line = "  ".join(filter(None, words))
        if self._is_live or self._batch is None:
            return line
        return f"{line}  [{self._standing(self._batch)}]"

    def _footer(self) -> str:
        standing = "" if self._batch is None else f"{self._name}: {self._standing(self._batch)}"
        return "\n".join(filter(None, (standing, self._limits(), self._trouble_now())))

    def _limits(self) -> str:
        return str(self._governor.snapshot())

    def _trouble_now(self) -> str | None:
        if self._trouble is None or asyncio.get_running_loop().time() > self._trouble[1]:
            return None
        return self._trouble[0]

    def _standing(self, batch: Batch) -> str:
        progress = batch.progress
        if batch.report.paused is not None:  # the time of completion is then unknown
            progress = attrs.evolve(progress, eta=None)
        return status_line(progress)

    def _holding(self) -> set[str | None]:
        return {lease.project_id for lease in self._governor.snapshot().slots.leases}


def status_line(progress: Progress) -> str:
    """Describe the progress of a batch in one line.

    For example `12 of 200 done (1 failed); 10 at work; about 1:20:00 to go (1:10:00 to 1:35:00)`.
    """
    counts = progress.counts
    done = progress.done - counts.get("paused", 0)
    text = f"{done} of {progress.total} done" if progress.total is not None else f"{done} done"
    bad = [f"{counts[status]} {status}" for status in ("failed", "cancelled") if counts.get(status)]
    if bad:
        text += f" ({', '.join(bad)})"
    parts = [text]
    if progress.active:
        parts.append(f"{progress.active} at work")
    if progress.eta and progress.eta_range is not None:
        soonest, latest = progress.eta_range
        parts.append(
            f"about {format_duration(progress.eta)} to go "
            f"({format_duration(soonest)} to {format_duration(latest)})"
        )
    return "; ".join(parts)
