"""What a batch uses of the account: requests of each minute, credits and time, for the report."""

import asyncio
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

from eversince_async import clock
from eversince_async.batch.totals import KINDS, Account, Totals, readable, readable_count
from eversince_async.durable.api import loop_time
from eversince_async.errors import EversinceError, JournalError
from eversince_async.governor import GovernorProtocol
from eversince_async.journal import Journal, Json
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.report.model import RequestMinute
from eversince_async.session.hooks import HookEvent, RequestSent, ResponseReceived
from eversince_async.tasks import finish

POLL_ENDPOINTS: Final = frozenset({"projects.get", "projects.list"})
"""Endpoints that look at projects."""

WRITE_ENDPOINTS: Final = frozenset(
    {"projects.create", "projects.cancel", "messages.send", "output.render", "output.share"}
)
"""Endpoints that move a project on."""

MAX_MINUTES: Final = 30 * 24 * 60
"""Minutes that are remembered; of a longer batch, the last of them."""


class UsageTotals:
    """What runs have used, from what they kept in a journal.

    Attributes:
        totals: What no item took with it.
    """

    def __init__(self, totals: Totals | None = None) -> None:
        self.totals = totals or Totals()
        self._minutes: dict[int, list[int]] = {}
        self._limit: int | None = None

    def merge(self, kept: Json) -> None:
        """Add what an item took with it into the journal."""
        if not isinstance(kept, Mapping):
            return
        for minute, *counts in readable(kept.get("requests")):
            self._add(minute, counts)
        self._limit = readable_count(kept.get("requests_per_minute")) or self._limit

    def _add(self, minute: int, counts: list[int]) -> None:
        total = self._minutes.setdefault(minute, [0] * KINDS)
        for kind, count in enumerate(counts):
            total[kind] += count

    @property
    def limit(self) -> int | None:
        """How many requests the account may send in a minute; None if that is not known."""
        return self._limit or self.totals.requests_per_minute

    @property
    def minutes(self) -> tuple[RequestMinute, ...]:
        """The requests of each minute that had any, oldest first."""
        found = {minute: list(counts) for minute, counts in self._minutes.items()}
        for minute, *counts in self.totals.requests:
            here = found.setdefault(minute, [0] * KINDS)
            found[minute] = [a + b for a, b in zip(here, counts, strict=True)]
        return tuple(
            RequestMinute(datetime.fromtimestamp(60 * minute, UTC), *counts)
            for minute, counts in sorted(found.items())
        )

    @property
    def credits_spent(self) -> float | None:
        """By how many credits the balance fell while a run watched; None if that was not told."""
        return self.totals.credits_spent

    @property
    def seconds(self) -> float:
        """How long runs took, each moment once."""
        return self.totals.seconds

    @property
    def slots(self) -> int | None:
        """How many projects the account may have at work at once, at most; None if that is not known."""
        return self.totals.slots


