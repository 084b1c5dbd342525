"""What a batch uses of the account: requests of each minute, and credits, for the report."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from eversince_async import clock
from eversince_async.errors import EversinceError
from eversince_async.governor import AccountGovernor
from eversince_async.journal import Json
from eversince_async.orchestrator.desk import Desk
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

_IMPLAUSIBLE: Final = 10**9
"""Minutes, requests and credits of which no journal of ours tells."""

_KINDS: Final = 4  # work, looks, other, refused


class Tallied:
    """What runs have used, minute by minute."""

    def __init__(self) -> None:
        self._minutes: dict[int, list[int]] = {}
        self._balances: dict[int, float] = {}  # the last of each minute
        self._limit: int | None = None

    def learn(self, kept: Json) -> None:
        """Add what an item took with it into the journal."""
        if not isinstance(kept, Mapping):
            return
        for minute, *counts in _rows(kept.get("requests")):
            total = self._minutes.setdefault(minute, [0] * _KINDS)
            for kind, count in enumerate(counts):
                total[kind] += count
        limit = kept.get("requests_per_minute")
        self._limit = limit if isinstance(limit, int) and 0 < limit < _IMPLAUSIBLE else self._limit
        match kept.get("credits"):
            case [int() as minute, int() | float() as balance] if _is_plausible(minute, balance):
                self._balances[minute] = balance
            case _:
                pass

    @property
    def limit(self) -> int | None:
        """How many requests the account may send in a minute; None if that is not known."""
        return self._limit

    @property
    def minutes(self) -> tuple[Minute, ...]:
        """The requests of each minute that had any, oldest first."""
        return tuple(
            Minute(datetime.fromtimestamp(60 * minute, UTC), *counts)
            for minute, counts in sorted(self._minutes.items())
        )

    @property
    def credits_spent(self) -> float | None:
        """By how many credits the balance fell, as far as it was told; None if it was told only once."""
        balances = [balance for _, balance in sorted(self._balances.items())]
        if len(balances) < 2:
            return None
        return round(sum(max(0.0, before - after) for before, after in pairwise(balances)), 6)


class Usage(Tallied):
    """Counts while a batch runs.

    Each item that ends takes what was counted since the one before with it into the journal. So a later run,
    or somebody who has the journal alone, can add up what all runs and processes have used.
    """

    def __init__(self, governor: AccountGovernor) -> None:
        super().__init__()
        self._governor = governor
        self._began_at = clock.steady_now()
        self._has_paid = False
        self._unsaved: dict[int, list[int]] = {}

    @contextmanager
    def counted(self, desk: Desk) -> Generator[None, None, None]:
        """Count meanwhile what the client sends."""
        guests = desk.session.observers.guests
        guests.append(self.heard)
        try:
            yield
        finally:
            guests.remove(self.heard)

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
        minute = int(clock.steady_now().timestamp() // 60)
        for counts in (self._minutes, self._unsaved):
            counts.setdefault(minute, [0] * _KINDS)[kind] += 1
        _forget(self._minutes)

    def saw_credits(self) -> None:
        """An answer may have told the balance."""
        known = self._governor.credits
        if known is not None and known.noted_at >= self._began_at:
            self._has_paid = True
            self._balances[int(known.noted_at.timestamp() // 60)] = known.balance
            _forget(self._balances)

    async def learn_the_end(self, desk: Desk) -> None:
        """Ask for the balance, if anything was paid for: what was begun last has cost something since."""
        if self._has_paid:
            with suppress(EversinceError):  # nobody needs it but the report
                self._governor.noted_credits((await desk.interactive.account.credits()).credits_balance)
                self.saw_credits()

    def to_keep(self) -> dict[str, Json]:
        """What no item has taken with it yet."""
        unsaved, self._unsaved = self._unsaved, {}
        kept: dict[str, Json] = {}
        if unsaved:
            kept["requests"] = [[minute, *counts] for minute, counts in unsaved.items()]
            kept["requests_per_minute"] = self.limit
        if self._has_paid and self._governor.credits is not None:
            noted = self._governor.credits
            kept["credits"] = [int(noted.noted_at.timestamp() // 60), noted.balance]
        return kept

    @property
    def limit(self) -> int | None:
        """How many requests the account may send in a minute; None if there is no limit."""
        return self._governor.request_limit


def _forget(by_minute: dict[int, Any]) -> None:
    if len(by_minute) > MOST_MINUTES:
        del by_minute[min(by_minute)]


def _rows(kept: object) -> list[list[int]]:
    """Those that can be read."""
    return [row for row in kept if _is_row(row)] if isinstance(kept, list) else []


def _is_row(row: object) -> bool:
    if not isinstance(row, list) or len(row) != 1 + _KINDS:
        return False
    return all(isinstance(count, int) and _is_plausible(count) for count in row)


def _is_plausible(*counts: float) -> bool:
    return all(0 <= count < _IMPLAUSIBLE for count in counts)


def joined(earlier: Json, more: Mapping[str, Json]) -> dict[str, Json]:
    """What an item took with it in an earlier run, which is written anew, and what it takes now."""
    before = _rows(earlier.get("requests")) if isinstance(earlier, Mapping) else []
    rows = [*before, *more.get("requests", ())]
    return {**more, **({"requests": rows} if rows else {})}
