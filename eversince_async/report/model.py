"""What a report tells, whoever has it to tell: of each item an `Entry`, of all of them an `Overview`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import attrs

from eversince_async.report.stages import IDLE, Stage

STATUSES: Final = ("succeeded", "failed", "cancelled", "paused", "working")
"""How an item stands; `working` only in a report made while a process works on it."""


@attrs.frozen
class Problem:
    """Why an item has not succeeded.

    Attributes:
        kind: The name of the error's class.
        text: What it says.
    """

    kind: str
    text: str


@attrs.frozen(kw_only=True)
class Entry:
    """What there is to tell of one item.

    Attributes:
        key: Its name in the journal.
        number: Its place in the order, from 1; None when that is not known.
        status: One of `STATUSES`.
        title: Its project's title; None if it has none.
        brief: What was to be made.
        problem: Why it has not succeeded, or what has become of its files since; None if all is well, or it
            has not ended.
        project_id: The project, if there is one.
        share_url: The public page; None if there is none, or none that may be linked to.
        share_problem: Why its address must not be linked to, and what it is; None if it may.
        files: What was downloaded.
        attempts: How many projects it took.
        earlier: Whether an earlier run, or another process, has come to this.
        began_at: When it was begun.
        ended_at: When it ended; for one that has not, when this was told.
        stages: What it went through.
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
        """From its beginning to its end."""
        return max(0.0, (self.ended_at - self.began_at).total_seconds())

    @property
    def seconds_at_work(self) -> float:
        """How long something was done for it."""
        return sum(stage.seconds for stage in self.stages if stage.name not in IDLE)

    def seconds_in(self, *names: str) -> float | None:
        """Seconds it was in these stages; None when nothing is known of its stages."""
        if not self.stages:
            return None
        return sum(stage.seconds for stage in self.stages if stage.name in names)


@attrs.frozen
class RequestMinute:
    """The requests of one minute.

    Attributes:
        at: When it began.
        work: Requests that moved something on: creates, messages, renders, shares, cancels.
        looks: Looks at projects.
        other: All other requests.
        refused: How many of them the server refused for the account's limits (429).
    """

    at: datetime
    work: int = 0
    looks: int = 0
    other: int = 0
    refused: int = 0

    @property
    def requests(self) -> int:
        """All of them."""
        return self.work + self.looks + self.other


@attrs.frozen
class PurchaseOffer:
    """Credits to buy.

    Attributes:
        label: What and for how much.
        url: Where.
    """

    label: str
    url: str


@attrs.frozen(kw_only=True)
class Overview:
    """What there is to tell of all items together.

    Attributes:
        title: What it is about.
        made_at: When this was told.
        counts: How many items came to which status.
        left: How many more there are that have not been begun, as far as that is known.
        paused: Why it stopped before its end; None if it did not.
        resumes_at: When there are projects or renders again, if the day's were used up.
        offers: Where to buy credits, if they ran out.
        seconds: How long it took, all runs together; None when that is not known.
        slots: The most projects that were at work at once, never more than the account may have; None when
            that is not known.
        minutes: The requests, oldest first, where any were counted.
        requests_per_minute: The limit they were held to; None when there was none, or it is not known.
        credits_spent: By how many credits the balance fell in all runs together; None when that is not
            known.
        notes: What else a reader should know, in sentences.
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
        """How many items there are."""
        return sum(self.counts.values()) + self.left

    @property
    def requests(self) -> int:
        """All requests that were counted."""
        return sum(minute.requests for minute in self.minutes)

    @property
    def refused(self) -> int:
        """How many of them were refused."""
        return sum(minute.refused for minute in self.minutes)


Entries = Iterable[Entry]
"""Read once, one after the other, so there may be any number."""
