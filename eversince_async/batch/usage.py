"""What a batch uses of the account: requests of each minute, and credits, for the report."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from eversince_async import clock
from eversince_async.governor import Governor
from eversince_async.journal import Json
from eversince_async.report.entries import Minute
from eversince_async.session.observers import AnswerReceived, Record, RequestSent

LOOKS: Final = frozenset({"projects.get", "projects.list"})
"""Endpoints that look at projects."""

WORK: Final = frozenset(
    {"projects.create", "projects.cancel", "messages.send", "output.render", "output.share"}
)
"""Endpoints that move a project on."""

MOST_MINUTES: Final = 30 * 24 * 60
"""Minutes that are remembered; of a longer batch, the last of them."""

_KINDS: Final = 4  # work, looks, other, refused


class Usage:
    """Counts while a batch runs.

    Each finished item takes what was counted since the one before with it into the journal. So a later run,
    or somebody who has the journal alone, can add up what all runs and processes have used.
    """

    def __init__(self, governor: Governor) -> None:
        self._governor = governor
        self._minutes: dict[int, list[int]] = {}
        self._unsaved: dict[int, list[int]] = {}
        self._balances: dict[float, float] = {}

    def heard(self, record: Record) -> None:
        """A request left, or was answered."""
        match record:
            case RequestSent(endpoint=endpoint):
                self._count(1 if endpoint in LOOKS else 0 if endpoint in WORK else 2)
            case AnswerReceived(status=429):
                self._count(3)
            case _:
                pass

    def _count(self, kind: int) -> None:
        minute = int(clock.wall_seconds() // 60)
        for counts in (self._minutes, self._unsaved):
            counts.setdefault(minute, [0] * _KINDS)[kind] += 1
        if len(self._minutes) > MOST_MINUTES:
            del self._minutes[min(self._minutes)]

    def saw_credits(self) -> None:
        """An answer may have told the balance."""
        known = self._governor.credits
        if known is not None:
            self._balances[known.noted_at.timestamp()] = known.balance

    def to_keep(self) -> dict[str, Json]:
        """What no item has taken with it yet."""
        unsaved, self._unsaved = self._unsaved, {}
        kept: dict[str, Json] = {"requests": [[minute, *counts] for minute, counts in unsaved.items()]}
        known = self._governor.credits
        if known is not None:
            kept["credits"] = [round(known.noted_at.timestamp(), 3), known.balance]
        return {name: value for name, value in kept.items() if value}

    def learn(self, kept: Mapping[str, Any]) -> None:
        """Add what an item of another run or process took with it."""
        for minute, *counts in _rows(kept.get("requests")):
            total = self._minutes.setdefault(minute, [0] * _KINDS)
            for kind, count in enumerate(counts):
                total[kind] += count
        match kept.get("credits"):
            case [int() | float() as at, int() | float() as balance]:
                self._balances[float(at)] = balance
            case _:
                pass

    @property
    def minutes(self) -> tuple[Minute, ...]:
        """The requests of each minute that had any, oldest first."""
        return tuple(
            Minute(datetime.fromtimestamp(60 * minute, UTC), *counts)
            for minute, counts in sorted(self._minutes.items())
        )

    @property
    def credits_spent(self) -> float | None:
        """By how many credits the balance fell, as far as it was told; None if it was told less than twice."""
        balances = [balance for _, balance in sorted(self._balances.items())]
        if len(balances) < 2:
            return None
        falls = (max(0.0, before - after) for before, after in zip(balances, balances[1:], strict=False))
        return round(sum(falls), 6)


def _rows(kept: object) -> Iterable[list[int]]:
    """Those that can be read."""
    if not isinstance(kept, list):
        return []
    return [row for row in kept if isinstance(row, list) and len(row) == 1 + _KINDS and all(map(_is_count, row))]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 10**9


def joined(earlier: Json, more: Mapping[str, Json]) -> dict[str, Json]:
    """What an item took with it in an earlier run, which is written anew, and what it takes now."""
    rows = [*_rows(earlier.get("requests") if isinstance(earlier, Mapping) else None), *(more.get("requests") or [])]
    return {**more, **({"requests": rows} if rows else {})}
