"""Downloads that end in a whole file or none: `.part`, Range resume, size check, fsync, rename.

What has arrived stays in `<file>.part`, and what it is a part of (ETag and size) in `<file>.part.json`, so
that the next attempt, in this process or another, goes on where it broke. Resuming asks with `If-Range`:
if the video is another one by now, the server sends all of it and the part is begun anew.
"""

import errno
import inspect
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import BinaryIO, Final

import anyio
import anyio.to_thread
import attrs

from eversince_async.errors import DownloadFailed, TransportError
from eversince_async.session.retry import RetryPolicy
from eversince_async.session.transfer import Download, Store

WRITE: Final = 4 * 1024 * 1024
"""Bytes collected before a worker thread writes them. Hopping to a thread costs as much as writing 1 MB."""

EXPIRED: Final = frozenset({401, 403, 404, 410})
"""Statuses with which stores answer to a presigned URL that is no longer good."""

_ENDPOINT: Final = "download"

UrlSource = Callable[[], Awaitable[str]]
"""Gives a URL that is good now; asked again when one has expired."""

Progress = Callable[[int, int | None], Awaitable[None] | None]
"""Told of bytes so far and in all (None when the server does not say); may be a coroutine function."""


async def download(
    store: Store,
    url: UrlSource,
    path: Path,
    *,
    retry: RetryPolicy,
    on_progress: Progress | None = None,
) -> Path:
    """Download to `path`, replacing what is there only when the new file is whole and on disk.

    Cancelling leaves the `.part` file, from which the next download resumes.

    Raises:
        DownloadFailed: The disk is full or cannot be written, the URL is refused even when fresh, or the
            transfer kept breaking. What arrived is kept.
    """
    part = _Part(path)
    await part.load()
    delays, failures, refreshed = retry.delays(), 0, False
    while True:
        try:
            await _attempt(store, await url(), part, on_progress)
            break
        except _Refused as refusal:
            if refreshed or refusal.status not in EXPIRED:
                raise DownloadFailed(
                    str(path), f"the store answered {refusal.status}", status=refusal.status
                ) from None
            refreshed = True  # the next url() is a fresh one
        except TransportError as failure:
            failures += 1
            if failures >= retry.attempts:
                raise DownloadFailed(str(path), f"{failure.reason}; {part.kept()}") from None
            await anyio.sleep(next(delays))
        except OSError as error:
            raise DownloadFailed(str(path), _disk_trouble(error, part)) from None
    try:
        await anyio.to_thread.run_sync(part.finish)
    except OSError as error:
        raise DownloadFailed(str(path), _disk_trouble(error, part)) from None
    return path


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


@attrs.define
class _Part:
    """The unfinished file.

    Attributes:
        path: Where the finished one goes.
        size: Bytes on disk so far.
        total: Bytes in all; None while not known.
        etag: The strong validator of what it is a part of; None when it cannot be resumed.
    """

    path: Path
    size: int = 0
    total: int | None = None
    etag: str | None = None

    @property
    def file(self) -> Path:
        return self.path.with_name(self.path.name + ".part")

    @property
    def note(self) -> Path:
        return self.path.with_name(self.path.name + ".part.json")

    async def load(self) -> None:
        await anyio.to_thread.run_sync(self._load)

    def _load(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DownloadFailed(str(self.path), f"cannot make its folder: {error.strerror}") from None
        try:
            noted = json.loads(self.note.read_text())
            self.etag, self.total, self.size = noted["etag"], noted["total"], self.file.stat().st_size
        except (OSError, ValueError, KeyError, TypeError):
            self.begin(None, None)

    def begin(self, etag: str | None, total: int | None) -> None:
        """Start over with what the server offers now; a weak ETag does not promise equal bytes."""
        self.size, self.total = 0, total
        self.etag = etag if etag and not etag.startswith("W/") else None

    def open(self) -> BinaryIO:
        """Open at `size`, cutting off whatever is behind it, with the note in place first."""
        self.note.write_text(json.dumps({"etag": self.etag, "total": self.total}))
        file = self.file.open("r+b" if self.size else "wb")
        file.seek(self.size)
        file.truncate()
        return file

    def append(self, file: BinaryIO, chunks: list[bytes]) -> None:
        """Write chunks behind what is there."""
        file.writelines(chunks)
        self.size += sum(map(len, chunks))

    def append_last(self, file: BinaryIO, chunks: list[bytes]) -> None:
        """Write the last of them and close the file."""
        with file:
            self.append(file, chunks)

    def finish(self) -> None:
        """Make it durable, then visible under its name."""
        with self.file.open("r+b") as file:
            os.fsync(file.fileno())
        self.file.replace(self.path)
        self.note.unlink(missing_ok=True)
        if hasattr(os, "O_DIRECTORY"):  # the rename itself must survive a power cut, too
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def kept(self) -> str:
        return f"{self.size:,} bytes are kept in {self.file.name} and will be resumed"


async def _attempt(store: Store, url: str, part: _Part, on_progress: Progress | None) -> None:
    headers = {"Accept-Encoding": "identity"}
    if part.size and part.etag:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": part.etag}
    async with store.get(url, headers=headers, endpoint=_ENDPOINT) as answer:
        if answer.status == 416 and part.size == part.total:
            return  # it was whole already; only the rename was missing
        if answer.status not in {200, 206}:
            if answer.status == 416:
                part.begin(None, None)
            raise _Refused(answer.status)
        if answer.status == 200 or not _continues(answer, part):
            part.begin(answer.headers.get("ETag"), _length(answer))
        await _write(part, answer.chunks(), on_progress)
    if part.total is not None and part.size != part.total:
        raise TransportError(f"{part.size:,} of {part.total:,} bytes arrived", endpoint=_ENDPOINT)


def _continues(answer: Download, part: _Part) -> bool:
    """Whether a 206 brings the bytes that follow ours, of the same file."""
    span, _, total = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    first = span.partition("-")[0]
    if first != str(part.size):
        raise TransportError("the server resumed at another place", endpoint=_ENDPOINT)
    part.total = int(total) if total.isdigit() else part.total
    return True


def _length(answer: Download) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


async def _write(part: _Part, chunks: AsyncIterator[bytes], on_progress: Progress | None) -> None:
    """Append what arrives; also what had arrived when it broke, so that it need not come again."""
    file = await anyio.to_thread.run_sync(part.open)
    collected = list[bytes]()
    try:
        held = 0
        async for chunk in chunks:
            collected.append(chunk)
            held += len(chunk)
            if held >= WRITE:
                full, collected, held = collected, [], 0
                await anyio.to_thread.run_sync(part.append, file, full)
                await _tell(on_progress, part)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(part.append_last, file, collected)
    await _tell(on_progress, part)


async def _tell(on_progress: Progress | None, part: _Part) -> None:
    if on_progress is not None:
        told = on_progress(part.size, part.total)
        if inspect.isawaitable(told):
            await told


def _disk_trouble(error: OSError, part: _Part) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"the disk is full; make room and download again ({part.kept()})"
    return f"cannot be written: {error.strerror or error}"
