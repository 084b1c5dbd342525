"""Bounded queues of events for the application, which block no delivery."""

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Collection

from eversince_async.models.webhooks import WebhookEvent


class Subscription(AsyncIterator[WebhookEvent]):
    """The events that arrive after its creation, in order of arrival.

    Iterate by `async for event in subscription`. If several tasks share a subscription, each event goes to
    one of them. The iteration ends when the receiver is closed, after the events that have arrived by then.
    Cancelling a wait loses no event. The receiver forgets a subscription that is no longer referenced.

    Attributes:
        dropped: The number of events dropped because they were not taken in time; the oldest are dropped
            first.
    """

    def __init__(self, project_ids: Collection[str], room: int) -> None:
        self.dropped = 0
        self._project_ids = frozenset(project_ids)
        self._events: deque[WebhookEvent] = deque(maxlen=room)
        self._changed = asyncio.Event()
        self._has_ended = False

    def __repr__(self) -> str:
        return f"<Subscription {len(self._events)} events waiting, {self.dropped} dropped>"

    def __len__(self) -> int:
        """Return the number of events that wait to be taken."""
        return len(self._events)

    async def __anext__(self) -> WebhookEvent:
        while not self._events:
            if self._has_ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._events.popleft()

    def offer(self, event: WebhookEvent) -> bool:
        """Add an event; return False if an older one was dropped.

        An event of a project that was not subscribed to is not added.
        """
        if self._project_ids and event.id not in self._project_ids:
            return True
        has_room = len(self._events) != self._events.maxlen
        self.dropped += not has_room
        self._events.append(event)  # a full deque drops its other end
        self._changed.set()
        return has_room

    def close(self) -> None:
        """End the iteration after the events that have arrived."""
        self._has_ended = True
        self._changed.set()


class Inbox:
    """The distributor of each event to every subscription.

    Attributes:
        room: The number of events that each subscription holds for a slower application.
        dropped: The number of events dropped by all subscriptions, past ones included.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.dropped = 0
        self._subscriptions = weakref.WeakSet[Subscription]()

    def __len__(self) -> int:
        """Return the number of subscriptions."""
        return len(self._subscriptions)

    def subscribe(self, project_ids: Collection[str]) -> Subscription:
        """Subscribe to the events of the named projects, or of all."""
        subscription = Subscription(project_ids, self.room)
        self._subscriptions.add(subscription)
        return subscription

    def put(self, event: WebhookEvent) -> int:
        """Offer an event to all subscriptions; return how many dropped an older."""
        dropped = sum(not subscription.offer(event) for subscription in list(self._subscriptions))
        self.dropped += dropped
        return dropped

    def close(self) -> None:
        """End all subscriptions; new ones can be created."""
        for subscription in list(self._subscriptions):
            subscription.close()
        self.clear()

    def clear(self) -> None:
        """Forget all subscriptions without ending them: their event loop is gone."""
        self._subscriptions.clear()
