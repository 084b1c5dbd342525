"""Who owns a lease: one run of one process, by a name that tells others whether it can still be alive.

A lease that has run out can be taken over by anybody. When it has not, but its owner was a process of this
very machine that is gone, nobody need wait for it: that is what happens after `kill -9` and a restart.
"""

import functools
import os
import secrets
import socket
import sys
from pathlib import Path
from typing import Final

_SEPARATOR: Final = "/"


def new_incarnation() -> str:
    """A name for this run: host, machine, process and a random part, e.g. `mug/3f2a91c4/4711/9c1e55aa`."""
    host = socket.gethostname().replace(_SEPARATOR, "-")
    return _SEPARATOR.join((host, _machine_id(), str(os.getpid()), secrets.token_hex(4)))


def is_dead(incarnation: str) -> bool:
    """Whether a run is over for certain. False also means that it cannot be known from here."""
    parts = incarnation.split(_SEPARATOR)
    if len(parts) != 4 or not parts[2].isdigit() or parts[1] != _machine_id() or parts[1] == _UNKNOWN:
        return False
    return _is_process_gone(int(parts[2]))


def _is_process_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it exists, and belongs to somebody else
        return False
    try:  # a zombie answers, too
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state in {"Z", "X"}


_UNKNOWN: Final = "elsewhere"


@functools.cache
def _machine_id() -> str:
    """What processes have in common that can see each other: since which boot, in which container.

    Only Linux tells. On Windows, besides, asking whether a process exists would end it.
    """
    if sys.platform != "linux":
        return _UNKNOWN
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot[:8]}-{Path('/proc/self/ns/pid').stat().st_ino:x}"
    except OSError:
        return _UNKNOWN
