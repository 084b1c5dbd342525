"""Detection of bytes under way on an event loop's sockets.

Bytes that were sent may not have arrived yet: a busy machine delivers late, the kernel sends again after 0.2
s if a buffer was full, and a closed window opens by a packet of its own. Meanwhile no socket is ready, and a
loop that jumps would take that for silence. So before a jump the loop asks the kernel:

- Between two sockets of the loop the kernel knows for every byte if it has arrived.
- The other end of a connection may be in a thread or process that the loop cannot see. Bytes that the other
  end has not accepted are under way. Its next bytes cannot be foreseen, so it gets a moment after each byte
  to continue, and a server gets longer to respond; a client of a server on this loop owes no response. Both
  times grow with the pauses that such peers were seen to make.

Only Linux reports all that (see tcp(7)); on other systems nothing is known to be under way.
"""

from __future__ import annotations

import contextlib
import math
import selectors
import socket
import struct
import sys
import time
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

if sys.platform == "linux":
    from fcntl import ioctl

PAUSE_SECONDS: Final = 0.05
"""Real seconds of silence after which an external peer counts as finished."""

ANSWER_SECONDS: Final = 1.0
"""Real seconds that an external peer has to respond."""

MAX_ANSWER_SECONDS: Final = 10.0
"""Real seconds to which the time to respond grows at most.

`VirtualTimeLoop.paused` is for peers that need more.
"""

GROWTH: Final = 2.0
"""Multiple of the longest pause seen that a silence must reach.

A shorter silence does not count as the end.
"""

FADING: Final = 0.95
"""Factor applied to the longest pause after a silence without data."""

_UNACKNOWLEDGED: Final = 0x5411  # SIOCOUTQ
_NOTHING: Final = bytes(4)
# tcpi_unacked, tcpi_bytes_acked, tcpi_bytes_received, tcpi_notsent_bytes
_TCP_INFO: Final = struct.Struct("=24xI92xQQ8xI")

_INTERNET: Final = (socket.AF_INET, socket.AF_INET6)
_READ: Final = selectors.EVENT_READ
_WRITE: Final = selectors.EVENT_WRITE

_Address = tuple[str, int]
_Connection = tuple[_Address | None, _Address | None]  # from here, to there


@attrs.define(eq=False)
class _Line:
    """One end of a TCP connection.

    Attributes:
        fd: File descriptor of the socket.
        transport: The transport that owns the socket, if any.
        sock: The transport's socket; None without a transport.
        local: Address of this end.
        remote: Address of the other end; None until the socket is connected.
        counts: Bytes sent and received at the last check.
        changed_at: Real time at which a check last found a change.
        is_owed: True if the other end has to respond or to finish a response.
    """

    fd: int
    transport: weakref.ref[Any] | None
    sock: Any
    local: _Address
    remote: _Address | None
    counts: tuple[int, int] = (-1, -1)
    changed_at: float = -math.inf
    is_owed: bool = False

    @property
    def connection(self) -> _Connection:
        """The connection, as seen from this end."""
        return self.local, self.remote

    @property
    def opposite(self) -> _Connection:
        """The connection, as seen from the other end."""
        return self.remote, self.local

    def has_unacknowledged(self) -> bool:
        """Return True if the other kernel has not acknowledged all sent bytes."""
        return ioctl(self.fd, _UNACKNOWLEDGED, _NOTHING) != _NOTHING

    def acknowledge(self) -> None:
        """Acknowledge received bytes at once.

        By itself the kernel takes up to 40 ms.
        """
        with _borrow(self.fd) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def has_packets(self) -> bool:
        """Return True if packets are under way."""
        return self._info()[0] > 0

    def look(self, now: float) -> bool:
        """Check for moved bytes; return True if some are unacknowledged.

        This takes one system call for each end with an external peer, of which there may be hundreds.
        """
        packets, sent, received, unsent = self._info()
        if self.counts != (sent, received):
            self.is_owed = self.counts[0] != sent
            self.counts, self.changed_at = (sent, received), now
        return packets > 0 or unsent > 0

    def _info(self) -> tuple[int, int, int, int]:
        if self.sock is not None:
            info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        else:
            with _borrow(self.fd) as sock:
                info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        packets, sent, received, unsent = _TCP_INFO.unpack(info)
        return packets, sent, received, unsent


