"""Explanations: a snapshot of the governor, or one wait's reason."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Protocol, overload

from eversince_async.clock import now as wall_now
from eversince_async.clock import wall_seconds
from eversince_async.governor.budget import Budget
from eversince_async.governor.claims import SlotTicket
from eversince_async.governor.lanes import Lane, RequestTicket
from eversince_async.governor.limits import Limits
from eversince_async.governor.quota_table import DailyQuota, QuotaTicket
from eversince_async.governor.quotas import Quotas
from eversince_async.governor.slots import Slots
from eversince_async.governor.snapshot import (
    CreditsSnapshot,
    GovernorSnapshot,
    LeaseSnapshot,
    QuotaSnapshot,
    RequestsSnapshot,
    SlotsSnapshot,
)
from eversince_async.governor.timers import LoopClock
from eversince_async.governor.waiters import Waiter, WaitKind, WaitReason


class GovernorParts(Protocol):
    """The parts of a governor that explanations read."""

    limits: Limits
    clock: LoopClock
    budget: Budget
    slots: Slots
    quota: Quotas

    @property
    def credits(self) -> CreditsSnapshot | None:
        """The account's credits; None before any response reported them."""
        ...


def snapshot(governor: GovernorParts) -> GovernorSnapshot:
    """Return a snapshot of the governor at this moment."""
    queues = governor.budget.waiting(), governor.slots.table.waiting(), governor.quota.waiting()
    return GovernorSnapshot(
        at=wall_now(),
        requests=_requests(governor),
        slots=_slots(governor),
        quotas={name: _quota(governor, quota) for name, quota in governor.quota.daily.items()},
        credits=governor.credits,
        waits=_Waits(_Reasons(governor), [list(queue) for queue in queues]),
    )


def wait_reason(governor: GovernorParts, waiters: Iterable[Waiter]) -> Iterator[WaitReason]:
    """Yield the reason why each of the waiters waits."""
    reasons = _Reasons(governor)
    for waiter in waiters:
        ahead = 0
        if isinstance(waiter, RequestTicket):
            ahead = governor.budget.waiting().ahead_of(waiter)
        elif isinstance(waiter, SlotTicket):
            ahead = governor.slots.table.ahead_of(waiter)
        yield reasons.of(waiter, ahead)


def wait_kind(governor: GovernorParts, waiter: Waiter) -> WaitKind:
    """Return the kind of wait that a waiter is in."""
    if isinstance(waiter, SlotTicket):
        return WaitKind.SLOT
    if isinstance(waiter, QuotaTicket):
        return WaitKind(waiter.quota)
    paused = governor.budget.paused_until(governor.clock.time()) is not None
    return WaitKind.PAUSE if paused else WaitKind.REQUESTS


class _Reasons:
    """The reasons for waits at one moment.

    They are looked up once for all waiters.
    """

    def __init__(self, governor: GovernorParts) -> None:
        budget, now = governor.budget, governor.clock.time()
        self._wall_ahead = wall_seconds() - now
        self._outlook = budget.outlook(now)
        paused_until = budget.paused_until(now)
        self._paused_for = None if paused_until is None else paused_until - now
        self._describe_spent = _describe_spent(governor, now)
        self._slots = governor.slots.describe()
        self._quotas = {
            name: (quota.describe(governor.quota.clock.now()), governor.quota.resets_at(quota.name))
            for name, quota in governor.quota.daily.items()
        }

    def of(self, waiter: Waiter, ahead: int) -> WaitReason:
        """Return the reason of a waiter that has `ahead` others before it."""
        kind, detail, until = WaitKind.REQUESTS, "", None
        if isinstance(waiter, RequestTicket):
            kind, detail = self._request_wait(ahead)
            until = self._instant(self._outlook.expected(waiter.lane, ahead))
        elif isinstance(waiter, SlotTicket):
            kind, detail = WaitKind.SLOT, f"{self._slots}{_queue_position(ahead)}"
        elif isinstance(waiter, QuotaTicket):
            kind = WaitKind(waiter.quota)
            detail, until = self._quotas[waiter.quota]
        return WaitReason(
            kind=kind, detail=detail, who=waiter.who, since=self._instant(waiter.since), until=until
        )

    def _request_wait(self, ahead: int) -> tuple[WaitKind, str]:
        if self._paused_for is not None:
            return WaitKind.PAUSE, f"requests are paused for {self._paused_for:.1f} s"
        return WaitKind.REQUESTS, f"{self._describe_spent}{_queue_position(ahead)}"

    def _instant(self, when: float) -> datetime:
        return datetime.fromtimestamp(when + self._wall_ahead, UTC)


class _Waits(Sequence[WaitReason]):
    """All waits of one moment.

    They are put into words only when they are read, as there may be thousands.
    """

    def __init__(self, reasons: _Reasons, queues: Sequence[Sequence[Waiter]]) -> None:
        self._reasons = reasons
        self._queues = queues

    def __len__(self) -> int:
        return sum(map(len, self._queues))

    def __iter__(self) -> Iterator[WaitReason]:
        for queue in self._queues:
            for ahead, waiter in enumerate(queue):
                yield self._reasons.of(waiter, ahead)

    @overload
    def __getitem__(self, index: int) -> WaitReason: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[WaitReason]: ...
    def __getitem__(self, index: int | slice) -> WaitReason | Sequence[WaitReason]:
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


def _describe_spent(governor: GovernorParts, now: float) -> str:
    budget = governor.budget
    used, others = budget.used(now), budget.external(now)
    detail = f"{used} of {budget.limit} requests are spent"
    if others:
        detail += f" and {others} left to others"
    if budget.limit is not None and used + others < budget.limit:
        detail += ", the rest is kept for more urgent ones"
    return detail


def _queue_position(ahead: int) -> str:
    return "" if not ahead else f", {ahead} ahead of it"


def _requests(governor: GovernorParts) -> RequestsSnapshot:
    budget, clock = governor.budget, governor.clock
    now = clock.time()
    lanes = budget.waiting()
    next_at = budget.next_release(now)
    paused_until = budget.paused_until(now)
    return RequestsSnapshot(
        limit=budget.limit,
        window=governor.limits.window,
        used=budget.used(now),
        in_flight=budget.in_flight,
        others=budget.external(now),
        waiting={lane: lanes.waiting(lane) for lane in Lane},
        next_at=None if next_at is None else clock.to_datetime(next_at),
        paused_until=None if paused_until is None else clock.to_datetime(paused_until),
        pinned=governor.limits.pinned,
    )


def _slots(governor: GovernorParts) -> SlotsSnapshot:
    table, clock = governor.slots.table, governor.clock
    leases = tuple(
        LeaseSnapshot(
            key=claim.key,
            project_id=claim.project_id,
            since=clock.to_datetime(claim.since),
            held=claim.held,
            active=claim.active,
        )
        for claim in table.claims.values()
    )
    return SlotsSnapshot(
        limit=table.limit(clock.time()),
        leases=leases,
        foreign=tuple(table.external),
        waiting=table.count,
        full=table.is_full(),
    )


def _quota(governor: GovernorParts, quota: DailyQuota) -> QuotaSnapshot:
    return QuotaSnapshot(
        name=quota.name,
        limit=quota.limit,
        used=quota.used(governor.quota.clock.now()),
        resets_at=governor.quota.resets_at(quota.name),
        waiting=sum(1 for _ in quota.waiting()),
    )
