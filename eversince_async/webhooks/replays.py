"""What was delivered lately, so that nothing is delivered twice."""

import hashlib
from collections import OrderedDict
from typing import Final

from eversince_async.webhooks.signature import Body

MAX_REMEMBERED: Final = 4096
"""Deliveries. An account that spends all its projects of a day at once sends fewer within the tolerance."""


class ReplayFilter:
    """Remembers deliveries for as long as they could be sent again, in bounded memory.

    Only what was found genuine may be asked about: then nobody without the secret can wash it out.

    Args:
        keep: Seconds a delivery is remembered; None for as long as there is room.
        room: Deliveries that are remembered; beyond that, the oldest are forgotten.
    """

    def __init__(self, keep: float | None, room: int = MAX_REMEMBERED) -> None:
        self._keep = keep
        self._room = room
        self._seen: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def is_replay(self, timestamp: str, body: Body, now: float) -> bool:
        """Whether this was delivered before; remembers that it is now.

        The signature follows from timestamp, body and secret, so it need not be compared: a delivery is
        the same one if it is signed again with the other of two secrets.
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
