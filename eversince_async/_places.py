"""Whether a file can be written to a place, found out before anything is paid for it; and why it cannot.

All of this touches the disk. Troubles are `OSError`, and `in_words` says of each what to do.
"""

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PROBE: Final = 4096
"""Bytes that are written to find out whether there is room at all: a block of most disks."""

_WORDS: Final[Mapping[int, str]] = {
    errno.EMFILE: "this process has too many files open: raise its limit (`ulimit -n`), or have less at work "
    "at once",
    errno.ENFILE: "this machine has too many files open: close some of its programs, or raise its limit",
    errno.ENOSPC: "the disk is full: make room and try again",
    errno.EDQUOT: "the disk quota is used up: make room and try again",
    errno.EFBIG: "the file is larger than this process may write (`ulimit -f`)",
    errno.EROFS: "the disk can only be read",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EILSEQ: "cannot be the name of a file",
}

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""There is no room."""

CROWDED: Final = frozenset({errno.EMFILE, errno.ENFILE})
"""There are too many open files, which passes."""


def in_words(error: OSError) -> str:
    """What is wrong, and what to do about it where that is known."""
    return _WORDS.get(error.errno or 0) or error.strerror or str(error)


def open_files_error(needed: int = 1) -> OSError | None:
    """The error of opening some files more, if there are too many open files by now.

    SQLite, name servers and libraries of TLS say only that something cannot be opened.

    Args:
        needed: How many would have to be opened at once.
    """
    opened = list[int]()
    try:
        opened += (os.open(os.devnull, os.O_RDONLY) for _ in range(needed))
    except OSError as error:
        return error if error.errno in CROWDED else None
    finally:
        for number in opened:
            os.close(number)
    return None


def check_name(path: str | os.PathLike[str]) -> None:
    """Refuse what cannot be the name of a file on this system.

    Raises:
        OSError: It cannot.
    """
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        encoded = b"\0"  # half a surrogate, or what the encoding of the file system lacks
    if b"\0" in encoded or not encoded:
        raise OSError(errno.EILSEQ, _WORDS[errno.EILSEQ])


def check_is_file(found: os.stat_result) -> None:
    """Refuse what is there and no file: it is neither to be waited for nor to be replaced.

    Raises:
        OSError: It is a folder, a link, a pipe, a socket or a device.
    """
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.EBUSY, "it is a link; name the file itself, or remove the link")
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EBUSY, "it is no file but a pipe, a socket or a device")


def check_room(folder: Path) -> None:
    """Write something to a folder that nobody ever sees.

    Raises:
        OSError: There is no room, or it cannot be written to.
    """
    if not os.access(folder, os.W_OK | os.X_OK):  # says more than what comes of trying
        raise PermissionError(errno.EACCES, "its folder cannot be written to")
    with tempfile.TemporaryFile(dir=folder, prefix=".eversince-", buffering=0) as probe:
        probe.write(bytes(PROBE))


def check_replaceable(path: Path) -> None:
    """Find out whether a file can be put to a place, where a link may lead and a file may be already.

    Folders on the way there are made.

    Raises:
        OSError: It cannot.
    """
    check_name(path)
    target = Path(os.path.realpath(path))
    if os.path.islink(path) and not target.exists():
        raise FileNotFoundError(errno.ENOENT, "is a link that leads to no file", os.fspath(path))
    with contextlib.suppress(FileNotFoundError):
        check_is_file(target.lstat())
    target.parent.mkdir(parents=True, exist_ok=True)
    check_room(target.parent)
