"""What the governor knows at one moment, frozen, and the sentence a person reads."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import attrs

from eversince_async.governor.lanes import Lane
from eversince_async.governor.waiters import WaitReason


@attrs.frozen(kw_only=True)
class RequestsSnapshot:
    """The request budget.

    Attributes:
        limit: Requests allowed in a window; None: no limit.
        window: Seconds of the window.
        used: Places taken by our own requests, those under way included.
        in_flight: Requests that have left and are not answered.
        others: Places left to others on the account, by what the headers tell.
        waiting: How many requests wait, by lane.
        next_at: When the next one is expected to leave; None when nobody waits or it cannot be foreseen.
        paused_until: End of a pause the server asked for; None when there is none.
        pinned: Whether the limit stays, whatever the server announces.
    """

    limit: int | None
    window: float
    used: int
    in_flight: int
    others: int
    waiting: Mapping[Lane, int]
    next_at: datetime | None
    paused_until: datetime | None
    pinned: bool


@attrs.frozen(kw_only=True)
class LeaseSnapshot:
    """One slot that is ours.

    Attributes:
        key: The production's key.
        project_id: Its project, once known.
        since: When it was granted.
        held: Whether the production needs it for this stage or the next.
        active: Whether the project may be active on the server.
    """

    key: str
    project_id: str | None
    since: datetime
    held: bool
    active: bool


@attrs.frozen(kw_only=True)
class SlotsSnapshot:
    """The account's active projects.

    Attributes:
        limit: How many may be active at once; None: no limit.
        leases: Those of our productions.
        foreign: Ids of active projects that are not ours.
        waiting: How many productions wait for a slot.
        full: Whether the server said that it is full when we thought not, and no look has shown room since.
    """

    limit: int | None
    leases: tuple[LeaseSnapshot, ...]
    foreign: tuple[str, ...]
    waiting: int
    full: bool

    @property
    def occupied(self) -> int:
        """Slots taken, by ours and by others."""
        return len(self.leases) + len(self.foreign)


@attrs.frozen(kw_only=True)
class QuotaSnapshot:
    """One of the day's limits.

    Attributes:
        name: `projects` or `renders`.
        limit: How many in 24 hours; None: no limit.
        used: How many of them we know of.
        resets_at: When the next is expected to be free; None: now.
        waiting: How many wait for it.
    """

    name: str
    limit: int | None
    used: int
    resets_at: datetime | None
    waiting: int


@attrs.frozen(kw_only=True)
class CreditsSnapshot:
    """The account's credits as an answer told them last.

    Attributes:
        balance: Credits left.
        reserve: Credits that should be left.
        noted_at: When the answer came.
        spent: By how many credits the balance has been seen to fall, all falls added up, since the governor
            was made. What was bought takes nothing off.
        times: How often the balance was told.
    """

    balance: float
    reserve: float
    noted_at: datetime
    spent: float = 0.0
    times: int = 1

    @property
    def spendable(self) -> float:
        """Credits above the reserve; 0 when there are none."""
        return max(0.0, self.balance - self.reserve)

    @property
    def below_reserve(self) -> bool:
        """Whether fewer are left than should be."""
        return self.balance < self.reserve


@attrs.frozen(kw_only=True)
class GovernorSnapshot:
    """Everything the governor knows; as a string, a sentence for people.

    Attributes:
        at: When.
        requests: The request budget.
        slots: The account's active projects.
        quotas: The day's limits, by name.
        credits: The credits as last told; None before any answer told.
        waits: Everybody who waits: for what, and until when. Those who go next come first.
    """

    at: datetime
    requests: RequestsSnapshot
    slots: SlotsSnapshot
    quotas: Mapping[str, QuotaSnapshot]
    credits: CreditsSnapshot | None
    waits: Sequence[WaitReason]

    def __str__(self) -> str:
        return describe(self)


def describe(seen: GovernorSnapshot) -> str:
    """E.g. `5/5 projects (2 foreign), 12 waiting for a slot; 28/30 requests this minute`."""
    parts = [_slots(seen.slots), _requests(seen.requests, seen.at)]
    parts += [
        _quota(quota) for quota in seen.quotas.values() if quota.used or quota.resets_at or quota.waiting
    ]
    if seen.credits is not None:
        parts.append(f"{seen.credits.balance:g} credits")
    return "; ".join(parts)


def _slots(slots: SlotsSnapshot) -> str:
    count = f"{slots.occupied}/{slots.limit}" if slots.limit is not None else f"{slots.occupied}"
    text = f"{count} projects"
    if slots.foreign:
        text += f" ({len(slots.foreign)} foreign)"
    if slots.full:
        text += ", the server says full"
    if slots.waiting:
        text += f", {slots.waiting} waiting for a slot"
    return text


def _requests(requests: RequestsSnapshot, now: datetime) -> str:
    if requests.limit is None:
        text = f"{requests.in_flight} requests under way, no limit"
    else:
        window = "this minute" if requests.window == 60 else f"in {requests.window:g} s"
        text = f"{requests.used}/{requests.limit} requests {window}"
    if requests.others:
        text += f" ({requests.others} more left to others)"
    if requests.paused_until is not None:
        text += f", paused for {_seconds(now, requests.paused_until)}"
    waiting = sum(requests.waiting.values())
    if waiting:
        text += f", {waiting} waiting"
        if requests.next_at is not None and requests.paused_until is None:
            text += f", next in {_seconds(now, requests.next_at)}"
    return text


def _quota(quota: QuotaSnapshot) -> str:
    text = f"{quota.used}/{quota.limit}" if quota.limit is not None else f"{quota.used}"
    text += f" {quota.name} today"
    if quota.waiting:
        text += f", {quota.waiting} waiting"
    if quota.resets_at is not None:
        text += f", more at {quota.resets_at:%Y-%m-%d %H:%M} UTC"
    return text


def _seconds(now: datetime, until: datetime) -> str:
    return f"{max(0.0, (until - now).total_seconds()):.1f} s"
