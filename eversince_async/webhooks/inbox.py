"""Where events wait for the application: bounded, and never in anybody's way."""

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Collection

from eversince_async.models.webhooks import WebhookEvent


class Subscription(AsyncIterator[WebhookEvent]):
    """The events that arrived since it was made, in order of arrival: `async for event in subscription`.

    Several tasks may share one; then each event goes to one of them. It ends when the receiver is closed,
    after what has arrived by then. Cancelling a wait loses no event; a subscription that nobody holds any
    more is forgotten by the receiver.

    Attributes:
        dropped: Events that were thrown away because they were not taken in time, the oldest first.
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
        """Events that have arrived and wait to be taken."""
        return len(self._events)

    async def __anext__(self) -> WebhookEvent:
        while not self._events:
            if self._has_ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._events.popleft()

    def offer(self, event: WebhookEvent) -> bool:
        """Put an event in, if it is one of these; return False if an older one had to go for it."""
        if self._project_ids and event.id not in self._project_ids:
            return True
        has_room = len(self._events) != self._events.maxlen
        self.dropped += not has_room
        self._events.append(event)  # a full deque drops its other end
        self._changed.set()
        return has_room

    def close(self) -> None:
        """Let the iteration end after what has arrived."""
        self._has_ended = True
        self._changed.set()


class Inbox:
    """Gives each event to every subscription.

    Attributes:
        room: Events each subscription holds for an application that is slower than they arrive.
        dropped: Events dropped by all subscriptions there ever were.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.dropped = 0
        self._subscriptions = weakref.WeakSet[Subscription]()

    def __len__(self) -> int:
        """Subscriptions."""
        return len(self._subscriptions)

    def subscribe(self, project_ids: Collection[str]) -> Subscription:
        """Hear of events from now on, of some projects or, if none are named, of all."""
        subscription = Subscription(project_ids, self.room)
        self._subscriptions.add(subscription)
        return subscription

    def put(self, event: WebhookEvent) -> int:
        """Give an event to all who want it; return how many had to drop an older one for it."""
        dropped = sum(not subscription.offer(event) for subscription in list(self._subscriptions))
        self.dropped += dropped
        return dropped

    def close(self) -> None:
        """End all subscriptions; new ones can be made."""
        for subscription in list(self._subscriptions):
            subscription.close()
        self.clear()

    def clear(self) -> None:
        """Forget all subscriptions without a word: their event loop is gone."""
        self._subscriptions.clear()