class Traffic:
    """Detects bytes under way on the sockets of a loop.

    Args:
        waited_for: The loop's selector keys by file descriptor.

    Attributes:
        transports: The loop's transports by file descriptor.
    """

    def __init__(self, waited_for: Mapping[Any, selectors.SelectorKey]) -> None:
        self.transports: Mapping[int, Any] = {}
        self._waited_for = waited_for
        self._lines: dict[int, _Line | None] = {}
        self._ours: set[_Connection] = set()  # as seen from the loop's present and past sockets
        self._served_ports: set[int] = set()
        self._longest_pause = 0.0

    def remember(self, fd: int) -> None:
        """Remember a file descriptor of the loop before it may be closed."""
        if sys.platform == "linux":
            self.forget(fd)
            self._line(fd)

    def forget(self, fd: int) -> None:
        """Forget a file descriptor that is no longer waited for.

        Its number may be reused.
        """
        line = self._lines.get(fd)
        if line is None or line.transport is None:
            self._lines.pop(fd, None)

    def came_after(self, seconds: float) -> None:
        """Record that data came after so many real seconds of waiting."""
        self._longest_pause = max(self._longest_pause, seconds)

    def nothing_came(self) -> None:
        """Record that no data came, which shortens the next waits.

        A peer that was slow once need not remain slow.
        """
        self._longest_pause *= FADING

    def is_moving(self) -> bool:
        """Return True if bytes are under way or expected from external peers."""
        if sys.platform != "linux":
            return False
        lines = [line for fd in {*self.transports, *self._waited_for} if (line := self._line(fd))]
        ends = {line.connection: line for line in lines}
        moving = False
        for line in lines:
            # Every line is checked each time: its silence counts from the first check.
            with contextlib.suppress(OSError):  # it was just closed or reset, which is an event itself
                moving |= self._moves(line, ends.get(line.opposite))
        return moving

    def _line(self, fd: int) -> _Line | None:
        transport = self.transports.get(fd)
        if transport is not None and transport.get_extra_info("socket").fileno() != fd:
            transport = None  # it is closed, but still in the loop's table
            if fd not in self._waited_for:
                return None
        line = self._lines.get(fd)
        owner = None if line is None or line.transport is None else line.transport()
        if fd not in self._lines or owner is not transport:
            line = self._lines[fd] = _line_of(fd, transport)
            if line is not None:
                self._ours.add(line.connection)
            elif (port := _listening_port(fd)) is not None:
                self._served_ports.add(port)
        return line

    def _moves(self, line: _Line, other: _Line | None) -> bool:
        if other is None:
            return self._may_get_an_answer(line)
        if not line.has_unacknowledged():
            return False
        other.acknowledge()
        # A sender may fill the buffers of a receiver that does not read at present; then nothing moves.
        return line.has_unacknowledged() and (self._is_awaited(other, _READ) or line.has_packets())

    def _may_get_an_answer(self, line: _Line) -> bool:
        """Return True if an external peer is likely to send data."""
        now = time.monotonic()
        has_unacknowledged = line.look(now) and line.remote is not None
        if not (has_unacknowledged or self._is_awaited(line, _READ if line.remote else _WRITE)):
            return False
        silence = now - line.changed_at
        pause = min(max(PAUSE_SECONDS, GROWTH * self._longest_pause), ANSWER_SECONDS)
        answer = min(max(ANSWER_SECONDS, GROWTH * self._longest_pause), MAX_ANSWER_SECONDS)
        # A closed end on this loop may have sent bytes that the present end has not read yet.
        has_server = line.local[1] not in self._served_ports
        is_owed = (line.is_owed and has_server) or has_unacknowledged or line.opposite in self._ours
        return silence < (answer if is_owed else pause)

    def _is_awaited(self, line: _Line, events: int) -> bool:
        key = self._waited_for.get(line.fd)
        return key is not None and bool(key.events & events)


def _line_of(fd: int, transport: Any | None) -> _Line | None:
    """Return a file descriptor's end of a TCP connection, or None."""
    with contextlib.suppress(OSError), _borrow(fd) as sock:
        if sock.family in _INTERNET and sock.type == socket.SOCK_STREAM and not _listens(sock):
            remote = None
            with contextlib.suppress(OSError):
                remote = _address(sock.getpeername())
            owner = None if transport is None else weakref.ref(transport)
            owner_socket = None if transport is None else transport.get_extra_info("socket")
            return _Line(fd, owner, owner_socket, _address(sock.getsockname()), remote)
    return None


def _listening_port(fd: int) -> int | None:
    """Return the port on which a file descriptor listens, or None."""
    with contextlib.suppress(OSError), _borrow(fd) as sock:
        if sock.family in _INTERNET and _listens(sock):
            return _address(sock.getsockname())[1]
    return None


def _listens(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _address(name: tuple[Any, ...]) -> _Address:
    host, port, *_ = name
    return host.removeprefix("::ffff:"), port  # the form of IPv4 addresses on dual-stack sockets


@contextlib.contextmanager
def _borrow(fd: int) -> Iterator[socket.socket]:
    """Provide a socket object for a file descriptor without closing it."""
    sock = socket.socket(fileno=fd)
    try:
        yield sock
    finally:
        sock.detach()
