"""Use of the account by a batch: requests, credits and time.

The report shows it; requests are counted by minutes.
"""

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
"""Endpoints that poll projects."""

WRITE_ENDPOINTS: Final = frozenset(
    {"projects.create", "projects.cancel", "messages.send", "output.render", "output.share"}
)
"""Endpoints that advance a project."""

MAX_MINUTES: Final = 30 * 24 * 60
"""Minutes whose requests are remembered.

For a longer batch, these are the last ones.
"""


class UsageTotals:
    """The use of an account by runs, as a journal stores it.

    Attributes:
        totals: The use that no item has recorded.
    """

    def __init__(self, totals: Totals | None = None) -> None:
        self.totals = totals or Totals()
        self._minutes: dict[int, list[int]] = {}
        self._limit: int | None = None

    def merge(self, kept: Json) -> None:
        """Add the requests that an item's result records."""
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
        """The requests that the account may send in a minute, or None.

        None if that is not known.
        """
        return self._limit or self.totals.requests_per_minute

    @property
    def minutes(self) -> tuple[RequestMinute, ...]:
        """The requests of each minute that had any, oldest first."""
        by_minute = {minute: list(counts) for minute, counts in self._minutes.items()}
        for minute, *counts in self.totals.requests:
            sums = by_minute.setdefault(minute, [0] * KINDS)
            by_minute[minute] = [a + b for a, b in zip(sums, counts, strict=True)]
        return tuple(
            RequestMinute(datetime.fromtimestamp(60 * minute, UTC), *counts)
            for minute, counts in sorted(by_minute.items())
        )

    @property
    def credits_spent(self) -> float | None:
        """The fall of the balance in earlier runs, in credits, or None.

        None if no response stated the balance.
        """
        return self.totals.credits_spent

    @property
    def seconds(self) -> float:
        """The duration of all runs in seconds, with each moment counted once."""
        return self.totals.seconds

    @property
    def slots(self) -> int | None:
        """The most projects that the account may have active; None if unknown."""
        return self.totals.slots


