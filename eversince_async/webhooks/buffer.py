"""The buffer of unverified bodies, which share one limit."""

from eversince_async.webhooks.signature import Body


class CrowdedOut(Exception):
    """The body was dropped as the largest of too many bytes.

    All bodies together would have exceeded the limit.
    """


class DeliveryBuffer:
    """The limit on the bytes of all deliveries not verified yet.

    If a further chunk would exceed the limit, the largest body is dropped, the oldest of several. Deliveries
    of the server are small, so a sender that tries to fill the memory displaces its own bodies first.

    Args:
        limit: The most bytes of all bodies together.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self._bodies: dict[PendingBody, None] = {}

    def __repr__(self) -> str:
        return f"<DeliveryBuffer {self.held} of {self.limit} bytes, {len(self._bodies)} bodies>"

    def open(self) -> "PendingBody":
        """Open an empty body, which the caller must close."""
        body = PendingBody(self)
        self._bodies[body] = None
        return body

    def make_room(self, body: "PendingBody", size: int) -> None:
        """Reserve bytes for a body, dropping the largest body if necessary."""
        if body.is_dropped:
            return
        while self.held + size > self.limit:
            largest = max(self._bodies, key=lambda each: len(each.data) + size * (each is body))
            largest.drop()
            if largest is body:
                return
        self.held += size

    def forget(self, body: "PendingBody") -> None:
        """Stop counting a body's bytes."""
        if body in self._bodies:
            del self._bodies[body]
            self.held -= len(body.data)


class PendingBody:
    """A body that is still arriving.

    Attributes:
        data: The bytes that have arrived so far.
        is_dropped: True if the body was dropped, along with its bytes.
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
        """Append a chunk.

        Raises:
            CrowdedOut: The body is dropped, now or since the last chunk.
        """
        self._buffer.make_room(self, len(chunk))
        if self.is_dropped:
            raise CrowdedOut
        self.data += chunk

    def whole(self) -> bytearray:
        """Return the complete body.

        Raises:
            CrowdedOut: The body was dropped since the last chunk.
        """
        if self.is_dropped:
            raise CrowdedOut
        return self.data

    def drop(self) -> None:
        """Release the bytes, to make room for other bodies."""
        self.is_dropped = True
        self.close()

    def close(self) -> None:
        """Release the bytes."""
        self._buffer.forget(self)
        self.data = bytearray()  # the code that verified the old one may still hold it
