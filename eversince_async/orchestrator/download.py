"""Downloads that end in a whole file or none: `.part`, Range resume, size check, fsync, rename.

What has arrived stays in `<file>.part`, and what it is a part of (ETag and size) in `<file>.part.json`, so
that the next attempt, in this process or another, goes on where it broke. Resuming asks with `If-Range`:
if the video is another one by now, the server sends all of it and the part is begun anew.
"""

import inspect
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

import anyio

from eversince_async.errors import DownloadFailed, TransportError
from eversince_async.orchestrator.part import Part, on_disk
from eversince_async.session.retry import RetryPolicy
from eversince_async.session.transfer import Download, Store, StoreRefused

WRITE: Final = 4 * 1024 * 1024
"""Bytes collected before a worker thread writes them. Hopping to a thread costs as much as writing 1 MB."""

PROGRESS: Final = 64 * 1024
"""Bytes an attempt must add to the file for the count of failures to begin anew."""

_ENDPOINT: Final = "download"

UrlSource = Callable[[], Awaitable[str | None]]
"""Gives a URL to try; called again when a store has refused that one. None: there is no other."""

Progress = Callable[[int, int | None], Awaitable[None] | None]
"""Told of bytes so far and in all (None when the server does not say); may be a coroutine function."""


async def download(
    store: Store,
    next_url: UrlSource,
    path: Path,
    *,
    retry: RetryPolicy,
    on_progress: Progress | None = None,
) -> Path:
    """Download to `path`, replacing what is there only when the new file is whole and on disk.

    Attempts are counted against the retry policy only while they bring nothing.

    Cancelling leaves the `.part` file, from which the next download resumes.

    Raises:
        DownloadFailed: The disk is full or cannot be written, somebody else is downloading to the same path,
            every URL is refused, or the transfer kept breaking. What arrived is kept.
    """
    with _alone(path):
        part = Part(path)
        await on_disk(part, part.load)
        await _fetched(store, next_url, part, retry, on_progress)
        await on_disk(part, part.finish)
    return path


async def _fetched(
    store: Store, next_url: UrlSource, part: Part, retry: RetryPolicy, on_progress: Progress | None
) -> None:
    """Try until all of it is there."""
    url, delays, failures, before = await next_url(), retry.delays(), 0, part.size
    status: int | None = None
    while True:
        if url is None:
            raise DownloadFailed(str(part.path), f"the store answered {status}; {part.kept()}", status=status)
        try:
            return await _attempt(store, url, part, on_progress)
        except _Refused as refusal:
            status, url = refusal.status, await next_url()
        except _CallersMistake as mistake:
            raise mistake.error from None
        except TransportError as failure:
            if part.etag and part.size >= before + PROGRESS:
                failures, delays, before = 0, retry.delays(), part.size
            failures += 1
            if failures >= retry.attempts:
                status = failure.status if isinstance(failure, StoreRefused) else None
                problem = f"{failure.reason}; {part.kept()}"
                raise DownloadFailed(str(part.path), problem, status=status) from None
            await anyio.sleep(next(delays))


def passes(status: int) -> bool:
    """Whether a store's refusal passes by itself."""
    return status in {408, 425, 429} or status >= 500


class _Refused(Exception):
    """The store does not give this out, or not any more; another URL may do."""

    def __init__(self, status: int) -> None:
        self.status = status


class _CallersMistake(Exception):
    """What `on_progress` raised, carried past everything that takes it for trouble with the connection."""

    def __init__(self, error: Exception) -> None:
        self.error = error


_UNDER_WAY: Final = set[str]()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Refuse a second download to the same path: the two would write into one another."""
    place = os.path.realpath(path)
    if place in _UNDER_WAY:
        raise DownloadFailed(str(path), "another download to this path is under way")
    _UNDER_WAY.add(place)
    try:
        yield
    finally:
        _UNDER_WAY.discard(place)


async def _attempt(store: Store, url: str, part: Part, on_progress: Progress | None) -> None:
    headers = {"Accept-Encoding": "identity"}
    resumes = bool(part.size and part.etag)
    if resumes:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": str(part.etag)}
    async with store.get(url, headers=headers, endpoint=_ENDPOINT) as answer:
        if answer.status == 416 and resumes:
            if part.size == part.total:
                return  # it was whole already; only the rename was missing
            _start_over(part, "the server has less of it than we do")
        _check_status(answer)
        if answer.status == 206:
            _check_range(answer, part)
        else:
            part.begin(answer.headers.get("ETag"), _number(answer.headers.get("Content-Length")))
        await _write(part, answer.chunks(), on_progress)
    if part.total is not None and part.size > part.total:
        _start_over(part, "more bytes arrived than there are")
    if part.total is not None and part.size < part.total:
        raise _broken(f"{part.size:,} of {part.total:,} bytes arrived")


def _check_status(answer: Download) -> None:
    """Sort out what brings no bytes of the file, or not as they are.

    Raises:
        StoreRefused: For now.
        _Refused: For good.
    """
    status = answer.status
    if passes(status):
        raise StoreRefused(status, endpoint=_ENDPOINT)
    if status not in {200, 206}:
        raise _Refused(status)
    encoding = answer.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise _broken(f"the server sent it in an encoding that was not asked for: {encoding}")


def _check_range(answer: Download, part: Part) -> None:
    """Make sure that a 206 brings the bytes that follow ours, of the same file, to its end."""
    unit, _, rest = answer.headers.get("Content-Range", "").partition(" ")
    span, _, total_text = rest.partition("/")
    first, last = (_number(number) for number in (*span.split("-"), "", "")[:2])
    total, etag = _number(total_text), answer.headers.get("ETag", part.etag)
    if unit != "bytes" or first is None or last is None:
        _start_over(part, "the server does not say which bytes it sends")
    if etag != part.etag or (total is not None and part.total not in {None, total}):
        _start_over(part, "it is another file by now")
    if first != part.size:
        _start_over(part, "the server resumed at another place")
    part.total = part.total if total is None else total


def _start_over(part: Part, reason: str) -> NoReturn:
    part.begin()
    raise _broken(reason)


def _broken(reason: str) -> TransportError:
    return TransportError(reason, endpoint=_ENDPOINT)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


async def _write(part: Part, chunks: AsyncIterator[bytes], on_progress: Progress | None) -> None:
    """Append what arrives; also what had arrived when it broke, so that it need not come again."""
    collected, held = list[bytes](), 0
    try:
        await on_disk(part, part.open)
        async for chunk in chunks:
            collected.append(chunk)
            held += len(chunk)
            if held >= WRITE:
                full, collected, held = collected, [], 0
                await on_disk(part, part.append, full)
                await _tell(on_progress, part)
    finally:
        await on_disk(part, part.close, collected)
    await _tell(on_progress, part)


async def _tell(on_progress: Progress | None, part: Part) -> None:
    if on_progress is None:
        return
    try:
        told = on_progress(part.size, part.total)
        if inspect.isawaitable(told):
            await told
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the caller's
        raise _CallersMistake(error) from None
