"""Atomic writes: a new file appears complete, or not at all."""

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import TextIO

from eversince_async._places import check_replaceable


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, encoding: str = "utf-8") -> Generator[TextIO, None, None]:
    """Open a text file that replaces `path` once the block succeeds.

    Until then the file lies beside `path` under another name. If the block or the write fails, for example
    because the disk is full, this file is removed, and any file at `path` stays as it was. Missing folders
    are created. Line ends are written as they are given. A folder, a pipe, a socket or a device is not
    replaced.

    A new file is readable and writable by its owner only (0600); a file that is replaced keeps its
    permissions.

    Raises:
        OSError: The file cannot be written.
    """
    check_replaceable(Path(path))
    target = Path(os.path.realpath(path))  # a link stays a link: its target is replaced
    beside = target.with_name(f".{_short(target.name)}.{token_hex(4)}.part")
    try:
        with open(beside, "x", encoding=encoding, newline="", opener=_private) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with suppress(OSError):
            beside.chmod(stat.S_IMODE(target.stat().st_mode))
        beside.replace(target)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _short(name: str) -> str:
    return os.fsdecode(os.fsencode(name)[:100]).encode("utf-8", "ignore").decode()
