"""Recent deliveries, remembered so that a repeated one is recognized."""

import hashlib
from collections import OrderedDict
from typing import Final

from eversince_async.webhooks.signature import Body

MAX_REMEMBERED: Final = 4096
"""The most deliveries that are remembered.

An account that spends all its projects of a day at once sends fewer within the tolerance.
"""


class ReplayFilter:
    """A bounded memory of deliveries that could still be repeated.

    Ask it only about genuine deliveries: then no sender without the secret can push others out.

    Args:
        keep: Seconds for which a delivery is remembered; None for as long as there is room.
        room: The most deliveries that are remembered; beyond it, the oldest are forgotten.
    """

    def __init__(self, keep: float | None, room: int = MAX_REMEMBERED) -> None:
        self._keep = keep
        self._room = room
        self._seen: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def is_replay(self, timestamp: str, body: Body, now: float) -> bool:
        """Return True if the delivery came before; remember it otherwise.

        The signature follows from timestamp, body and secret, so it need not be compared: a delivery signed
        again with the other of two secrets is still the same.
        """
        self._forget(now)
        stamp = hashlib.sha256(timestamp.encode("utf-8", "surrogatepass") + b".")
        stamp.update(body)
        delivery = stamp.digest()
        if delivery in self._seen:
            return True
        self._seen[delivery] = now
        return False

    def _forget(self, now: float) -> None:
        while len(self._seen) >= self._room or self._is_expired(now):
            self._seen.popitem(last=False)

    def _is_expired(self, now: float) -> bool:
        if not self._seen or self._keep is None:
            return False
        return next(iter(self._seen.values())) + self._keep < now
