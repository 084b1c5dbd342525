"""The sources of uploads: files, bytes and streams.

Each is turned into a `Source` with a name, a type, a size and its bytes.
"""

import asyncio
import mimetypes
import os
import warnings
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final, TypeVar

import anyio
import anyio.to_thread
import attrs

from eversince_async.errors import InvalidRequest, UploadRejected
from eversince_async.limits import MIB, UPLOAD_BYTES, UPLOAD_TYPES

T = TypeVar("T")

CHUNK: Final = 256 * 1024
"""Bytes read at once.

They are few enough not to stall the event loop, and enough to keep reading cheap.
"""

Content = str | os.PathLike[str] | bytes | bytearray | memoryview | AsyncIterable[bytes]
"""A path, the bytes themselves, or an async stream of bytes."""

_REGISTERED: Final = {
    "audio/x-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-m4a": "audio/mp4",
    "audio/mp4a-latm": "audio/mp4",
    "video/vnd.avi": "video/x-msvideo",
    "video/avi": "video/x-msvideo",
}
"""The API's names for types that the standard library or a system names differently."""

_BY_ENDING: Final = {".webp": "image/webp", ".m4a": "audio/mp4", ".webm": "video/webm", ".wav": "audio/wav"}
"""The types of endings that the type tables of some systems lack."""


@attrs.frozen(kw_only=True)
class Source:
    """A source of bytes to upload.

    Attributes:
        name: The file name to send.
        content_type: The MIME type.
        size: The size in bytes.
        open: Starts reading from the beginning; yields exactly `size` bytes.
        replayable: True if `open` may be called again after a failed attempt.
    """

    name: str
    content_type: str
    size: int
    open: Callable[[], AsyncGenerator[bytes, None]]
    replayable: bool = True


async def open_source(
    content: Content, *, name: str | None, content_type: str | None, size: int | None
) -> Source:
    """Determine the name, type and size of content to upload.

    Refuses only content that every revision of the API refuses.

    Raises:
        InvalidRequest: A name or a size is needed and was not given.
        UploadRejected: The file is missing, or larger than any revision accepts.
    """
    if isinstance(content, str | os.PathLike):
        found = await _file(Path(content), name, content_type)
    elif isinstance(content, bytes | bytearray | memoryview):
        found = _bytes(memoryview(content).cast("B"), name, content_type)
    else:
        found = _stream(content, name, content_type, size)
    _refuse_oversize(found)
    return found


async def _file(path: Path, name: str | None, content_type: str | None) -> Source:
    name = name or path.name
    try:
        stat = await anyio.Path(path).stat()
    except OSError as error:
        raise _unreadable(name, error) from None
    except ValueError:  # a NUL, or a character that the encoding of the file system lacks
        raise UploadRejected(ascii(name)[1:-1], "cannot be the name of a file") from None
    if not await anyio.Path(path).is_file():
        raise UploadRejected(name, "is not a file")
    return Source(
        name=name,
        content_type=content_type or guess_content_type(name),
        size=stat.st_size,
        open=lambda: _exactly(stat.st_size, name, _read_file(path, name)),
    )


def _bytes(view: memoryview, name: str | None, content_type: str | None) -> Source:
    if name is None:
        raise InvalidRequest({"name": "is needed with bytes, e.g. name='mug.png'"})

    async def slices() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(view), CHUNK):
            yield bytes(view[start : start + CHUNK])
            await asyncio.sleep(0)  # otherwise a fast peer would occupy the loop for the whole upload

    return Source(
        name=name, content_type=content_type or guess_content_type(name), size=len(view), open=slices
    )


def _stream(
    content: AsyncIterable[bytes], name: str | None, content_type: str | None, size: int | None
) -> Source:
    if name is None or size is None:
        raise InvalidRequest({"name, size": "are both needed with a stream: the API wants them beforehand"})
    return Source(
        name=name,
        content_type=content_type or guess_content_type(name),
        size=size,
        open=lambda: _exactly(size, name, aiter(content)),
        replayable=False,
    )


def _unreadable(name: str, error: OSError) -> UploadRejected:
    return UploadRejected(name, f"cannot be read: {error.strerror}")


async def _read_file(path: Path, name: str) -> AsyncIterator[bytes]:
    opened = list[FileIO]()  # a list, so that a file opened during a cancellation is closed, too
    try:
        await _in_thread(lambda: opened.append(path.open("rb", buffering=0)))
        while chunk := await _in_thread(opened[0].read, CHUNK):
            yield chunk
    except OSError as error:
        raise _unreadable(name, error) from None
    finally:
        for file in opened:
            file.close()  # nothing is buffered, so this does not wait


async def _in_thread(work: Callable[..., T], *arguments: object) -> T:
    """Run a function in a thread.

    A cancellation waits for the end of the thread, which cannot be stopped and uses the file.
    """
    working = asyncio.ensure_future(anyio.to_thread.run_sync(work, *arguments))
    try:
        return await asyncio.shield(working)
    finally:
        while not working.done():
            with suppress(asyncio.CancelledError):  # a second cancellation changes nothing
                await asyncio.wait([working])


async def _exactly(size: int, name: str, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield exactly `size` bytes, and cut off the rest.

    Raises:
        UploadRejected: The content ends too early, e.g. because the file shrank.
    """
    left = size
    try:
        async for chunk in chunks:
            part = chunk[:left]
            left -= len(part)
            if part:
                yield part
            if left == 0:
                return
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()
    if left:
        raise UploadRejected(name, f"ended {left:,} bytes before the announced {size:,}; did it change?")


def guess_content_type(name: str) -> str:
    """Return the MIME type for a file name's ending.

    The type has the API's name; an unknown ending gives `application/octet-stream`.
    """
    ending = os.path.splitext(name)[1].lower()
    found = _BY_ENDING.get(ending) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return _REGISTERED.get(found, found)


def _refuse_oversize(source: Source) -> None:
    kind = source.content_type.partition("/")[0]
    largest = UPLOAD_BYTES.get(kind, max(UPLOAD_BYTES.values()))
    if source.size > largest:
        raise UploadRejected(
            source.name,
            f"is {source.size / MIB:.1f} MB; the API takes at most {largest // MIB} MB of {kind}",
        )
    if source.content_type not in UPLOAD_TYPES:
        warnings.warn(
            f"{source.name}: {source.content_type} is not among the types the API's documents name; "
            "give content_type= if the guess is wrong",
            stacklevel=4,
        )


Progress = Callable[[int, int], Awaitable[None] | None]
"""A callback with the bytes moved so far and the bytes in all; may be a coroutine function."""
