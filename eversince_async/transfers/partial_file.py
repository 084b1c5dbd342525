"""The unfinished file of a download, `<file>.part`, and its metadata.

Every method uses the disk and is meant for a worker thread. `run_in_thread` runs a method there to its end,
even if the caller is cancelled meanwhile, so that no file is opened or written unnoticed later.
"""

import asyncio
import contextlib
import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, ParamSpec, TypeGuard, TypeVar

import anyio
import attrs

from eversince_async._places import FULL, check_is_file, check_name, check_room, in_words
from eversince_async._wire.documents import HEAD, kind_of_document
from eversince_async.errors import DownloadFailed
from eversince_async.transfers.file_lock import lock

P = ParamSpec("P")
T = TypeVar("T")

MAX_NAME_BYTES: Final = 255
"""The longest file name that all usual file systems allow, in bytes."""

NOTE: Final = ".part.json"


@attrs.define
class PartialFile:
    """The unfinished file of a download.

    Attributes:
        path: The path of the finished file.
        size: The bytes on disk so far.
        total: The bytes in all; None if not known.
        etag: The strong validator of the video; None if the file cannot be resumed.
    """

    path: Path
    size: int = 0
    total: int | None = None
    etag: str | None = None
    _writing: BinaryIO | None = None

    @property
    def file(self) -> Path:
        """The path of the unfinished file."""
        return self._sibling(".part")

    @property
    def metadata_file(self) -> Path:
        """The path of the file that holds ETag and total size."""
        return self._sibling(NOTE)

    def _sibling(self, ending: str) -> Path:
        name = self.path.name
        if len(os.fsencode(name + NOTE)) > MAX_NAME_BYTES:
            name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
        return self.path.with_name(name + ending)

    def probe(self) -> None:
        """Check that the finished file could be stored at its path.

        The check is meant for the time before the file is paid for.
        """
        check_name(self.path)
        self.load()
        check_room(self.path.parent)

    def load(self) -> None:
        """Load an earlier part if it can be resumed.

        Also check that the finished file could be stored at its path at all.
        """
        self._check_target()
        for ours in (self.file, self.metadata_file):
            with contextlib.suppress(FileNotFoundError):
                _check_ours(ours, ours.lstat())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(self.path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, "its folder cannot be written to")
        try:
            status = self.file.lstat()
            with _open(self.metadata_file, os.O_RDONLY) as note:
                metadata = json.loads(note.read())
            etag, total = metadata["etag"], metadata["total"]
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        size = status.st_size
        if not _is_validator(etag) or not (total is None or (isinstance(total, int) and size <= total)):
            return
        if kind_of_document(self._head()) is None:
            self.etag, self.total, self.size = etag, total, size

    def _check_target(self) -> None:
        """Raise an error if the target exists and is no regular file.

        Such a target is neither followed nor replaced.
        """
        try:
            status = self.path.lstat()  # also finds names that are too long, early
        except FileNotFoundError:
            return
        check_is_file(status)

    def _head(self) -> bytes:
        with _open(self.file, os.O_RDONLY) as file:
            return file.read(HEAD)

    @property
    def is_resumable(self) -> bool:
        """True if bytes have arrived and a server can send the rest."""
        return bool(self.size and self.etag)

    def restart(self, etag: str | None = None, total: int | None = None) -> None:
        """Start over with the video that the server offers now."""
        self.size, self.total = 0, total
        self.etag = etag if _is_validator(etag) else None

    def open(self) -> None:
        """Open the file at `size`, and cut off the bytes beyond.

        The metadata is written first.
        """
        file = _open(self.file)  # not truncated: another process may be writing to it
        try:
            lock(file)
            with _open(self.metadata_file) as note:
                note.truncate()
                note.write(json.dumps({"etag": self.etag, "total": self.total}).encode())
            file.seek(self.size)
            file.truncate()
        except BaseException:
            file.close()
            raise
        self._writing = file

    def append(self, chunks: list[bytes]) -> None:
        """Write chunks at the end of the file."""
        if self._writing is not None:
            self._writing.writelines(chunks)
            self.size += sum(map(len, chunks))

    def close(self, chunks: list[bytes]) -> None:
        """Write the last chunks and close the file, if it is open."""
        file = self._writing
        if file is not None:
            with file:
                self.append(chunks)
                self._writing = None

    def finish(self) -> None:
        """Make the file durable, then visible under its name."""
        with _open(self.file) as file:
            if os.fstat(file.fileno()).st_size != self.size:
                raise OSError(errno.EBUSY, "another program has written to the .part file")
            os.fsync(file.fileno())
        self._check_target()
        self.file.replace(self.path)
        self.metadata_file.unlink(missing_ok=True)
        if hasattr(os, "O_DIRECTORY"):  # the rename must survive a power cut, too
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def discard(self) -> None:
        """Remove the unfinished file, unless another process writes to it."""
        with contextlib.suppress(OSError):
            with _open(self.file, os.O_RDWR) as file:
                lock(file)
            self.file.unlink()
            _check_ours(self.metadata_file, self.metadata_file.lstat())
            self.metadata_file.unlink()

    def describe(self) -> str:
        """Describe in words whether the bytes that arrived are kept."""
        if not self.size:
            return "nothing has arrived yet"
        if not self.etag:
            return (
                f"the {self.size:,} bytes that arrived are not kept: nothing is resumed without a strong ETag"
            )
        return f"{self.size:,} bytes are kept in {self.file.name} and will be resumed"


