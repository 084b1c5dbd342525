"""Who waits, why, and telling whoever wants to know."""

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
"""Seconds after which a wait is explained to subscribers; shorter ones nobody notices."""

AT_A_TIME: Final = 100
"""Waits that are explained in a row, before others have their turn on the loop."""

Wants = Callable[[str | None], bool]
"""Whether a subscriber wants to be told of what goes by such a name."""


class WaitKind(StrEnum):
    """What is waited for."""

    REQUESTS = "requests"
    """A place in the request budget."""
    PAUSE = "pause"
    """The end of a pause that the server asked for."""
    SLOT = "slot"
    """One of the account's active projects to settle."""
    PROJECTS = "projects"
    """Another day's projects."""
    RENDERS = "renders"
    """Another day's renders."""


@attrs.frozen(kw_only=True)
class WaitReason:
    """Why something waits.

    Attributes:
        kind: What is waited for.
        detail: The same in a sentence for people.
        who: What waits: a request, the key of a production; None if it gave no name.
        since: When it began to wait.
        until: When it is expected to go on; None when that cannot be foreseen.
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
        kind: What was waited for, as it stood when the wait began.
        who: What waited, as in `WaitReason`.
        seconds: How long.
        granted: Whether it got what it waited for; else its caller gave up.
    """

    kind: WaitKind
    who: str | None
    seconds: float
    granted: bool


class Waiter:
    """One who waits.

    Attributes:
        since: Clock seconds when it began to wait.
        who: Its name, for people.
        future: What its caller awaits; None while only decisions are tested.
        number: Its number in the line it stands in.
    """

    __slots__ = ("future", "number", "since", "who")

    def __init__(self, since: float, who: str | None = None) -> None:
        self.since = since
        self.who = who
        self.future: Future[Any] | None = None
        self.number = 0

    @property
    def is_waiting(self) -> bool:
        """Whether its caller still awaits it."""
        return self.future is not None and not self.future.done()


P = ParamSpec("P")


class CallbackList(Generic[P]):
    """Callbacks of others, whose mistakes are logged and break nothing."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[P, object]] = []

    def __bool__(self) -> bool:
        return bool(self._callbacks)

    def add(self, callback: Callable[P, object]) -> Callable[[], None]:
        """Subscribe; returns what ends the subscription."""
        self._callbacks.append(callback)

        def unsubscribe() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return unsubscribe

    def notify(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call everybody."""
        for callback in list(self._callbacks):
            try:
                callback(*args, **kwargs)
            except Exception:
                log.exception("a callback of the governor failed: %r", callback)


class WaitNotifier:
    """Tells subscribers about every wait that lasts, and of the end of every wait.

    Args:
        clock: Whose time counts.
        explain: Makes the reasons of waiters that are still waiting.
        kind_of: What a waiter waits for, at less expense.
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
        """Call `callback` for every wait that lasts, also those begun; returns what ends it.

        Args:
            callback: Called with the reason.
            waiting: Everybody who waits now.
            wants: Which of them it is called for, by name; all by default.
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
        """Call `callback` as each wait ends that begins from now on; returns what ends it."""
        return self._ends.add(callback)

    def watch(self, waiter: Waiter) -> None:
        """Somebody begins to wait; costs nothing while nobody subscribes."""
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
