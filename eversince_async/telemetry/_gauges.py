"""Gauges of the account's limits, read from governors at each collection.

| metric | unit | attributes |
| --- | --- | --- |
| `eversince.client.slots.occupied` | `{project}` | `eversince.ours` |
| `eversince.client.slots.limit` | `{project}` | |
| `eversince.client.requests.used` | `{request}` | |
| `eversince.client.requests.limit` | `{request}` | |
| `eversince.client.quota.used` | `{use}` | `eversince.quota` |
| `eversince.client.quota.limit` | `{use}` | `eversince.quota` |
| `eversince.client.waiting` | `{waiter}` | `eversince.wait.kind` |
| `eversince.client.credits` | `{credit}` | |

They are sums over the governors, that is over the accounts, of one `OpenTelemetry`. A limit that does not
exist has no point, and credits have none until a response has told them.

Readers collect in threads of their own, but a governor belongs to its event loop, so the loop is asked for a
snapshot. If the loop does not respond in time (because it has stopped, or is itself waiting for the
collection), there are no points this time.
"""

import asyncio
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Final

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from eversince_async.governor import GovernorProtocol, GovernorSnapshot
from eversince_async.telemetry import _names as names

SNAPSHOT_TTL: Final = 0.5
"""Seconds for which a collecting thread waits for the loop."""

Attributes = dict[str, str | bool]


class Gauges:
    """The observable instruments over any number of governors, which are weakly referenced."""

    def __init__(self, meter: Meter) -> None:
        self._snapshots: weakref.WeakKeyDictionary[GovernorProtocol, _Snapshot] = weakref.WeakKeyDictionary()
        for name, unit, description, points in METRICS:
            meter.create_observable_up_down_counter(
                f"eversince.client.{name}",
                unit=unit,
                description=description,
                callbacks=[partial(self._observe, name, points)],
            )

    def is_alive(self, governor: GovernorProtocol, loop: asyncio.AbstractEventLoop) -> None:
        """Register a governor that is in use on an event loop."""
        snapshot = self._snapshots.get(governor)
        if snapshot is None or snapshot.loop is not loop:
            self._snapshots[governor] = _Snapshot(loop)

    def _observe(
        self,
        metric: str,
        points: Callable[[GovernorSnapshot], Iterator[tuple[float, Attributes]]],
        _: CallbackOptions,
    ) -> Iterable[Observation]:
        sums: dict[tuple[tuple[str, str | bool], ...], float] = {}
        for governor, snapshot in list(self._snapshots.items()):
            seen = snapshot.read(metric, governor)
            for value, attributes in points(seen) if seen is not None else ():
                key = tuple(attributes.items())
                sums[key] = sums.get(key, 0) + value
        return [Observation(value, dict(attributes)) for attributes, value in sums.items()]


class _Snapshot:
    """The last snapshot of a governor, for all metrics of a collection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._last: GovernorSnapshot | None = None
        self._readers: set[str] = set()

    def read(self, metric: str, governor: GovernorProtocol) -> GovernorSnapshot | None:
        """Return the governor's snapshot for a metric.

        A metric that asks a second time begins another collection, and so another snapshot.
        """
        if not self._readers or metric in self._readers:
            self._readers.clear()
            self._last = _take_snapshot(self.loop, governor)
        self._readers.add(metric)
        return self._last


def _take_snapshot(loop: asyncio.AbstractEventLoop, governor: GovernorProtocol) -> GovernorSnapshot | None:
    """Take a snapshot on the governor's loop; None if that fails.

    It fails if the loop is not running, closed or busy.
    """
    if _is_here(loop):
        return governor.snapshot()
    if not loop.is_running():
        return None
    future: Future[GovernorSnapshot] = Future()
    try:
        loop.call_soon_threadsafe(_resolve, governor, future)
        return future.result(SNAPSHOT_TTL)
    except (RuntimeError, TimeoutError):  # the loop has just been closed, or is busy
        return None


def _is_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Return True if the loop runs in this thread."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _resolve(governor: GovernorProtocol, future: "Future[GovernorSnapshot]") -> None:
    try:
        future.set_result(governor.snapshot())
    except Exception as error:  # noqa: BLE001 - the waiting thread raises the error
        future.set_exception(error)


def _slots(seen: GovernorSnapshot) -> Iterator[tuple[float, Attributes]]:
    yield len(seen.slots.leases), {names.OURS: True}
    yield len(seen.slots.foreign), {names.OURS: False}


def _slots_limit(seen: GovernorSnapshot) -> Iterator[tuple[float, Attributes]]:
    if seen.slots.limit is not None:
        yield seen.slots.limit, {}


def _requests(seen: GovernorSnapshot) -> Iterator[tuple[float, Attributes]]:
    yield seen.requests.used, {}


def _requests_limit(seen: GovernorSnapshot) -> Iterator[tuple[float, Attributes]]:
    if seen.requests.limit is not None:
        yield seen.requests.limit, {}


def _quotas(seen: GovernorSnapshot) -> Iterator[tuple[float, Attributes]]:
    for name, quota in seen.quotas.items():
        yield quota.used, {names.QUOTA: name}


def _quotas_limit(seen: GovernorSnapshot) -> Iterator[tuple[float, Attributes]]:
    for name, quota in seen.quotas.items():
        if quota.limit is not None:
            yield quota.limit, {names.QUOTA: name}


def _waiting(seen: GovernorSnapshot) -> Iterator[tuple[float, Attributes]]:
    yield sum(seen.requests.waiting.values()), {names.KIND: "requests"}
    yield seen.slots.waiting, {names.KIND: "slot"}
    for name, quota in seen.quotas.items():
        yield quota.waiting, {names.KIND: name}


def _credits(seen: GovernorSnapshot) -> Iterator[tuple[float, Attributes]]:
    if seen.credits is not None:
        yield seen.credits.balance, {}


METRICS: Final = (
    ("slots.occupied", "{project}", "Active projects of the account.", _slots),
    ("slots.limit", "{project}", "The most projects that may be active.", _slots_limit),
    ("requests.used", "{request}", "Requests of this process in the last window.", _requests),
    ("requests.limit", "{request}", "The most requests in a window.", _requests_limit),
    ("quota.used", "{use}", "Uses of a daily quota in the last 24 hours.", _quotas),
    ("quota.limit", "{use}", "The most uses in 24 hours.", _quotas_limit),
    ("waiting", "{waiter}", "Waiters at the governor.", _waiting),
    ("credits", "{credit}", "Credits left, by the last response that told them.", _credits),
)
"""The name, the unit and the description of each metric, and the points that one governor adds."""
