"""Putting what the governor knows into words: a snapshot of all, or the reason of one wait."""

from datetime import datetime
from typing import TYPE_CHECKING

from eversince_async.clock import now as wall_now
from eversince_async.clock import wall_seconds
from eversince_async.governor.lanes import Lane, Ticket
from eversince_async.governor.quota import DailyQuota, QuotaTicket
from eversince_async.governor.slot_table import SlotTicket
from eversince_async.governor.snapshot import (
    GovernorSnapshot,
    LeaseSnapshot,
    QuotaSnapshot,
    RequestsSnapshot,
    SlotsSnapshot,
)
from eversince_async.governor.waits import Waiter, WaitKind, WaitReason

if TYPE_CHECKING:
    from eversince_async.governor.governor import Governor


def snapshot(governor: "Governor") -> GovernorSnapshot:
    """Everything the governor knows, at this moment."""
    return GovernorSnapshot(
        at=wall_now(),
        requests=_requests(governor),
        slots=_slots(governor),
        quotas={name: _quota(governor, quota) for name, quota in governor.quota.daily.items()},
        credits=governor.credits,
        waits=tuple(
            _reason(governor, waiter, ahead)
            for queue in (governor.budget.waiting(), governor.slots.table.waiting(), governor.quota.waiting())
            for ahead, waiter in enumerate(queue)
        ),
    )


def explain(governor: "Governor", waiter: Waiter) -> WaitReason:
    """Why one waits."""
    ahead = 0
    if isinstance(waiter, Ticket):
        ahead = governor.budget.waiting().ahead_of(waiter)
    elif isinstance(waiter, SlotTicket):
        ahead = next((n for n, other in enumerate(governor.slots.table.waiting()) if other is waiter), 0)
    return _reason(governor, waiter, ahead)


def kind_of(governor: "Governor", waiter: Waiter) -> WaitKind:
    """What one waits for."""
    if isinstance(waiter, SlotTicket):
        return WaitKind.SLOT
    if isinstance(waiter, QuotaTicket):
        return WaitKind(waiter.quota)
    paused = governor.budget.paused_until(governor.clock.time()) is not None
    return WaitKind.PAUSE if paused else WaitKind.REQUESTS


def _reason(governor: "Governor", waiter: Waiter, ahead: int) -> WaitReason:
    kind, detail, until = WaitKind.REQUESTS, "", None
    if isinstance(waiter, Ticket):
        kind, detail, until = _why_not_sent(governor, waiter.lane, ahead)
    elif isinstance(waiter, SlotTicket):
        kind, detail = WaitKind.SLOT, f"{governor.slots.describe()}{_others_first(ahead)}"
    elif isinstance(waiter, QuotaTicket):
        kind, detail = WaitKind(waiter.quota), governor.quota.daily[waiter.quota].describe(wall_seconds())
        until = governor.quota.resets_at(waiter.quota)
    return WaitReason(
        kind=kind, detail=detail, who=waiter.who, since=governor.clock.wall(waiter.since), until=until
    )


def _why_not_sent(governor: "Governor", lane: Lane, ahead: int) -> tuple[WaitKind, str, datetime]:
    budget, now = governor.budget, governor.clock.time()
    until = governor.clock.wall(budget.expected(lane, ahead, now))
    paused_until = budget.paused_until(now)
    if paused_until is not None:
        return WaitKind.PAUSE, f"requests are paused for {paused_until - now:.1f} s", until
    used, others = budget.used(now), budget.others(now)
    detail = f"{used} of {budget.limit} requests are spent"
    if others:
        detail += f" and {others} left to others"
    if budget.limit is not None and used + others < budget.limit:
        detail += ", the rest is kept for more urgent ones"
    return WaitKind.REQUESTS, f"{detail}{_others_first(ahead)}", until


def _others_first(ahead: int) -> str:
    return "" if not ahead else f", {ahead} ahead of it"


def _requests(governor: "Governor") -> RequestsSnapshot:
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
        others=budget.others(now),
        waiting={lane: lanes.waiting(lane) for lane in Lane},
        next_at=None if next_at is None else clock.wall(next_at),
        paused_until=None if paused_until is None else clock.wall(paused_until),
        pinned=governor.limits.pinned,
    )


def _slots(governor: "Governor") -> SlotsSnapshot:
    table, clock = governor.slots.table, governor.clock
    leases = tuple(
        LeaseSnapshot(
            key=claim.key,
            project_id=claim.project_id,
            since=clock.wall(claim.since),
            held=claim.held,
            active=claim.active,
        )
        for claim in table.claims.values()
    )
    return SlotsSnapshot(
        limit=table.limit(clock.time()),
        leases=leases,
        foreign=tuple(table.foreign),
        waiting=sum(1 for _ in table.waiting()),
        full=table.is_full(),
    )


def _quota(governor: "Governor", quota: DailyQuota) -> QuotaSnapshot:
    return QuotaSnapshot(
        name=quota.name,
        limit=quota.limit,
        used=quota.used(wall_seconds()),
        resets_at=governor.quota.resets_at(quota.name),
        waiting=sum(1 for _ in quota.waiting()),
    )
