"""The content of a report: entries of items and an overview."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import attrs

from eversince_async.report.stages import IDLE, Stage

STATUSES: Final = ("succeeded", "failed", "cancelled", "paused", "working")
"""The statuses of an item; `working` occurs only in a report made while a process works on the item."""


@attrs.frozen
class Problem:
    """The reason why an item has not succeeded.

    Attributes:
        kind: The name of the error's class.
        text: The error's message.
    """

    kind: str
    text: str


@attrs.frozen(kw_only=True)
class Entry:
    """The facts about one item.

    Attributes:
        key: The item's name in the journal.
        number: The item's place in the order, counted from 1; None if that is not known.
        status: One of `STATUSES`.
        title: The project's title; None if it has none.
        brief: The brief.
        problem: The reason why the item has not succeeded, or a problem with its files since; None if there
            is no problem, or the item has not ended.
        project_id: The id of the project; None if there is none.
        share_url: The public page; None if there is none, or none that may be linked to.
        share_problem: The reason why the public page must not be linked to, with its address; None if it may.
        files: The files that were downloaded.
        attempts: The number of projects that the item took.
        earlier: True if an earlier run, or another process, brought the item to this status.
        began_at: The time at which the item began.
        ended_at: The time at which the item ended; for an item that has not, the time of the report.
        stages: The stages that the item went through.
    """

    key: str
    number: int | None = None
    status: str
    title: str | None = None
    brief: str = ""
    problem: Problem | None = None
    project_id: str | None = None
    share_url: str | None = None
    share_problem: str | None = None
    files: Sequence[Path] = ()
    attempts: int = 1
    earlier: bool = False
    began_at: datetime
    ended_at: datetime
    stages: Sequence[Stage] = ()

    @property
    def seconds(self) -> float:
        """The seconds from the item's beginning to its end."""
        return max(0.0, (self.ended_at - self.began_at).total_seconds())

    @property
    def seconds_at_work(self) -> float:
        """The seconds during which work was done for the item."""
        return sum(stage.seconds for stage in self.stages if stage.name not in IDLE)

    def seconds_in(self, *names: str) -> float | None:
        """Return the seconds spent in stages; None if no stages are known."""
        if not self.stages:
            return None
        return sum(stage.seconds for stage in self.stages if stage.name in names)


@attrs.frozen
class RequestMinute:
    """The requests of one minute.

    Attributes:
        at: The time at which the minute began.
        work: Requests that advanced a project: creates, messages, renders, shares, cancels.
        looks: Polls of projects.
        other: All other requests.
        refused: The number of requests that the server refused for the account's limits (429).
    """

    at: datetime
    work: int = 0
    looks: int = 0
    other: int = 0
    refused: int = 0

    @property
    def requests(self) -> int:
        """The number of all requests of the minute."""
        return self.work + self.looks + self.other


@attrs.frozen
class PurchaseOffer:
    """An offer of credits.

    Attributes:
        label: The number of credits and their price.
        url: The address of the offer.
    """

    label: str
    url: str


@attrs.frozen(kw_only=True)
class Overview:
    """The facts about all items together.

    Attributes:
        title: The title of the report.
        made_at: The time at which the report was made.
        counts: The number of items by status.
        left: The number of further items that have not begun, as far as it is known.
        paused: The reason why the batch stopped before its end; None if it did not.
        resumes_at: The time at which projects or renders are available again, if the daily quota was used up.
        offers: Offers of credits, if the credits ran out.
        seconds: The duration of all runs together; None if it is not known.
        slots: The most projects that were active at once, never more than the account's limit; None if that
            is not known.
        minutes: The requests of each minute, oldest first, as far as they were counted.
        requests_per_minute: The limit on requests; None if there was none, or it is not known.
        credits_spent: The number of credits by which the balance fell in all runs together; None if it is not
            known.
        notes: Further remarks for the reader, in sentences.
    """

    title: str
    made_at: datetime
    counts: Mapping[str, int]
    left: int = 0
    paused: str | None = None
    resumes_at: datetime | None = None
    offers: Sequence[PurchaseOffer] = ()
    seconds: float | None = None
    slots: int | None = None
    minutes: Sequence[RequestMinute] = ()
    requests_per_minute: int | None = None
    credits_spent: float | None = None
    notes: Sequence[str] = ()

    @property
    def items(self) -> int:
        """The number of all items."""
        return sum(self.counts.values()) + self.left

    @property
    def requests(self) -> int:
        """The number of all requests that were counted."""
        return sum(minute.requests for minute in self.minutes)

    @property
    def refused(self) -> int:
        """The number of counted requests that the server refused."""
        return sum(minute.refused for minute in self.minutes)


Entries = Iterable[Entry]
"""The items of a report, read once and in order, so that their number is not limited."""
