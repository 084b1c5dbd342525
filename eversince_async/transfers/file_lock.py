"""File locks that keep other processes from writing to a file."""

import contextlib
import errno
import os
import sys
from importlib import import_module
from typing import BinaryIO, Final

BEHIND: Final = 2**40
"""The position of the byte that is locked on Windows.

No other process may read or write a locked byte there, so this one is far beyond the end of our files.
"""


def lock(file: BinaryIO) -> None:
    """Lock a file while it is open, if the system supports locks.

    Raises:
        OSError: Another process holds the lock.
    """
    try:
        _lock_on_windows(file) if sys.platform == "win32" else _lock_on_posix(file)
    except (BlockingIOError, PermissionError):
        raise OSError(errno.EBUSY, "another process is downloading to it") from None
    except (OSError, ImportError):
        return  # this system, or its file system, has no locks


def _lock_on_posix(file: BinaryIO) -> None:
    fcntl = import_module("fcntl")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_on_windows(file: BinaryIO) -> None:
    msvcrt = import_module("msvcrt")
    number = file.fileno()
    before = os.lseek(number, 0, os.SEEK_CUR)
    os.lseek(number, BEHIND, os.SEEK_SET)
    try:
        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
    finally:
        with contextlib.suppress(OSError):
            os.lseek(number, before, os.SEEK_SET)
