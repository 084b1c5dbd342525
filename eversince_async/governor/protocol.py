"""The interface of a governor for the session and the orchestrator.

`Governor` keeps its counts in this process. One that shares them between processes offers the same interface;
the meaning of each member, and the effects of cancelling, are described at `Governor`, `Slots`, `SlotLease`,
`Quotas` and `QuotaReservation`.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from types import TracebackType
from typing import Protocol

from eversince_async.governor.lanes import Departure, Lane
from eversince_async.governor.limits import Limits
from eversince_async.governor.quota_table import QuotaName
from eversince_async.governor.snapshot import CreditsSnapshot, GovernorSnapshot
from eversince_async.governor.waiters import WaitEnded, WaitReason
from eversince_async.models.receipt import RateLimit


class SlotLeaseProtocol(Protocol):
    """A slot held for one production."""

    @property
    def project_id(self) -> str | None:
        """The project that the slot is for, once known."""
        ...

    @property
    def is_oversubscribed(self) -> bool:
        """True if other projects took its place while its project was settled."""
        ...

    def mark_sent(self) -> None:
        """Record that a write that may start the project is leaving."""
        ...

    def bind(self, project_id: str) -> None:
        """Record the production's project, which is known now."""
        ...

    def refused(self) -> None:
        """Record that the server definitely did not perform the write."""
        ...

    def rejected(self) -> bool:
        """Record that the server says all slots are taken.

        Returns:
            True if slots can be the reason.
        """
        ...

    def release(self) -> None:
        """Record that the production no longer needs the slot."""
        ...

    def __enter__(self) -> "SlotLeaseProtocol": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class SlotsProtocol(Protocol):
    """The account's active projects."""

    async def acquire(
        self,
        key: str,
        *,
        project_id: str | None = None,
        place: str | None = None,
        in_flight: bool = False,
        wait: bool = True,
        who: str | None = None,
    ) -> SlotLeaseProtocol:
        """Wait for a slot.

        A key or a project that has one already shares it.
        """
        ...

    def has_room(self, key: str, project_id: str | None = None, place: str | None = None) -> bool:
        """Return True if a production would be given a slot at once."""
        ...

    def expect(self, place: str, seconds: float) -> None:
        """Keep a slot for a write of an earlier run."""
        ...

    def needs_poll(self) -> bool:
        """Return True if a list of projects would help a waiting production."""
        ...

    def on_wait(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call `callback` whenever a production begins to wait for a slot."""
        ...


class QuotaReservationProtocol(Protocol):
    """One project or render of the day."""

    @property
    def is_oversubscribed(self) -> bool:
        """True if the server has reported since that the quota is spent."""
        ...

    def confirmed(self) -> None:
        """Record that the server created the project or started the render."""
        ...

    def give_back(self) -> None:
        """Record that the server definitely did not perform the request.

        The reason is another than the day's limit.
        """
        ...

    def rejected(self, retry_after: float | None = None) -> None:
        """Record that the server refused the request for an unnamed limit."""
        ...

    def refused(self, retry_after: float | None = None, at: datetime | None = None) -> None:
        """Record that the server, whose clock shows `at`, reports a spent quota."""
        ...


class QuotasProtocol(Protocol):
    """The projects and renders of the day."""

    async def reserve(
        self, name: QuotaName, *, wait: bool = True, who: str | None = None
    ) -> QuotaReservationProtocol:
        """Reserve one, or wait for the daily reset."""
        ...

    def left(self, name: QuotaName) -> float:
        """Return how many are left for now; infinite without a limit."""
        ...

    def resets_at(self, name: QuotaName, nth: int = 1) -> datetime | None:
        """Return when the next use is expected to be free.

        With `nth`, when the nth next is. None means now.
        """
        ...

    def seed(self, name: QuotaName, times: Iterable[datetime]) -> None:
        """Count the uses from before this process began."""
        ...


class GovernorProtocol(Protocol):
    """One door for the limits of one account."""

    @property
    def limits(self) -> Limits:
        """The account's limits as they were configured."""
        ...

    @property
    def slots(self) -> SlotsProtocol:
        """The account's active projects."""
        ...

    @property
    def quota(self) -> QuotasProtocol:
        """The projects and renders of the day."""
        ...

    @property
    def credits(self) -> CreditsSnapshot | None:
        """The credits as last reported."""
        ...

    async def admit(self, lane: Lane = Lane.INTERACTIVE, *, who: str | None = None) -> Departure:
        """Wait until a request may leave."""
        ...

    def answered(self, departure: Departure, rate_limit: RateLimit | None = None) -> None:
        """Record that a request was answered or may have been sent."""
        ...

    def give_back(self, departure: Departure) -> None:
        """Record that a request was surely never sent."""
        ...

    def pause(self, seconds: float) -> None:
        """Let no request leave for `seconds`."""
        ...

    def estimated_departure(self, lane: Lane, now: float | None = None) -> float:
        """Estimate when a request would leave that asked now.

        The estimate equals `now` if it would leave at once.
        """
        ...

    @property
    def request_limit(self) -> int | None:
        """The number of requests in a window; None without a limit."""
        ...

    def allowance(self) -> float:
        """Return the requests in a window that are not left to others."""
        ...

    def observed(self, project_id: str, status: str, *, requested_at: float | None = None) -> None:
        """Record a project's status that a response showed."""
        ...

    def observed_page(
        self, active_ids: Iterable[str], *, complete: bool, requested_at: float | None = None
    ) -> None:
        """Record the active projects that a list showed."""
        ...

    def record_credits(self, balance: float, *, requested_at: float | None = None) -> None:
        """Record the balance that a response showed."""
        ...

    def on_wait(
        self, callback: Callable[[WaitReason], object], *, wants: Callable[[str | None], bool] | None = None
    ) -> Callable[[], None]:
        """Call `callback` for every wait longer than a second.

        With `wants`, only for waits whose names it returns True for.
        """
        ...

    def on_wait_end(self, callback: Callable[[WaitEnded], object]) -> Callable[[], None]:
        """Call `callback` as each wait ends, however short it was."""
        ...

    def snapshot(self) -> GovernorSnapshot:
        """Return the governor's whole state."""
        ...
