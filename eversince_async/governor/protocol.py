"""What session and orchestrator need of a governor, wherever it keeps its counts.

`Governor` keeps them in this process. One that shares them between processes offers the same; what
each member means, and what cancelling leaves behind, is written at `Governor`, `Slots`, `SlotLease`,
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
        """The project it is for, once known."""
        ...

    @property
    def is_oversubscribed(self) -> bool:
        """Whether others have taken its place while its project was settled."""
        ...

    def mark_sent(self) -> None:
        """A write that may start the project is about to leave."""
        ...

    def bind(self, project_id: str) -> None:
        """The project is known."""
        ...

    def refused(self) -> None:
        """The server definitely did not do it."""
        ...

    def rejected(self) -> bool:
        """The server says that all slots are taken; whether slots can be the reason."""
        ...

    def release(self) -> None:
        """The production needs the slot no more."""
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
        """Wait for a slot; a key, or project, that has one shares it."""
        ...

    def has_room(self, key: str, project_id: str | None = None, place: str | None = None) -> bool:
        """Whether a production would be given a slot at once."""
        ...

    def expect(self, place: str, seconds: float) -> None:
        """Keep a slot for a write of an earlier run."""
        ...

    def needs_poll(self) -> bool:
        """Whether somebody waits and a list of projects would help."""
        ...

    def on_wait(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Be called whenever somebody begins to wait for a slot."""
        ...


class QuotaReservationProtocol(Protocol):
    """One project or render of the day."""

    @property
    def is_oversubscribed(self) -> bool:
        """Whether the server has said meanwhile that the day's are spent."""
        ...

    def confirmed(self) -> None:
        """The server has done it."""
        ...

    def give_back(self) -> None:
        """The server definitely did not, for another reason than the day's limit."""
        ...

    def rejected(self, retry_after: float | None = None) -> None:
        """The server refused it, and did not say which limit it means."""
        ...

    def refused(self, retry_after: float | None = None, at: datetime | None = None) -> None:
        """The server, whose clock shows `at`, says that the day's are spent."""
        ...


class QuotasProtocol(Protocol):
    """The day's projects and renders."""

    async def reserve(
        self, name: QuotaName, *, wait: bool = True, who: str | None = None
    ) -> QuotaReservationProtocol:
        """Take one, or wait for another day."""
        ...

    def left(self, name: QuotaName) -> float:
        """How many are left for now; infinite without a limit."""
        ...

    def resets_at(self, name: QuotaName, nth: int = 1) -> datetime | None:
        """When the next, or the nth next, is expected to be free; None: now."""
        ...

    def seed(self, name: QuotaName, times: Iterable[datetime]) -> None:
        """Count what was done before this process began."""
        ...


class GovernorProtocol(Protocol):
    """One door for the limits of one account."""

    @property
    def limits(self) -> Limits:
        """What the account allows, as it was told at the beginning."""
        ...

    @property
    def slots(self) -> SlotsProtocol:
        """The account's active projects."""
        ...

    @property
    def quota(self) -> QuotasProtocol:
        """The day's projects and renders."""
        ...

    @property
    def credits(self) -> CreditsSnapshot | None:
        """The credits as last told."""
        ...

    async def admit(self, lane: Lane = Lane.INTERACTIVE, *, who: str | None = None) -> Departure:
        """Wait until a request may leave."""
        ...

    def answered(self, departure: Departure, rate_limit: RateLimit | None = None) -> None:
        """An answer's headers have arrived, or the request may have been sent."""
        ...

    def give_back(self, departure: Departure) -> None:
        """The request was surely never sent."""
        ...

    def pause(self, seconds: float) -> None:
        """Let nobody leave for so long."""
        ...

    def estimated_departure(self, lane: Lane, now: float | None = None) -> float:
        """About when a request would leave that asked now; `now` itself: at once."""
        ...

    @property
    def request_limit(self) -> int | None:
        """Requests in a window; None: no limit."""
        ...

    def allowance(self) -> float:
        """Requests in a window that are not left to others."""
        ...

    def observed(self, project_id: str, status: str, *, requested_at: float | None = None) -> None:
        """An answer showed a project's status."""
        ...

    def observed_page(
        self, active_ids: Iterable[str], *, complete: bool, requested_at: float | None = None
    ) -> None:
        """A list showed active projects."""
        ...

    def record_credits(self, balance: float, *, requested_at: float | None = None) -> None:
        """An answer showed the balance."""
        ...

    def on_wait(
        self, callback: Callable[[WaitReason], object], *, wants: Callable[[str | None], bool] | None = None
    ) -> Callable[[], None]:
        """Be called for every wait longer than a second, or only for those whose names are wanted."""
        ...

    def on_wait_end(self, callback: Callable[[WaitEnded], object]) -> Callable[[], None]:
        """Be called as each wait ends, however short it was."""
        ...

    def snapshot(self) -> GovernorSnapshot:
        """Everything it knows."""
        ...
