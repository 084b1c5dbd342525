"""Writing a file so that it is there whole, or as it was."""

import os
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

    Raises:
        OSError: It cannot be written.
    """
    # A link stays a link: what it leads to is replaced.
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name[:100]}.{token_hex(4)}.part")
    try:
        with beside.open("x", encoding=encoding, newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
