"""The governor's state at one moment, and a sentence that describes it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import attrs

from eversince_async.governor.lanes import Lane
from eversince_async.governor.waiters import WaitReason


@attrs.frozen(kw_only=True)
class RequestsSnapshot:
    """The request budget.

    Attributes:
        limit: Requests allowed in a window; None means no limit.
        window: Length of the window, in seconds.
        used: Places taken by our own requests, including those in flight.
        in_flight: Requests that have left and are not answered.
        others: Places left to others on the account, according to the headers.
        waiting: The number of waiting requests, by lane.
        next_at: The time at which the next request is expected to leave; None if none waits or the time
            cannot be foreseen.
        paused_until: The end of a pause that the server asked for; None if there is none.
        pinned: True if the limit ignores what the server announces.
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
        project_id: The production's project, once known.
        since: The time at which the slot was granted.
        held: True if the production needs the slot for this stage or the next.
        active: True if the project may be active on the server.
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
        limit: Projects that may be active at once; None means no limit.
        leases: The slots of our productions.
        foreign: The ids of active projects that are not ours.
        waiting: The number of productions waiting for a slot.
        full: True if the server said that it is full, against our count, and no poll has shown room since.
    """

    limit: int | None
    leases: tuple[LeaseSnapshot, ...]
    foreign: tuple[str, ...]
    waiting: int
    full: bool

    @property
    def occupied(self) -> int:
        """The number of slots taken by our and other projects."""
        return len(self.leases) + len(self.foreign)


@attrs.frozen(kw_only=True)
class QuotaSnapshot:
    """One of the daily limits.

    Attributes:
        name: `projects` or `renders`.
        limit: Uses in 24 hours; None means no limit.
        used: The number of uses that we know of.
        resets_at: The time at which the next use is expected to be free; None means now.
        waiting: The number of callers waiting for it.
    """

    name: str
    limit: int | None
    used: int
    resets_at: datetime | None
    waiting: int


@attrs.frozen(kw_only=True)
class CreditsSnapshot:
    """The account's credits as the latest response reported them.

    Attributes:
        balance: Credits left.
        reserve: Credits that should be left.
        noted_at: The time at which the response came.
        spent: The sum of all falls of the balance since the governor was made, in credits. Credits that were
            bought take nothing off.
        times: The number of responses that reported the balance.
    """

    balance: float
    reserve: float
    noted_at: datetime
    spent: float = 0.0
    times: int = 1

    @property
    def spendable(self) -> float:
        """The credits above the reserve; 0 if there are none."""
        return max(0.0, self.balance - self.reserve)

    @property
    def below_reserve(self) -> bool:
        """True if fewer credits are left than should be."""
        return self.balance < self.reserve


@attrs.frozen(kw_only=True)
class GovernorSnapshot:
    """The governor's whole state; as a string, a sentence for people.

    Attributes:
        at: The time of the snapshot.
        requests: The request budget.
        slots: The account's active projects.
        quotas: The daily limits, by name.
        credits: The credits as last reported; None before any response reported them.
        waits: All waits, each with its reason and its expected end. The waiters whose turn is next come
            first.
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
    """Describe a snapshot in a sentence.

    For example `5/5 projects (2 foreign), 12 waiting for a slot; 28/30 requests this minute`.
    """
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
