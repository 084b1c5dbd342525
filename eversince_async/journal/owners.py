"""The names of lease owners.

An owner is one run of one process. Its name tells others whether the run can still be alive. Any process may
take over a lease that has run out. If the lease has not run out, but its owner was a process of this machine
that is gone, no process has to wait for it: that is what happens after `kill -9` and a restart.
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
    """Return a new name for this run.

    It consists of host, machine, process and a random part, e.g. `mug/3f2a91c4/4711/9c1e55aa`.
    """
    host = socket.gethostname().replace(_SEPARATOR, "-")
    return _SEPARATOR.join((host, _machine_id(), str(os.getpid()), secrets.token_hex(4)))


def is_dead(incarnation: str) -> bool:
    """Return True if a run is certainly over.

    False also means that this machine cannot know it.
    """
    parts = incarnation.split(_SEPARATOR)
    if len(parts) != 4 or not parts[2].isdigit() or parts[1] != _machine_id() or parts[1] == _UNKNOWN:
        return False
    return _is_process_gone(int(parts[2]))


def _is_process_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it exists, and belongs to another user
        return False
    try:  # a zombie answers, too
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state in {"Z", "X"}


_UNKNOWN: Final = "elsewhere"


@functools.cache
def _machine_id() -> str:
    """Return an id common to all processes that can see each other.

    It names the boot and the container. Only Linux tells. On Windows, besides, asking whether a process
    exists would end it.
    """
    if sys.platform != "linux":
        return _UNKNOWN
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot[:8]}-{Path('/proc/self/ns/pid').stat().st_ino:x}"
    except OSError:
        return _UNKNOWN
