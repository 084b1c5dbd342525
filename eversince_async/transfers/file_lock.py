"""Locks on files, which keep other processes from writing to the same one."""

import contextlib
import errno
import os
import sys
from importlib import import_module
from typing import BinaryIO, Final

BEHIND: Final = 2**40
"""The byte that is locked on Windows, where nobody else may read or write what is: far behind all of ours."""


def lock(file: BinaryIO) -> None:
    """Lock a file for as long as it is open, where the system can.

    Raises:
        OSError: Another process has it.
    """
    try:
        _lock_on_windows(file) if sys.platform == "win32" else _lock_on_posix(file)
    except (BlockingIOError, PermissionError):
        raise OSError(errno.EBUSY, "another process is downloading to it") from None
    except (OSError, ImportError):
        return  # this system, or its file system, knows no locks


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
