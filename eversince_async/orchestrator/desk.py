"""What workflows work with: the client's parts they need, and nothing else of it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

import attrs

from eversince_async import clock
from eversince_async.errors import InsufficientCredits
from eversince_async.governor import AccountGovernor, Lane, WaitReason
from eversince_async.journal import Json
from eversince_async.journal.fields import Field
from eversince_async.models.account import CreditPackages
from eversince_async.orchestrator.costs import Costs
from eversince_async.orchestrator.entitlements import Entitlements
from eversince_async.orchestrator.tracing import Tracer
from eversince_async.orchestrator.underway import Underway
from eversince_async.orchestrator.watcher import Watcher
from eversince_async.resources import Resources
from eversince_async.session.observers import RetryScheduled
from eversince_async.session.retry import RetryPolicy
from eversince_async.session.session import Session
from eversince_async.session.transfer import Store
from eversince_async.tasks import end

PACKAGES_HOLD: Final = 60.0
"""Seconds for which what can be bought is not asked for again: a batch fails for want of credits at once."""


class Desk:
    """The tools of workflows.

    Attributes:
        session: The client's session.
        store: For downloads.
        watcher: Who looks at projects.
        underway: The workflows that run.
        entitlements: Which renders the account was refused.
        costs: What films have cost.
        tracer: What stands around workflows and their stages; None for nothing.
    """

    def __init__(
        self, session: Session, store: Store, watcher: Watcher, tracer: Tracer | None = None
    ) -> None:
        self.tracer = tracer
        self.session = session
        self.store = store
        self.watcher = watcher
        self.underway = Underway()
        self.entitlements = Entitlements()
        self.costs = Costs()
        self._listeners: dict[str, dict[object, Callable[[WaitReason], None]]] = {}
        self._stop_listening: Callable[[], None] | None = None
        self._packages: tuple[float, asyncio.Task[CreditPackages]] | None = None

    @property
    def governor(self) -> AccountGovernor:
        """The account's limits."""
        return self.session.governor

    @property
    def retry(self) -> RetryPolicy:
        """How patiently downloads are repeated."""
        return self.session.retry

    def server_now(self) -> datetime:
        """What the server's clock shows, as far as its answers tell: ours may be wrong, or be set."""
        return datetime.fromtimestamp(self.session.transport.server_seconds(), UTC)

    def begins(self) -> dict[str, Json]:
        """This instant, for a baseline: by the server's clock and by one that nobody sets."""
        moment = clock.moment()
        return {"since": self.server_now().isoformat(), "boot": moment.boot, "seconds": moment.seconds}

    def began(self, baseline: Mapping[str, Json]) -> datetime:
        """When the server's clock shows what `begins` has told, by what it shows now if that can be told.

        The first answer of a process is the first to tell its time; before, that was taken from our clock.
        """
        told = datetime.fromisoformat(baseline["since"])
        match baseline:
            case {"boot": str() as boot, "seconds": int() | float() as seconds}:
                return self.server_time(clock.Moment(boot, seconds), told)
            case _:
                return told

    def server_time(self, moment: clock.Moment | None, told: datetime) -> datetime:
        """What the server's clock showed at a moment; as was `told` then, if that clock is not ours."""
        passed = None if moment is None else clock.elapsed(moment)
        return told if passed is None else self.server_now() - timedelta(seconds=passed)

    @cached_property
    def api(self) -> Resources:
        """Resources whose calls go in the `work` lane."""
        return Resources(attrs.evolve(self.session, lane=Lane.WORK), self.store)

    @cached_property
    def interactive(self) -> Resources:
        """Resources whose calls go before everything else."""
        return Resources(attrs.evolve(self.session, lane=Lane.INTERACTIVE), self.store)

    def in_lane(self, lane: Lane) -> Resources:
        """`api` or `interactive`."""
        return self.interactive if lane is Lane.INTERACTIVE else self.api

    def written_down(
        self,
        before_departure: Callable[[], Awaitable[object]],
        on_retry: Callable[[RetryScheduled], object],
        lane: Lane,
    ) -> Resources:
        """As `in_lane`, with something awaited before each request leaves, and told of what is repeated."""
        observers = self.session.observers
        session = attrs.evolve(
            self.session,
            lane=lane,
            before_departure=before_departure,
            observers=attrs.evolve(observers, on_retry=(*observers.on_retry, on_retry)),
        )
        return Resources(session, self.store)

    @asynccontextmanager
    async def helping_to_buy(self) -> AsyncGenerator[None, None]:
        """Give an error for too few credits the balance and what can be bought, asked for once by all."""
        try:
            yield
        except InsufficientCredits as refusal:
            if not refusal.is_documented:  # a gateway that somebody did not pay for
                raise
            asking = self._asking_for_packages()
            await asyncio.wait([asking])
            if not asking.cancelled() and asking.exception() is None:  # the refusal itself matters more
                refusal.balance, refusal.packages = asking.result().credits_balance, asking.result().packages
            raise

    def _asking_for_packages(self) -> asyncio.Task[CreditPackages]:
        packages, loop = self._packages, asyncio.get_running_loop()
        if packages is None or packages[0] + PACKAGES_HOLD < now() or packages[1].get_loop() is not loop:
            asking = asyncio.create_task(self.interactive.account.credit_packages())
            packages = self._packages = (now(), asking)
        return packages[1]

    async def aclose(self) -> None:
        """Ask for nothing any more."""
        packages, self._packages = self._packages, None
        if packages is not None and packages[1].get_loop() is asyncio.get_running_loop():
            await end(packages[1])

    # -- Waits ------------------------------------------------------------------------------------------

    @contextmanager
    def listening(self, key: str, listener: Callable[[WaitReason], None]) -> Generator[None, None, None]:
        """Have a production told meanwhile of what it waits for; one subscription serves all.

        Several may listen by one key, as two workflows of one project do: none takes that from another.
        """
        mine = object()
        self._listeners.setdefault(key, {})[mine] = listener
        if self._stop_listening is None:
            self._stop_listening = self.governor.on_wait(self._told, wants=self._listeners.__contains__)
        try:
            yield
        finally:
            del self._listeners[key][mine]
            if not self._listeners[key]:
                del self._listeners[key]
            if not self._listeners and self._stop_listening is not None:
                self._stop_listening()
                self._stop_listening = None

    def _told(self, reason: WaitReason) -> None:
        for listener in tuple(self._listeners.get(reason.who or "", {}).values()):
            listener(reason)


async def last_words(task: asyncio.Task[Any], *, seconds: float) -> None:
    """Let a task end while we are being cancelled: not for long, and not when cancelled once more."""
    try:
        await asyncio.wait([task], timeout=seconds)
    finally:
        await end(task)


def now() -> float:
    """Loop time, in seconds."""
    return asyncio.get_running_loop().time()


def begun(kept: Field) -> dict[str, Json]:
    """What `Desk.begins` has told, from a journal."""
    told: dict[str, Json] = {"since": kept["since"].instant().isoformat()}
    boot, seconds = kept.get("boot"), kept.get("seconds")
    if boot is not None and seconds is not None:
        told |= {"boot": boot.text(), "seconds": seconds.number()}
    return told