def _open(path: Path, how: int = os.O_RDWR | os.O_CREAT) -> BinaryIO:
    """Open one of our files; create it if it does not exist.

    By default the file is opened for reading and writing. If another program has put something else in its
    place, that is neither followed, nor waited for, nor removed.

    Raises:
        OSError: The path is a link, a pipe or the like, or the file cannot be opened.
    """
    with contextlib.suppress(FileNotFoundError):
        _check_ours(path, path.lstat())
    for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"):  # the path may change meanwhile
        how |= getattr(os, flag, 0)
    number = os.open(path, how, 0o666)
    try:
        _check_ours(path, os.fstat(number))
        return os.fdopen(number, "r+b" if how & os.O_RDWR else "rb")
    except BaseException:
        os.close(number)
        raise


def _check_ours(path: Path, found: os.stat_result) -> None:
    """Make sure that the path is a regular file with one name.

    A link to another file is refused.
    """
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise OSError(
            errno.EBUSY, f"{path.name} is no file of ours but a link, a pipe or the like; remove it"
        )


def _is_validator(etag: object) -> TypeGuard[str]:
    """Return True if an ETag is strong and can be sent.

    A strong ETag promises equal bytes, a weak one does not.
    """
    return isinstance(etag, str) and _SENDABLE.fullmatch(etag) is not None and not etag.startswith("W/")


_SENDABLE: Final = re.compile(r"[\x21-\x7e][\x20-\x7e]*")


def printable_path(path: Path) -> str:
    """Return the text of a path for an error message.

    Characters that no text may contain are escaped.
    """
    try:
        text = str(path)
        text.encode()
    except UnicodeEncodeError:
        return ascii(str(path))[1:-1]
    return ascii(text)[1:-1] if "\0" in text else text


_FILE_SPECIFIC_ERRORS: Final = {errno.EBUSY, errno.EISDIR, errno.ENAMETOOLONG, errno.EILSEQ}
"""The errors that another file in the same folder would not have."""


async def run_in_thread(part: PartialFile, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a method of `part` in a worker thread, to its end.

    Cancelling does not stop the method; the call then waits for its end.

    Raises:
        DownloadFailed: The disk is full or cannot be written to.
    """
    working = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        await asyncio.wait([working])
    finally:
        await _wait_uninterrupted(working)
    try:
        return working.result()
    except OSError as error:
        problem, is_local = _describe_os_error(error, part), error.errno not in _FILE_SPECIFIC_ERRORS
        raise DownloadFailed(printable_path(part.path), problem, is_local=is_local) from None
    except ValueError:  # NUL, or a character that the file system's encoding lacks
        raise DownloadFailed(printable_path(part.path), "cannot be the name of a file") from None


async def _wait_uninterrupted(working: "asyncio.Future[T]") -> None:
    """Wait for a thread that cannot be stopped.

    However often the caller is cancelled, the wait continues: disks take milliseconds. The cancellation is
    raised at the end.
    """
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not working.done():
            try:
                await asyncio.wait([working])
            except asyncio.CancelledError as again:
                cancelled = again
    if not working.cancelled():
        working.exception()  # mark the exception as retrieved; a cancelled caller does not need it
    if cancelled is not None:
        raise cancelled


def _describe_os_error(error: OSError, part: PartialFile) -> str:
    if error.errno in FULL:
        return f"the disk is full; make room and download again ({part.describe()})"
    return trouble(error)


def trouble(error: OSError) -> str:
    """Describe in words the problem with a path."""
    return in_words(error) if error.errno == errno.EILSEQ else f"cannot be written: {in_words(error)}"