class UsageRecorder(UsageTotals):
    """A count of the account's use while a batch runs.

    Each item that ends stores the requests since the previous one in the journal, with its result. Time,
    credits and the requests that are left at the end are added to the journal's totals. So a later run, or a
    reader of the journal alone, can add up the use by all runs and processes.

    Args:
        governor: Knows the balance and the limits.
        journal: The record of other runs; None if there are none.
    """

    def __init__(self, governor: GovernorProtocol, journal: Journal | None = None) -> None:
        super().__init__()
        self._governor = governor
        self._account = Account(journal)
        self.journal = journal
        self._beside: Sequence[object] = ()
        self._counted_until: float | None = None  # in loop time
        self._statements_before = self._statements()
        self._spent_until: float | None = None
        self._has_second_statement = False
        self._unsaved: dict[int, list[int]] = {}
        self._early = [0] * KINDS
        self._is_early = True
        self._asking = asyncio.Lock()
        self._has_begun = False

    async def begin(self) -> None:
        """Read the use by others, and measure unless another run does.

        The others are earlier runs and other processes.

        Raises:
            JournalError: The journal cannot be used.
        """
        self._has_begun = True  # a cancelled save may still have recorded this run as the one that measures
        await self.save()
        self.totals = self._account.totals

    async def end(self) -> None:
        """Save everything, and leave the measuring to other runs.

        Does nothing if the recorder never began.

        Raises:
            JournalError: The journal cannot be used.
        """
        if self._has_begun:
            await self.save(ends=True)

    @contextmanager
    def recording(self, runtime: Runtime) -> Generator[None, None, None]:
        """Count the client's requests during the block."""
        subscribers = self._beside = runtime.session.observers.subscribers
        self._counted_until = loop_time()
        subscribers.append(self.on_record)
        try:
            yield
        finally:
            subscribers.remove(self.on_record)
            self._counted_until = None

    # -- Requests ---------------------------------------------------------------------------------------

    def on_record(self, record: HookEvent) -> None:
        """Count a request that was sent, or a refusal that was received."""
        match record:
            case RequestSent(endpoint=endpoint):
                self._count(1 if endpoint in POLL_ENDPOINTS else 0 if endpoint in WRITE_ENDPOINTS else 2)
            case ResponseReceived(status=status):
                if status == 429:
                    self._count(3)
                self._count_early()
            case _:
                pass

    def _count(self, kind: int) -> None:
        if self._is_early:
            self._early[kind] += 1
        else:
            self._note([int(kind == each) for each in range(KINDS)])

    def _count_early(self) -> None:
        """Count the earliest requests, now that the clock is right.

        An emulator's first response shows the speed of the emulator's clock.
        """
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
        """True if this batch counts the requests for the journal.

        Of several batches of a client with the same journal, the first one counts.
        """
        others = (getattr(guest, "__self__", None) for guest in self._beside)
        first = (
            each
            for each in others
            if isinstance(each, UsageRecorder) and _is_same(each.journal, self.journal)
        )
        return next(first, self) is self

    def take_unsaved(self) -> dict[str, Json]:
        """Return the requests that no item has stored, and forget them."""
        unsaved, self._unsaved = self._unsaved, {}
        if not unsaved:
            return {}
        rows = [[minute, *counts] for minute, counts in unsaved.items()]
        return {"requests": rows, "requests_per_minute": self.limit}

    @property
    def limit(self) -> int | None:
        """The requests that the account may send in a minute.

        None if there is no limit.
        """
        return self._governor.request_limit

    # -- Credits and time -------------------------------------------------------------------------------

    def record_balance(self) -> None:
        """Record the balance if a response has stated it.

        The fall of the balance after its first statement in this run counts as spent.
        """
        known = self._governor.credits
        if known is None or known.times == self._statements_before:
            return
        if self._spent_until is None:
            self._spent_until, self._statements_before = known.spent, known.times
        else:
            self._has_second_statement = True

    async def learn_the_beginning(self, runtime: Runtime) -> None:
        """Fetch the balance, unless a response has stated it already.

        A resumed item may cost credits at once.
        """
        async with self._asking:
            if self._spent_until is None:
                await self._learn(runtime)

    async def record_final_balance(self, runtime: Runtime) -> None:
        """Fetch the balance, if anything was paid for.

        The last items may have cost credits since the last statement of the balance.
        """
        if self._spent_until is not None:
            await self._learn(runtime)

    async def _learn(self, runtime: Runtime) -> None:
        with suppress(EversinceError):  # only the report needs the balance
            requested_at = loop_time()
            response = await runtime.interactive.account.credits()
            self._governor.record_credits(response.credits_balance, requested_at=requested_at)
            self.record_balance()

    def _statements(self) -> int:
        known = self._governor.credits
        return 0 if known is None else known.times

    @property
    def credits_spent(self) -> float | None:
        """The fall of the balance in all runs, in credits, or None.

        Only the time in which a run watched counts. None if no response stated the balance.
        """
        return self._total.credits_spent

    @property
    def seconds(self) -> float:
        """The duration of all runs in seconds, with each moment counted once.

        This run is included.
        """
        return self._total.seconds

    @property
    def slots(self) -> int | None:
        """The most projects that the account may have active; None if unknown."""
        return self._total.slots

    @property
    def _total(self) -> Totals:
        pending = self._pending
        return self._account.totals + (pending if self._account.measures else pending.own_share)

    @property
    def _pending(self) -> Totals:
        """The time and credits that are not in the totals yet."""
        known, until, spent = self._governor.credits, self._spent_until, None
        if self._has_second_statement and known is not None and until is not None:
            spent = max(0.0, known.spent - until)
        return Totals(
            seconds=0.0 if self._counted_until is None else max(0.0, loop_time() - self._counted_until),
            credits_spent=spent,
            slots=self._governor.limits.active_projects,
        )

    async def save(self, *, ends: bool = False) -> None:
        """Add the use since the last call to the totals.

        The totals are complete even if the caller is cancelled meanwhile.

        Args:
            ends: True if the run is over.

        Raises:
            JournalError: The totals cannot be written; the next call adds this use.
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
                self._count_early()
            rest, self._unsaved = self._unsaved, {}
            rows = tuple((minute, *counts) for minute, counts in sorted(rest.items()))
            used = used + Totals(requests=rows, requests_per_minute=self.limit if rows else None)
        known = self._governor.credits
        try:
            await self._account.add(used, balance=None if known is None else known.balance, ends=ends)
        except JournalError:
            self._counted_until, self._spent_until, self._unsaved = before
            if ends:  # no other run learns of this use, but this run's report does
                self._account.totals += was_measured
            raise
        finally:
            if ends:
                self._counted_until = self._spent_until = None
        if (balance := self._account.taken_over_at) is not None and known is not None:
            # Another run has measured up to that balance, and this run had last seen a different one.
            self._spent_until, self._has_second_statement = known.spent + known.balance - balance, False


def _is_same(one: Journal | None, other: Journal | None) -> bool:
    """Return True if two journals are one object or have one file."""
    path = getattr(one, "path", None)
    return one is other or (path is not None and path == getattr(other, "path", None))


def _drop_oldest(by_minute: dict[int, Any]) -> None:
    if len(by_minute) > MAX_MINUTES:
        del by_minute[min(by_minute)]


def merge_usage(earlier: Json, more: Mapping[str, Json]) -> dict[str, Json]:
    """Return an item's requests of earlier runs together with new ones.

    The result replaces the item's stored result.
    """
    before = readable(earlier.get("requests")) if isinstance(earlier, Mapping) else []
    rows = [*before, *more.get("requests", ())]
    return {**more, **({"requests": rows} if rows else {})}
