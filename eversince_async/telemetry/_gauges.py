"""How things stand with the account's limits, asked of the governors when metrics are collected.

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

They are sums over the governors, that is over the accounts, of one `OpenTelemetry`. What has no limit has
no such point, and credits are told only once an answer has.

Readers collect in threads of their own, and a governor belongs to its loop: so the loop is asked to look.
When it does not answer in time (it has stopped, or is itself waiting for the collection), there are no points
this time.
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
"""Seconds a collecting thread waits for the loop."""

Attributes = dict[str, str | bool]


class Gauges:
    """The observable instruments, over any number of governors, which may come to their end."""

    def __init__(self, meter: Meter) -> None:
        self._looks: weakref.WeakKeyDictionary[GovernorProtocol, _Snapshot] = weakref.WeakKeyDictionary()
        for name, unit, description, points in METRICS:
            meter.create_observable_up_down_counter(
                f"eversince.client.{name}",
                unit=unit,
                description=description,
                callbacks=[partial(self._observe, name, points)],
            )

    def is_alive(self, governor: GovernorProtocol, loop: asyncio.AbstractEventLoop) -> None:
        """A governor is in use on this loop."""
        look = self._looks.get(governor)
        if look is None or look.loop is not loop:
            self._looks[governor] = _Snapshot(loop)

    def _observe(
        self,
        metric: str,
        points: Callable[[GovernorSnapshot], Iterator[tuple[float, Attributes]]],
        _: CallbackOptions,
    ) -> Iterable[Observation]:
        sums: dict[tuple[tuple[str, str | bool], ...], float] = {}
        for governor, look in list(self._looks.items()):
            seen = look.serving(metric, governor)
            for value, attributes in points(seen) if seen is not None else ():
                which = tuple(attributes.items())
                sums[which] = sums.get(which, 0) + value
        return [Observation(value, dict(attributes)) for attributes, value in sums.items()]


class _Snapshot:
    """What a governor showed last: one look serves all metrics of a collection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._seen: GovernorSnapshot | None = None
        self._served: set[str] = set()

    def serving(self, metric: str, governor: GovernorProtocol) -> GovernorSnapshot | None:
        """The governor as it stands; a metric that asks for the second time begins another collection."""
        if not self._served or metric in self._served:
            self._served.clear()
            self._seen = _observed_at(self.loop, governor)
        self._served.add(metric)
        return self._seen


def _observed_at(loop: asyncio.AbstractEventLoop, governor: GovernorProtocol) -> GovernorSnapshot | None:
    """A snapshot taken on the governor's loop; None when that is not possible now."""
    if _is_here(loop):
        return governor.snapshot()
    if not loop.is_running():
        return None
    answer: Future[GovernorSnapshot] = Future()
    try:
        loop.call_soon_threadsafe(_look, governor, answer)
        return answer.result(SNAPSHOT_TTL)
    except (RuntimeError, TimeoutError):  # it has just been closed, or is busy
        return None


def _is_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the loop runs in this thread."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _look(governor: GovernorProtocol, answer: "Future[GovernorSnapshot]") -> None:
    try:
        answer.set_result(governor.snapshot())
    except Exception as error:  # noqa: BLE001 - it is for the thread that waits
        answer.set_exception(error)


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
    ("slots.limit", "{project}", "How many may be active.", _slots_limit),
    ("requests.used", "{request}", "Requests of ours in the last window.", _requests),
    ("requests.limit", "{request}", "How many are allowed.", _requests_limit),
    ("quota.used", "{use}", "What the day has so many of, used in 24 hours.", _quotas),
    ("quota.limit", "{use}", "How many are allowed.", _quotas_limit),
    ("waiting", "{waiter}", "Who waits at the governor.", _waiting),
    ("credits", "{credit}", "Credits left, as an answer told last.", _credits),
)
"""Name, unit, description, and what one governor adds."""
