"""What workflows work with: the client's parts they need, and nothing else of it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from eversince_async.account.costs import Costs
from eversince_async.account.entitlements import Entitlements
from eversince_async.durable.api import ApiAccess, loop_time
from eversince_async.errors import InsufficientCredits
from eversince_async.governor import WaitReason
from eversince_async.models.account import CreditPackages
from eversince_async.orchestrator.registry import RunRegistry
from eversince_async.orchestrator.tracing import Tracer
from eversince_async.polling.poller import Poller
from eversince_async.session.session import Session
from eversince_async.tasks import end
from eversince_async.transfers.store import Store

PACKAGES_CACHE_SECONDS: Final = 60.0
"""Seconds for which what can be bought is not asked for again: a batch fails for want of credits at once."""


class Runtime(ApiAccess):
    """The tools of workflows.

    Attributes:
        poller: Who looks at projects.
        registry: The workflows that run.
        entitlements: Which renders the account was refused.
        costs: What films have cost.
        tracer: What stands around workflows and their stages; None for nothing.
    """

    def __init__(self, session: Session, store: Store, poller: Poller, tracer: Tracer | None = None) -> None:
        super().__init__(session, store, poller.schedule)
        self.tracer = tracer
        self.poller = poller
        self.registry = RunRegistry()
        self.entitlements = Entitlements()
        self.costs = Costs()
        self._listeners: dict[str, dict[object, Callable[[WaitReason], None]]] = {}
        self._stop_listening: Callable[[], None] | None = None
        self._packages: tuple[float, asyncio.Task[CreditPackages]] | None = None

    @asynccontextmanager
    async def attach_purchase_options(self) -> AsyncGenerator[None, None]:
        """Give an error for too few credits the balance and what can be bought, asked for once by all."""
        try:
            yield
        except InsufficientCredits as refusal:
            if not refusal.is_documented:  # a gateway that somebody did not pay for
                raise
            asking = self._fetch_packages()
            await asyncio.wait([asking])
            if not asking.cancelled() and asking.exception() is None:  # the refusal itself matters more
                refusal.balance, refusal.packages = asking.result().credits_balance, asking.result().packages
            raise

    def _fetch_packages(self) -> asyncio.Task[CreditPackages]:
        packages, loop = self._packages, asyncio.get_running_loop()
        if (
            packages is None
            or packages[0] + PACKAGES_CACHE_SECONDS < loop_time()
            or packages[1].get_loop() is not loop
        ):
            asking = asyncio.create_task(self.interactive.account.credit_packages())
            packages = self._packages = (loop_time(), asking)
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
            self._stop_listening = self.governor.on_wait(self._on_wait, wants=self._listeners.__contains__)
        try:
            yield
        finally:
            del self._listeners[key][mine]
            if not self._listeners[key]:
                del self._listeners[key]
            if not self._listeners and self._stop_listening is not None:
                self._stop_listening()
                self._stop_listening = None

    def _on_wait(self, reason: WaitReason) -> None:
        for listener in tuple(self._listeners.get(reason.who or "", {}).values()):
            listener(reason)


async def wait_then_cancel(task: asyncio.Task[Any], *, seconds: float) -> None:
    """Let a task end while we are being cancelled: not for long, and not when cancelled once more."""
    try:
        await asyncio.wait([task], timeout=seconds)
    finally:
        await end(task)
