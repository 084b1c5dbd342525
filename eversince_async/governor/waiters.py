"""Waiters, the reasons for their waits, and notifications about them."""

import logging
from asyncio import Future
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, Final, Generic, ParamSpec

import attrs

from eversince_async.governor.timers import LoopClock, Timer

log = logging.getLogger("eversince_async.governor")

NOTIFY_AFTER: Final = 1.0
"""Seconds after which a wait is explained to subscribers.

People do not notice shorter ones."""

AT_A_TIME: Final = 100
"""The number of waits explained in a row before the loop continues."""

Wants = Callable[[str | None], bool]
"""A function that returns True for names a subscriber wants."""


class WaitKind(StrEnum):
    """The kind of thing that is waited for."""

    REQUESTS = "requests"
    """A place in the request budget."""
    PAUSE = "pause"
    """The end of a pause that the server asked for."""
    SLOT = "slot"
    """The settling of one of the account's active projects."""
    PROJECTS = "projects"
    """The daily reset of projects."""
    RENDERS = "renders"
    """The daily reset of renders."""


@attrs.frozen(kw_only=True)
class WaitReason:
    """The reason for a wait.

    Attributes:
        kind: The kind of thing that is waited for.
        detail: The same in a sentence for people.
        who: The name of the waiter: a request, or the key of a production; None if it gave no name.
        since: The time at which the wait began.
        until: The time at which the wait is expected to end; None if that cannot be foreseen.
    """

    kind: WaitKind
    detail: str
    who: str | None
    since: datetime
    until: datetime | None = None

    def __str__(self) -> str:
        who = "" if self.who is None else f"{self.who}: "
        until = "" if self.until is None else f", until about {self.until:%Y-%m-%d %H:%M:%S} UTC"
        return f"{who}{self.detail}{until}"


@attrs.frozen(kw_only=True)
class WaitEnded:
    """A wait that is over.

    Attributes:
        kind: The kind of thing that was waited for, as it stood when the wait began.
        who: The name of the waiter, as in `WaitReason`.
        seconds: Length of the wait, in seconds.
        granted: True if the waiter got what it waited for; False if its caller gave up.
    """

    kind: WaitKind
    who: str | None
    seconds: float
    granted: bool


class Waiter:
    """One waiter.

    Attributes:
        since: The time at which the wait began, in clock seconds.
        who: The waiter's name, for people.
        future: The future that the caller awaits; None while only decisions are tested.
        number: The waiter's number in the line that it stands in.
    """

    __slots__ = ("future", "number", "since", "who")

    def __init__(self, since: float, who: str | None = None) -> None:
        self.since = since
        self.who = who
        self.future: Future[Any] | None = None
        self.number = 0

    @property
    def is_waiting(self) -> bool:
        """True if the waiter's caller still awaits it."""
        return self.future is not None and not self.future.done()


P = ParamSpec("P")


class CallbackList(Generic[P]):
    """Callbacks of users, whose errors are logged and break nothing."""

    def __init__(self) -> None:
        self._callbacks: dict[object, Callable[P, object]] = {}

    def __bool__(self) -> bool:
        return bool(self._callbacks)

    def add(self, callback: Callable[P, object]) -> Callable[[], None]:
        """Subscribe a callback; return a function that ends the subscription."""
        subscription = object()  # a callback may be subscribed several times
        self._callbacks[subscription] = callback

        def unsubscribe() -> None:
            self._callbacks.pop(subscription, None)

        return unsubscribe

    def notify(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call all callbacks."""
        for callback in list(self._callbacks.values()):
            try:
                callback(*args, **kwargs)
            except Exception:
                log.exception("a callback of the governor failed: %r", callback)


class WaitNotifier:
    """Notify subscribers of lasting waits, and of the end of every wait.

    Args:
        clock: The clock whose time counts.
        explain: Returns the reasons of waiters that are still waiting.
        kind_of: Returns the kind of a wait, at less expense.
    """

    def __init__(
        self,
        clock: LoopClock,
        explain: Callable[[Iterable[Waiter]], Iterable[WaitReason]],
        kind_of: Callable[[Waiter], WaitKind],
    ) -> None:
        self._explain = explain
        self._kind_of = kind_of
        self._ends: CallbackList[[WaitEnded]] = CallbackList()
        self._clock = clock
        self._subscribers: CallbackList[[WaitReason]] = CallbackList()
        self._wants: dict[object, Wants] = {}  # by subscription
        self._pending: deque[Waiter] = deque()
        self._alarm = Timer(clock, self._announce)
        clock.on_loop_change(lambda _shift: self._pending.clear())

    def subscribe(
        self,
        callback: Callable[[WaitReason], object],
        waiting: Iterable[Waiter],
        wants: Wants = lambda _: True,
    ) -> Callable[[], None]:
        """Call `callback` for every lasting wait, including those that have begun.

        Args:
            callback: Called with the reason.
            waiting: All present waiters.
            wants: Returns True for the names of waits that `callback` is called for; all by default.

        Returns:
            A function that ends the subscription.
        """
        first, subscription = not self._subscribers, object()

        def notify(reason: WaitReason) -> None:
            if wants(reason.who):
                callback(reason)

        end = self._subscribers.add(notify)
        self._wants[subscription] = wants
        if first:
            wanted = [waiter for waiter in waiting if self._is_wanted(waiter.who)]
            self._pending.extend(sorted(wanted, key=lambda waiter: waiter.since))
            self._set_alarm()

        def unsubscribe() -> None:
            end()
            self._wants.pop(subscription, None)

        return unsubscribe

    def subscribe_to_ends(self, callback: Callable[[WaitEnded], object]) -> Callable[[], None]:
        """Call `callback` as each wait ends that begins from now on.

        Returns:
            A function that ends the subscription.
        """
        return self._ends.add(callback)

    def watch(self, waiter: Waiter) -> None:
        """Watch a waiter that begins to wait.

        This costs nothing while there are no subscribers.
        """
        if self._ends and waiter.future is not None:
            waiter.future.add_done_callback(partial(self._end_wait, waiter, self._kind_of(waiter)))
        if not self._subscribers:
            return
        self._pending.append(waiter)
        if len(self._pending) == 1:
            self._set_alarm()

    def _end_wait(self, waiter: Waiter, kind: WaitKind, future: Future[Any]) -> None:
        seconds = max(0.0, self._clock.time() - waiter.since)
        self._ends.notify(
            WaitEnded(kind=kind, who=waiter.who, seconds=seconds, granted=not future.cancelled())
        )

    def _announce(self) -> None:
        now, lasting = self._clock.time(), list[Waiter]()
        while self._pending and self._pending[0].since + NOTIFY_AFTER <= now and len(lasting) < AT_A_TIME:
            waiter = self._pending.popleft()
            if waiter.is_waiting and self._is_wanted(waiter.who):
                lasting.append(waiter)
        if lasting:
            for reason in self._explain(lasting):
                self._subscribers.notify(reason)
        self._set_alarm()

    def _is_wanted(self, who: str | None) -> bool:
        try:
            return any(wants(who) for wants in self._wants.values())
        except Exception:
            log.exception("a callback of the governor failed")
            return False

    def _set_alarm(self) -> None:
        self._alarm.set(self._pending[0].since + NOTIFY_AFTER if self._pending else None)
