"""Writing a file so that it is there whole, or as it was."""

import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import TextIO


@contextmanager
def replacing(path: str | os.PathLike[str], *, encoding: str = "utf-8") -> Generator[TextIO, None, None]:
    """A text file to write, which takes the place of `path` when the block ends well.

    Until then it lies beside it under another name. When something goes wrong, such as a full disk, it is
    removed, and whatever was at `path` is still there. Folders are made. Lines end as they are written.

    A new file is readable and writable by its owner only (0600); one that is replaced keeps its permissions.

    Raises:
        OSError: It cannot be written.
    """
    # A link stays a link: what it leads to is replaced.
    target = Path(os.path.realpath(path))
    if os.path.islink(path) and not target.exists():
        raise FileNotFoundError(errno.ENOENT, "is a link that leads to no file", os.fspath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name[:100]}.{token_hex(4)}.part")
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