class UsageRecorder(UsageTotals):
    """Counts while a batch runs.

    Each item that ends takes the requests since the one before with it into the journal; time and credits,
    and the requests that are left in the end, are added to the journal's totals. So a later run, or somebody
    who has the journal alone, can add up what all runs and processes have used.

    Args:
        governor: Knows the balance and the limits.
        journal: What remembers other runs; None: there are none.
    """

    def __init__(self, governor: GovernorProtocol, journal: Journal | None = None) -> None:
        super().__init__()
        self._governor = governor
        self._account = Account(journal)
        self.journal = journal
        self._beside: Sequence[object] = ()
        self._counted_until: float | None = None  # in loop time
        self._told_before = self._times()
        self._spent_until: float | None = None
        self._was_told_again = False
        self._unsaved: dict[int, list[int]] = {}
        self._early = [0] * KINDS
        self._is_early = True
        self._asking = asyncio.Lock()
        self._has_begun = False

    async def begin(self) -> None:
        """Learn what earlier runs and other processes have used, and begin to measure if nobody does.

        Raises:
            JournalError: The journal cannot be used.
        """
        self._has_begun = True  # whoever is cancelled meanwhile may have been written down as who measures
        await self.save()
        self.totals = self._account.totals

    async def end(self) -> None:
        """Save all, and leave measuring to others; nothing if it never began.

        Raises:
            JournalError: The journal cannot be used.
        """
        if self._has_begun:
            await self.save(ends=True)

    @contextmanager
    def recording(self, runtime: Runtime) -> Generator[None, None, None]:
        """Count meanwhile what the client sends."""
        guests = self._beside = runtime.session.observers.subscribers
        self._counted_until = loop_time()
        guests.append(self.on_record)
        try:
            yield
        finally:
            guests.remove(self.on_record)
            self._counted_until = None

    # -- Requests ---------------------------------------------------------------------------------------

    def on_record(self, record: HookEvent) -> None:
        """A request left, or was answered."""
        match record:
            case RequestSent(endpoint=endpoint):
                self._count(1 if endpoint in POLL_ENDPOINTS else 0 if endpoint in WRITE_ENDPOINTS else 2)
            case ResponseReceived(status=status):
                if status == 429:
                    self._count(3)
                self._came_to_time()
            case _:
                pass

    def _count(self, kind: int) -> None:
        if self._is_early:
            self._early[kind] += 1
        else:
            self._note([int(kind == each) for each in range(KINDS)])

    def _came_to_time(self) -> None:
        """From now on the clock is right: an emulator's first answer tells how fast its own goes."""
        if self._is_early:
            self._is_early = False
            self._note(self._early)

    def _note(self, counts: list[int]) -> None:
        minute = int(clock.steady_now().timestamp() // 60)
        for minutes in (self._minutes, self._unsaved) if self._is_first else (self._minutes,):
            total = minutes.setdefault(minute, [0] * KINDS)
            for kind, count in enumerate(counts):
                total[kind] += count
        _drop_oldest(self._minutes)

    @property
    def _is_first(self) -> bool:
        """Whether no other batch of the client counts the same requests for the same journal."""
        others = (getattr(guest, "__self__", None) for guest in self._beside)
        first = (
            each
            for each in others
            if isinstance(each, UsageRecorder) and _is_same(each.journal, self.journal)
        )
        return next(first, self) is self

    def take_unsaved(self) -> dict[str, Json]:
        """The requests that no item has taken with it yet."""
        unsaved, self._unsaved = self._unsaved, {}
        if not unsaved:
            return {}
        rows = [[minute, *counts] for minute, counts in unsaved.items()]
        return {"requests": rows, "requests_per_minute": self.limit}

    @property
    def limit(self) -> int | None:
        """How many requests the account may send in a minute; None if there is no limit."""
        return self._governor.request_limit

    # -- Credits and time -------------------------------------------------------------------------------

    def record_balance(self) -> None:
        """An answer may have told the balance: what it falls by after the first in this run is spent."""
        known = self._governor.credits
        if known is None or known.times == self._told_before:
            return
        if self._spent_until is None:
            self._spent_until, self._told_before = known.spent, known.times
        else:
            self._was_told_again = True

    async def learn_the_beginning(self, runtime: Runtime) -> None:
        """Ask for the balance, if it was not told yet: what is gone on with costs something at once."""
        async with self._asking:
            if self._spent_until is None:
                await self._learn(runtime)

    async def record_final_balance(self, runtime: Runtime) -> None:
        """Ask for the balance, if anything was paid for: what was begun last has cost something since."""
        if self._spent_until is not None:
            await self._learn(runtime)

    async def _learn(self, runtime: Runtime) -> None:
        with suppress(EversinceError):  # nobody needs it but the report
            requested_at = loop_time()
            told = await runtime.interactive.account.credits()
            self._governor.record_credits(told.credits_balance, requested_at=requested_at)
            self.record_balance()

    def _times(self) -> int:
        known = self._governor.credits
        return 0 if known is None else known.times

    @property
    def credits_spent(self) -> float | None:
        """By how many credits the balance fell while a run watched, this or another; None: not told."""
        return self._total.credits_spent

    @property
    def seconds(self) -> float:
        """How long runs took, this one included, each moment once."""
        return self._total.seconds

    @property
    def slots(self) -> int | None:
        """How many projects the account may have at work at once, at most; None if that is not known."""
        return self._total.slots

    @property
    def _total(self) -> Totals:
        pending = self._pending
        return self._account.totals + (pending if self._account.measures else pending.own_share)

    @property
    def _pending(self) -> Totals:
        """Time and credits that are in no total yet."""
        known, until, spent = self._governor.credits, self._spent_until, None
        if self._was_told_again and known is not None and until is not None:
            spent = max(0.0, known.spent - until)
        return Totals(
            seconds=0.0 if self._counted_until is None else max(0.0, loop_time() - self._counted_until),
            credits_spent=spent,
            slots=self._governor.limits.active_projects,
        )

    async def save(self, *, ends: bool = False) -> None:
        """Add to the journal's totals what was used since the last time, also when cancelled meanwhile.

        Args:
            ends: Whether the run is over.

        Raises:
            JournalError: It cannot be written down; then the next time adds it.
        """
        await finish(self._save(ends=ends))

    async def _save(self, *, ends: bool) -> None:
        used, before = self._pending, (self._counted_until, self._spent_until, self._unsaved)
        was_measured = used if self._account.measures else used.own_share
        self._counted_until = loop_time()
        if used.credits_spent is not None and self._spent_until is not None:
            self._spent_until += used.credits_spent
        if ends:
            if self._is_early and any(self._early):
                self._came_to_time()
            rest, self._unsaved = self._unsaved, {}
            rows = tuple((minute, *counts) for minute, counts in sorted(rest.items()))
            used = used + Totals(requests=rows, requests_per_minute=self.limit if rows else None)
        known = self._governor.credits
        try:
            await self._account.add(used, balance=None if known is None else known.balance, ends=ends)
        except JournalError:
            self._counted_until, self._spent_until, self._unsaved = before
            if ends:  # nobody else learns of it, but our own report does
                self._account.totals += was_measured
            raise
        finally:
            if ends:
                self._counted_until = self._spent_until = None
        if (balance := self._account.taken_over_at) is not None and known is not None:
            # Another run has measured to there, and we had last seen another balance.
            self._spent_until, self._was_told_again = known.spent + known.balance - balance, False


def _is_same(one: Journal | None, other: Journal | None) -> bool:
    """Whether two journals are one, or of one file."""
    path = getattr(one, "path", None)
    return one is other or (path is not None and path == getattr(other, "path", None))


def _drop_oldest(by_minute: dict[int, Any]) -> None:
    if len(by_minute) > MAX_MINUTES:
        del by_minute[min(by_minute)]


def merge_usage(earlier: Json, more: Mapping[str, Json]) -> dict[str, Json]:
    """What an item took with it in an earlier run, which is written anew, and what it takes now."""
    before = readable(earlier.get("requests")) if isinstance(earlier, Mapping) else []
    rows = [*before, *more.get("requests", ())]
    return {**more, **({"requests": rows} if rows else {})}
