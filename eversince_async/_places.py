"""Checks that a file can be written to a path.

They are made before anything is paid for the file. They also explain why it cannot. All of this touches the
disk. Problems are raised as `OSError`, and `in_words` explains each and its remedy.
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
"""Bytes that are written to find out whether there is room.

They are a block of most disks."""

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
"""Errors that mean that there is no room."""

CROWDED: Final = frozenset({errno.EMFILE, errno.ENFILE})
"""Errors that mean too many open files, which is temporary."""


def in_words(error: OSError) -> str:
    """Describe an error, and its remedy where that is known."""
    return _WORDS.get(error.errno or 0) or error.strerror or str(error)


def open_files_error(needed: int = 1) -> OSError | None:
    """Return the error of opening more files if too many are open.

    None otherwise. SQLite, name servers and libraries of TLS say only that something cannot be opened.

    Args:
        needed: Number of files that would have to be opened at once.
    """
    descriptors = list[int]()
    try:
        descriptors += (os.open(os.devnull, os.O_RDONLY) for _ in range(needed))
    except OSError as error:
        return error if error.errno in CROWDED else None
    finally:
        for number in descriptors:
            os.close(number)
    return None


def check_name(path: str | os.PathLike[str]) -> None:
    """Refuse a path that cannot be a file name on this system.

    Raises:
        OSError: The path cannot be a file name.
    """
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        encoded = b"\0"  # half a surrogate, or a character that the file system's encoding lacks
    if b"\0" in encoded or not encoded:
        raise OSError(errno.EILSEQ, _WORDS[errno.EILSEQ])


def check_is_file(found: os.stat_result) -> None:
    """Refuse an existing thing that is not a file.

    It is neither worth waiting for nor to be replaced.

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
    """Write a few bytes to a folder, in an invisible file.

    Raises:
        OSError: There is no room, or the folder cannot be written to.
    """
    if not os.access(folder, os.W_OK | os.X_OK):  # its error says more than that of an attempt
        raise PermissionError(errno.EACCES, "its folder cannot be written to")
    with tempfile.TemporaryFile(dir=folder, prefix=".eversince-", buffering=0) as probe:
        probe.write(bytes(PROBE))


def check_replaceable(path: Path) -> None:
    """Check that a file can be written to a path.

    The path may be a link, and a file may exist there already. Missing folders of the path are created.

    Raises:
        OSError: The file cannot be written.
    """
    check_name(path)
    target = Path(os.path.realpath(path))
    if os.path.islink(path) and not target.exists():
        raise FileNotFoundError(errno.ENOENT, "is a link that leads to no file", os.fspath(path))
    with contextlib.suppress(FileNotFoundError):
        check_is_file(target.lstat())
    target.parent.mkdir(parents=True, exist_ok=True)
    check_room(target.parent)
