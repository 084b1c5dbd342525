"""What is under way between the sockets of an event loop, as the kernel tells.

Bytes that were sent need not be there yet: a busy machine delivers late, over a full buffer the kernel
sends again after 0.2 s, and a window that was shut opens by a packet of its own. Meanwhile no socket is
ready, and a loop that jumps would take that for silence. So before it jumps it asks:

- Between two sockets of the loop the kernel knows of every byte whether it has arrived.
- The other end of a connection may be in a thread or process that the loop cannot see. Bytes that it has
  not accepted are under way. What it is going to say nobody knows, so it gets a moment after each byte to
  go on, and a server longer to answer ours; a client of our own server owes no answer. Both grow with the
  pauses that such peers are seen to make.

Only Linux tells all that (see tcp(7)); on other systems nothing is known to be under way.
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
"""Real time of silence after which a peer elsewhere has nothing more to say for the moment."""

ANSWER_SECONDS: Final = 1.0
"""Real time that a peer elsewhere has to answer."""

MAX_ANSWER_SECONDS: Final = 10.0
"""Real time to which that grows at most; `VirtualTimeLoop.paused` is for peers that need more."""

GROWTH: Final = 2.0
"""How many times the longest pause seen a silence must be to count."""

FADING: Final = 0.95
"""What remains of the longest pause each time that a silence was waited out for nothing."""

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
        fd: Its file descriptor.
        transport: The transport that owns it, if any.
        sock: The transport's socket; None without a transport.
        local: Its own address.
        remote: The address of the other end; None until it is connected.
        counts: Bytes sent and received, when they were looked at last.
        changed_at: Real time at which these were last found to have changed.
        is_owed: Whether the other end has something to answer, or to bring to its end.
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
        """Whether bytes were sent that the other end's kernel has not acknowledged."""
        return ioctl(self.fd, _UNACKNOWLEDGED, _NOTHING) != _NOTHING

    def acknowledge(self) -> None:
        """Acknowledge at once what has arrived; left to itself, the kernel takes up to 40 ms."""
        with _borrow(self.fd) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def has_packets(self) -> bool:
        """Whether packets are under way."""
        return self._info()[0] > 0

    def look(self, now: float) -> bool:
        """Look whether bytes have moved; return whether some were sent that are not acknowledged.

        One call of the system for an end whose other end is elsewhere, of which there may be hundreds.
        """
        packets, sent, received, unsent = self._info()
        if self.counts != (sent, received):
            self.is_owed = self.counts[0] != sent
            self.counts, self.changed_at = (sent, received), now
        return packets > 0 or unsent > 0

    def _info(self) -> tuple[int, int, int, int]:
        if self.sock is not None:
            told = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        else:
            with _borrow(self.fd) as sock:
                told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        packets, sent, received, unsent = _TCP_INFO.unpack(told)
        return packets, sent, received, unsent


class Traffic:
    """Tell whether anything is under way on the sockets of a loop.

    Args:
        waited_for: What the loop's selector waits for, by file descriptor.

    Attributes:
        transports: The loop's transports by file descriptor.
    """

    def __init__(self, waited_for: Mapping[Any, selectors.SelectorKey]) -> None:
        self.transports: Mapping[int, Any] = {}
        self._waited_for = waited_for
        self._lines: dict[int, _Line | None] = {}
        self._ours: set[_Connection] = set()  # as the loop's sockets see or saw them
        self._served_ports: set[int] = set()
        self._longest_pause = 0.0

    def remember(self, fd: int) -> None:
        """Remember that a file descriptor is the loop's, as it may be closed before anybody asks."""
        if sys.platform == "linux":
            self.forget(fd)
            self._line(fd)

    def forget(self, fd: int) -> None:
        """Forget a file descriptor that is no longer waited for, as its number may be used anew."""
        line = self._lines.get(fd)
        if line is None or line.transport is None:
            self._lines.pop(fd, None)

    def came_after(self, seconds: float) -> None:
        """Something has come for which the loop had waited so many real seconds."""
        self._longest_pause = max(self._longest_pause, seconds)

    def nothing_came(self) -> None:
        """Silence was waited out: a peer that was slow once need not be so for ever."""
        self._longest_pause *= FADING

    def is_moving(self) -> bool:
        """Whether bytes are under way, or a peer elsewhere may be about to send some."""
        if sys.platform != "linux":
            return False
        lines = [line for fd in {*self.transports, *self._waited_for} if (line := self._line(fd))]
        ends = {line.connection: line for line in lines}
        moving = False
        for line in lines:
            # All are looked at each time: the silence of each counts from when it was looked at first.
            with contextlib.suppress(OSError):  # it was closed or reset just now, of which there is an event
                moving |= self._moves(line, ends.get(line.opposite))
        return moving

    def _line(self, fd: int) -> _Line | None:
        transport = self.transports.get(fd)
        if transport is not None and transport.get_extra_info("socket").fileno() != fd:
            transport = None  # it is closed, and only has not been forgotten yet
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
        # A sender may fill the buffers of a receiver that does not read for now; more does not move.
        return line.has_unacknowledged() and (self._is_awaited(other, _READ) or line.has_packets())

    def _may_get_an_answer(self, line: _Line) -> bool:
        """Whether something is likely to come from a peer that is not on this loop."""
        now = time.monotonic()
        has_unacknowledged = line.look(now) and line.remote is not None
        if not (has_unacknowledged or self._is_awaited(line, _READ if line.remote else _WRITE)):
            return False
        silence = now - line.changed_at
        pause = min(max(PAUSE_SECONDS, GROWTH * self._longest_pause), ANSWER_SECONDS)
        answer = min(max(ANSWER_SECONDS, GROWTH * self._longest_pause), MAX_ANSWER_SECONDS)
        # An end of our own that was closed has not said its last word before this one has read it.
        has_server = line.local[1] not in self._served_ports
        is_owed = (line.is_owed and has_server) or has_unacknowledged or line.opposite in self._ours
        return silence < (answer if is_owed else pause)

    def _is_awaited(self, line: _Line, events: int) -> bool:
        key = self._waited_for.get(line.fd)
        return key is not None and bool(key.events & events)


def _line_of(fd: int, transport: Any | None) -> _Line | None:
    """The end of a TCP connection with this file descriptor; None if it is something else."""
    with contextlib.suppress(OSError), _borrow(fd) as sock:
        if sock.family in _INTERNET and sock.type == socket.SOCK_STREAM and not _listens(sock):
            remote = None
            with contextlib.suppress(OSError):
                remote = _address(sock.getpeername())
            owner = None if transport is None else weakref.ref(transport)
            owned = None if transport is None else transport.get_extra_info("socket")
            return _Line(fd, owner, owned, _address(sock.getsockname()), remote)
    return None


def _listening_port(fd: int) -> int | None:
    """The port that a file descriptor listens on; None if it does not."""
    with contextlib.suppress(OSError), _borrow(fd) as sock:
        if sock.family in _INTERNET and _listens(sock):
            return _address(sock.getsockname())[1]
    return None


def _listens(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _address(name: tuple[Any, ...]) -> _Address:
    host, port, *_ = name
    return host.removeprefix("::ffff:"), port  # IPv4 as sockets for both versions spell it


@contextlib.contextmanager
def _borrow(fd: int) -> Iterator[socket.socket]:
    """A socket object for a file descriptor that somebody else closes."""
    sock = socket.socket(fileno=fd)
    try:
        yield sock
    finally:
        sock.detach()
