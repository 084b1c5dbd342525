"""Totals of time and credits over all runs with one journal.

Each second and each credit counts once. Several processes that share a journal see the same time pass and the
same balance fall. So only one of them measures at a time; when that one ends or dies, the next one that
writes continues from there. Anything that happens while no process measures is in no total.
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
"""The name of the note in a journal."""

MOST: Final = 10.0**12
"""Credits or seconds from which on a number is not credible."""


@attrs.frozen(kw_only=True)
class Totals:
    """The use of an account by runs.

    Attributes:
        seconds: Seconds in which at least one run was active.
        credits_spent: The fall of the balance meanwhile, in credits; None if no response stated it.
        slots: The largest number of projects that the account could have active; None if unknown or
            unlimited.
        requests_per_minute: The largest number of requests that the account could send in a minute; None
            likewise.
        requests: Requests that no item has recorded, as rows of a minute and its counts.
    """

    seconds: float = 0.0
    credits_spent: float | None = None
    slots: int | None = None
    requests_per_minute: int | None = None
    requests: tuple[tuple[int, ...], ...] = ()

    def __add__(self, more: "Totals") -> "Totals":
        """Return the sum of both."""
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
        """The part that each process counts for itself."""
        return attrs.evolve(self, seconds=0.0, credits_spent=None)

    @classmethod
    def read(cls, kept: Json) -> Self:
        """Read totals from a journal's note; unreadable values are left out."""
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
        """Return the totals as a journal stores them."""
        return {**attrs.asdict(self), "requests": [list(row) for row in self.requests]}


class Account:
    """The totals of a journal, to which one run adds its use.

    Args:
        journal: The journal; None if there are no other runs.

    Attributes:
        totals: The totals of all runs, as this run has last read and written them.
        measures: True if this run measures time and credits.
        taken_over_at: The balance up to which another run had measured, if this run has just taken over from
            it.
    """

    def __init__(self, journal: Journal | None) -> None:
        self.totals = Totals()
        self.measures = journal is None
        self.taken_over_at: float | None = None
        self._journal = journal
        self._waits = False
        self._name = secrets.token_hex(8)

    async def add(self, used: Totals, *, balance: float | None = None, ends: bool = False) -> None:
        """Add the use since the last call.

        Time and credits count only if this run measures them.

        Args:
            used: The use of the account.
            balance: The balance up to which the use was measured.
            ends: True if the run is over, so that another one may measure.

        Raises:
            JournalError: The totals cannot be written; nothing is added then.
        """
        journal = self._journal
        if journal is None:
            self.totals += used
            return
        holder = _Holder(self._name, journal.incarnation, clock.now().isoformat(), clock.moment())
        note = await journal.change_note(NOTE, partial(_add, used, holder, balance, ends))
        self.totals = Totals.read(note)
        self.measures = not ends and (now := _Holder.read(note)) is not None and now.name == self._name
        self.taken_over_at = _number(note["balance"]) if self.measures and self._waits else None
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
    def read(cls, note: Json) -> Self | None:
        match note:
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


def _add(used: Totals, ours: _Holder, balance: float | None, ends: bool, note: Json) -> Json:  # noqa: FBT001 - called by `partial`
    holder = _Holder.read(note)
    is_ours = holder is not None and holder.name == ours.name
    if not is_ours or balance is None:
        balance = note.get("balance") if isinstance(note, dict) else None
    total = Totals.read(note) + (used if is_ours else used.own_share)
    if is_ours and ends:
        holder = None
    elif not ends and (is_ours or holder is None or holder.is_gone):
        holder = ours
    measured_by = None if holder is None else holder.to_json()
    return {**total.to_json(), "measured_by": measured_by, "balance": balance}


def readable(kept: object) -> list[list[int]]:
    """Return the readable rows of requests."""
    return [row for row in kept if _is_row(row)] if isinstance(kept, list) else []


KINDS: Final = 4
"""The number of kinds of requests: work, polls, other, refused."""


def _is_row(row: object) -> bool:
    if not isinstance(row, list) or len(row) != 1 + KINDS:
        return False
    return all(type(count) is int and 0 <= count < 10**9 for count in row)


def _merge(*rows: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return the rows with one row for each minute."""
    by_minute: dict[int, list[int]] = {}
    for minute, *counts in rows:
        by_minute[minute] = [a + b for a, b in zip(by_minute.get(minute, [0] * KINDS), counts, strict=True)]
    return tuple((minute, *counts) for minute, counts in sorted(by_minute.items()))


def _larger(one: int | None, other: int | None) -> int | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _number(kept: Any) -> float | None:
    is_number = isinstance(kept, int | float) and not isinstance(kept, bool)
    return float(kept) if is_number and 0 <= kept < MOST else None


def readable_count(kept: Any) -> int | None:
    """Return a stored count of one or more; None if unreadable."""
    return kept if type(kept) is int and 0 < kept < 10**9 else None


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
