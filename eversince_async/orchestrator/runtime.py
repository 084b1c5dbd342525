"""The runtime: the client's parts that workflows need, and no other."""

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
"""Seconds for which the purchasable packages are cached.

All items of a batch fail at the same time for want of credits.
"""


class Runtime(ApiAccess):
    """The tools of workflows.

    Attributes:
        poller: The poller of projects.
        registry: The workflows that run.
        entitlements: The renders that the account was refused.
        costs: The costs of earlier videos.
        tracer: The tracer around workflows and their stages; None for none.
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
        """Add the balance and purchasable packages to `InsufficientCredits` errors.

        All such errors share one request.
        """
        try:
            yield
        except InsufficientCredits as refusal:
            if not refusal.is_documented:  # the 402 is of a gateway, not of the API
                raise
            fetching = self._fetch_packages()
            await asyncio.wait([fetching])
            if not fetching.cancelled() and fetching.exception() is None:  # the refusal itself matters more
                packages = fetching.result()
                refusal.balance, refusal.packages = packages.credits_balance, packages.packages
            raise

    def _fetch_packages(self) -> asyncio.Task[CreditPackages]:
        packages, loop = self._packages, asyncio.get_running_loop()
        if (
            packages is None
            or packages[0] + PACKAGES_CACHE_SECONDS < loop_time()
            or packages[1].get_loop() is not loop
        ):
            fetching = asyncio.create_task(self.interactive.account.credit_packages())
            packages = self._packages = (loop_time(), fetching)
        return packages[1]

    async def aclose(self) -> None:
        """End the request for packages."""
        packages, self._packages = self._packages, None
        if packages is not None and packages[1].get_loop() is asyncio.get_running_loop():
            await end(packages[1])

    # -- Waits ------------------------------------------------------------------------------------------

    @contextmanager
    def listening(self, key: str, listener: Callable[[WaitReason], None]) -> Generator[None, None, None]:
        """Call `listener` with each wait of a production; one subscription serves all.

        Several listeners may share a key, as two workflows of one project do: each gets every wait.
        """
        token = object()
        self._listeners.setdefault(key, {})[token] = listener
        if self._stop_listening is None:
            self._stop_listening = self.governor.on_wait(self._on_wait, wants=self._listeners.__contains__)
        try:
            yield
        finally:
            del self._listeners[key][token]
            if not self._listeners[key]:
                del self._listeners[key]
            if not self._listeners and self._stop_listening is not None:
                self._stop_listening()
                self._stop_listening = None

    def _on_wait(self, reason: WaitReason) -> None:
        for listener in tuple(self._listeners.get(reason.who or "", {}).values()):
            listener(reason)


async def wait_then_cancel(task: asyncio.Task[Any], *, seconds: float) -> None:
    """Wait briefly for a task during a cancellation, then end it.

    A second cancellation ends the task at once.
    """
    try:
        await asyncio.wait([task], timeout=seconds)
    finally:
        await end(task)
