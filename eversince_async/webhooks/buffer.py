"""Where bytes of deliveries wait until they are verified: all together within one bound."""

from eversince_async.webhooks.signature import Body


class CrowdedOut(Exception):
    """A body was dropped because all together held too much, and it held most."""


class DeliveryBuffer:
    """Bounds the bytes that all deliveries hold before anybody knows whether they are genuine.

    When they would hold more, the largest goes, the oldest of several: what the server sends is small, so
    whoever wants to fill the memory is in their own way first.

    Args:
        limit: Bytes all bodies may have together.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self._bodies: dict[PendingBody, None] = {}

    def __repr__(self) -> str:
        return f"<DeliveryBuffer {self.held} of {self.limit} bytes, {len(self._bodies)} bodies>"

    def open(self) -> "PendingBody":
        """A body with nothing in it yet; close it in the end."""
        body = PendingBody(self)
        self._bodies[body] = None
        return body

    def make_room(self, body: "PendingBody", size: int) -> None:
        """Let a body hold so many bytes more; the largest of all goes if there is no room."""
        if body.is_dropped:
            return
        while self.held + size > self.limit:
            largest = max(self._bodies, key=lambda each: len(each.data) + size * (each is body))
            largest.drop()
            if largest is body:
                return
        self.held += size

    def forget(self, body: "PendingBody") -> None:
        """Count a body's bytes no longer."""
        if body in self._bodies:
            del self._bodies[body]
            self.held -= len(body.data)


class PendingBody:
    """One body that is coming in.

    Attributes:
        data: What has come so far.
        is_dropped: Whether it had to go, and what there was with it.
    """

    def __init__(self, buffer: DeliveryBuffer) -> None:
        self.data = bytearray()
        self.is_dropped = False
        self._buffer = buffer

    def __enter__(self) -> "PendingBody":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, chunk: Body) -> None:
        """Take in some bytes.

        Raises:
            CrowdedOut: It had to go, now or while this was waiting.
        """
        self._buffer.make_room(self, len(chunk))
        if self.is_dropped:
            raise CrowdedOut
        self.data += chunk

    def whole(self) -> bytearray:
        """All of it, now that it has come.

        Raises:
            CrowdedOut: It had to go while this was waiting.
        """
        if self.is_dropped:
            raise CrowdedOut
        return self.data

    def drop(self) -> None:
        """Let go of what has come, to make room for others."""
        self.is_dropped = True
        self.close()

    def close(self) -> None:
        """Let go of the bytes."""
        self._buffer.forget(self)
        self.data = bytearray()  # who verified the old one may still hold it
