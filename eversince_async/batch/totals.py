"""What all runs with one journal took of time and credits, each second and each credit once.

Several processes that share a journal see the same time pass, and the same balance fall. So one of them at a
time measures; when it ends or dies, the next that writes goes on from there. What happened while nobody
measured is in no total.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, Self

import attrs

from eversince_async import clock
from eversince_async.journal import LEASE_SECONDS, Journal, Json
from eversince_async.journal.owners import is_dead

NOTE: Final = "usage"
"""The name of a journal's note."""

MOST: Final = 10.0**12
"""Credits, or seconds, that nobody believes."""


@attrs.frozen(kw_only=True)
class Totals:
    """What runs have used.

    Attributes:
        seconds: How long at least one of them ran.
        credits_spent: By how much the balance fell meanwhile; None: that was not told.
        slots: The most projects that the account could have at work; None: not known, or any number.
        requests_per_minute: The most requests that it could send in a minute; None likewise.
        requests: Requests that no item has taken with it: rows of a minute and its counts.
    """

    seconds: float = 0.0
    credits_spent: float | None = None
    slots: int | None = None
    requests_per_minute: int | None = None
    requests: tuple[tuple[int, ...], ...] = ()

    def __add__(self, more: "Totals") -> "Totals":
        """Both together."""
        known = [each for each in (self.credits_spent, more.credits_spent) if each is not None]
        return Totals(
            seconds=self.seconds + more.seconds,
            credits_spent=round(sum(known), 6) if known else None,
            slots=_larger(self.slots, more.slots),
            requests_per_minute=more.requests_per_minute or self.requests_per_minute,
            requests=_merge(*self.requests, *more.requests),
        )

    @property
    def own_share(self) -> "Totals":
        """The part that each process knows for itself."""
        return attrs.evolve(self, seconds=0.0, credits_spent=None)

    @classmethod
    def read(cls, kept: Json) -> Self:
        """From what a journal kept; what cannot be read is nothing."""
        if not isinstance(kept, Mapping):
            return cls()
        rows = kept.get("requests")
        return cls(
            seconds=_number(kept.get("seconds")) or 0.0,
            credits_spent=_number(kept.get("credits_spent")),
            slots=readable_count(kept.get("slots")),
            requests_per_minute=readable_count(kept.get("requests_per_minute")),
            requests=tuple(map(tuple, readable(rows))),
        )

    def to_json(self) -> dict[str, Json]:
        """What a journal keeps."""
        return {**attrs.asdict(self), "requests": [list(row) for row in self.requests]}


class Account:
    """Adds what one run uses to a journal's totals.

    Args:
        journal: The journal; None: there are no other runs.

    Attributes:
        totals: Of all runs, as far as this one has read and written them.
        measures: Whether it is this run that measures time and credits.
        taken_over_at: The balance up to which another run has measured from which we have just taken over.
    """

    def __init__(self, journal: Journal | None) -> None:
        self.totals = Totals()
        self.measures = journal is None
        self.taken_over_at: float | None = None
        self._journal = journal
        self._waits = False
        self._name = secrets.token_hex(8)

    async def add(self, used: Totals, *, balance: float | None = None, ends: bool = False) -> None:
        """Add what was used since the last time; time and credits only if it is we who measure them.

        Args:
            used: What was used.
            balance: The balance up to which that was measured.
            ends: Whether the run is over, so that another one may measure.

        Raises:
            JournalError: It cannot be written down; then nothing is added.
        """
        journal = self._journal
        if journal is None:
            self.totals += used
            return
        holder = _Holder(self._name, journal.incarnation, clock.now().isoformat(), clock.moment())
        kept = await journal.change_note(NOTE, partial(_add, used, holder, balance, ends))
        self.totals = Totals.read(kept)
        self.measures = not ends and (found := _Holder.read(kept)) is not None and found.name == self._name
        self.taken_over_at = _number(kept["balance"]) if self.measures and self._waits else None
        self._waits = not self.measures


@attrs.frozen
class _Holder:
    """The run that measures."""

    name: str
    incarnation: str
    at: str
    moment: clock.Moment

    @property
    def is_gone(self) -> bool:
        return is_dead(self.incarnation) or (
            clock.age(self.moment, datetime.fromisoformat(self.at)) > LEASE_SECONDS
        )

    @classmethod
    def read(cls, kept: Json) -> Self | None:
        match kept:
            case {
                "measured_by": {
                    "name": str() as name,
                    "incarnation": str() as incarnation,
                    "at": str() as at,
                    "boot": str() as boot,
                    "seconds": int() | float() as seconds,
                }
            } if _is_instant(at):
                return cls(name, incarnation, at, clock.Moment(boot, seconds))
            case _:
                return None

    def to_json(self) -> dict[str, Json]:
        return {
            "name": self.name,
            "incarnation": self.incarnation,
            "at": self.at,
            "boot": self.moment.boot,
            "seconds": self.moment.seconds,
        }


def _add(used: Totals, ours: _Holder, balance: float | None, ends: bool, kept: Json) -> Json:  # noqa: FBT001 - called by `partial`
    holder = _Holder.read(kept)
    is_ours = holder is not None and holder.name == ours.name
    if not is_ours or balance is None:
        balance = kept.get("balance") if isinstance(kept, dict) else None
    total = Totals.read(kept) + (used if is_ours else used.own_share)
    if is_ours and ends:
        holder = None
    elif not ends and (is_ours or holder is None or holder.is_gone):
        holder = ours
    measured_by = None if holder is None else holder.to_json()
    return {**total.to_json(), "measured_by": measured_by, "balance": balance}


def readable(kept: object) -> list[list[int]]:
    """Rows of requests that can be read."""
    return [row for row in kept if _is_row(row)] if isinstance(kept, list) else []


KINDS: Final = 4
"""Kinds of requests that are counted: work, looks, other, refused."""


def _is_row(row: object) -> bool:
    if not isinstance(row, list) or len(row) != 1 + KINDS:
        return False
    return all(type(count) is int and 0 <= count < 10**9 for count in row)


def _merge(*rows: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Rows, each minute once."""
    found: dict[int, list[int]] = {}
    for minute, *counts in rows:
        found[minute] = [a + b for a, b in zip(found.get(minute, [0] * KINDS), counts, strict=True)]
    return tuple((minute, *counts) for minute, counts in sorted(found.items()))


def _larger(one: int | None, other: int | None) -> int | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _number(kept: Any) -> float | None:
    is_number = isinstance(kept, int | float) and not isinstance(kept, bool)
    return float(kept) if is_number and 0 <= kept < MOST else None


def readable_count(kept: Any) -> int | None:
    """A count of something there is at least one of, if it can be one."""
    return kept if type(kept) is int and 0 < kept < 10**9 else None


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
