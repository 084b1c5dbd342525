"""Downloads that leave a whole file or none.

The steps are `.part`, Range resume, size check, fsync and rename. The bytes that have arrived stay in
`<file>.part`, and the identity of the video (ETag and size) in `<file>.part.json`, so that the next attempt,
in this process or another, continues where the last one broke. A request to resume carries `If-Range`: if the
video has changed meanwhile, the server sends all of it and the part is begun anew. A part that cannot be
resumed is not kept.
"""

import inspect
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

import anyio
import attrs

from eversince_async._wire.addresses import AddressRefused
from eversince_async._wire.documents import error_code, is_decided, kind_of_document
from eversince_async.errors import DownloadFailed, TransportError
from eversince_async.session.retry import RetryPolicy
from eversince_async.transfers.partial_file import PartialFile, run_in_thread
from eversince_async.transfers.store import Download, Store, StoreRefused, in_words, wait_after

WRITE_CHUNK: Final = 4 * 1024 * 1024
"""Bytes that are collected before a worker thread writes them.

Handing work to a thread costs as much as writing 1 MB.
"""

PROGRESS_THRESHOLD: Final = 64 * 1024
"""Bytes that an attempt must add to reset the count of failures."""

_ENDPOINT: Final = "download"

CODINGS: Final = frozenset(
    {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "aes128gcm"}
    | {"pack200-gzip", "bzip2", "x-bzip2", "lz4", "lzma", "xz", "snappy"}
)
"""Content-Encodings that change the bytes.

Stores put other words there for plain bytes: `aws-chunked`, `utf-8`, `binary`, `identity`, or a word that the
uploader mistook for a type.
"""


@attrs.frozen
class NamedUrl:
    """A URL to download from.

    Attributes:
        field: The field in which the server named the URL, e.g. `assembled_url`.
        url: The URL, as the server sent it.
    """

    field: str
    url: str = attrs.field(repr=False)


UrlSource = Callable[[], Awaitable[NamedUrl | None]]
"""A function that returns the next URL to try, or None.

It is called again when that URL is refused, by the rules for addresses or by a store.
"""

Progress = Callable[[int, int | None], Awaitable[None] | None]
"""A function that receives the progress of a download.

Its arguments are the bytes so far and the bytes in all (None if the server does not say). It may be a
coroutine function.
"""


async def download(
    store: Store,
    next_url: UrlSource,
    path: Path,
    *,
    retry: RetryPolicy,
    on_progress: Progress | None = None,
    last_resort: UrlSource | None = None,
) -> Path:
    """Download a video to `path`.

    An existing file is replaced only when the new one is whole and on disk.

    An attempt counts against the retry policy only if it brings no progress. The last resort costs something:
    it is called once, when there is no other URL and each store has certainly refused its own. An unusable
    address and the page of a gateway do not count as such refusals.

    Cancelling leaves the `.part` file if it can be resumed; the next download then resumes it.

    Raises:
        DownloadFailed: The disk is full or cannot be written to, another download to the same path is under
            way, no URL can be used or every URL is refused, the store sent something other than a video, or
            the transfer kept breaking. The bytes that arrived are kept if they can be resumed.
    """
    with _exclusive(path):
        part = PartialFile(path)
        await run_in_thread(part, part.load)
        try:
            await _download_with_retries(store, _Urls(next_url, last_resort), part, retry, on_progress)
            await run_in_thread(part, part.finish)
        except BaseException:
            if not part.is_resumable:
                await run_in_thread(part, part.discard)
            raise
    return path


class _Urls:
    """The URLs of one download.

    Attributes:
        problems: The problems with the URLs that were tried before, in words.
    """

    def __init__(self, next_url: UrlSource, last_resort: UrlSource | None) -> None:
        self.problems = list[str]()
        self._statuses = list[int | None]()
        self._next_url = next_url
        self._last_resort = last_resort

    async def next(self) -> NamedUrl | None:
        """Return the next URL to try, or None for none."""
        source = await self._next_url()
        if source is None and self._last_resort is not None and None not in self._statuses:
            last_resort, self._last_resort = self._last_resort, None
            source = await last_resort()
        return source

    def refuse(self, problem: str, status: int | None) -> None:
        """Record that a URL is of no use.

        Without a status, no store has said so of the video.
        """
        self.problems.append(problem)
        self._statuses.append(status)

    @property
    def status(self) -> int | None:
        """The status of the last refusal.

        None if there was no refusal, or if not all refusals were certain.
        """
        return None if None in self._statuses or not self._statuses else self._statuses[-1]


async def _download_with_retries(
    store: Store, urls: _Urls, part: PartialFile, retry: RetryPolicy, on_progress: Progress | None
) -> None:
    """Try until the whole file has arrived."""
    source, delays, failures, before = await urls.next(), retry.delays(), 0, part.size
    while source is not None:
        try:
            return await _attempt(store, source.url, part, on_progress)
        except _UrlRefused as refusal:
            urls.refuse(f"{source.field}: {refusal.problem}", refusal.status)
            source = await urls.next()
        except AddressRefused as refusal:
            urls.refuse(f"{source.field} {refusal.problem}", None)
            source = await urls.next()
        except _CallbackError as mistake:
            raise mistake.error from None
        except TransportError as failure:
            if part.etag and part.size >= before + PROGRESS_THRESHOLD:
                failures, delays, before = 0, retry.delays(), part.size
            failures += 1
            wait = wait_after(failure, retry, delays)
            if failures >= retry.attempts or wait is None:
                problem = f"{source.field}: {in_words(failure, retry)}; {part.describe()}"
                status = _status_of(failure)
                raise DownloadFailed(
                    str(part.path), problem, status=status, is_local=failure.is_local
                ) from None
            await anyio.sleep(wait)
    raise DownloadFailed(str(part.path), "; ".join([*urls.problems, part.describe()]), status=urls.status)


def _status_of(failure: TransportError) -> int | None:
    """Return the status of a temporary failure, or None.

    A status that alone would suggest a permanent failure is left out.
    """
    return (
        failure.status if isinstance(failure, StoreRefused) and is_retryable_status(failure.status) else None
    )


PASSING_CODES: Final = frozenset(
    {"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "ServerBusy", "TooManyRequests"}
)
"""Codes of refusals that are temporary with any status.

S3 sends 400 to a client that keeps it waiting.
"""


def is_retryable_status(status: int) -> bool:
    """Return True if a store's refusal with this status is temporary."""
    return status in {408, 425, 429} or status >= 500


class _UrlRefused(Exception):
    """A permanent refusal of one URL; another URL may work.

    The store does not give the video out, or no longer, or sends something else.

    Attributes:
        problem: The reason.
        status: The status of the refusal; None if the status proves nothing about the video, as in a
            gateway's page.
    """

    def __init__(self, problem: str, status: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.status = status


class _CallbackError(Exception):
    """An exception that `on_progress` raised.

    It passes every handler that would mistake it for a connection problem.
    """

    def __init__(self, error: Exception) -> None:
        self.error = error


_ACTIVE_PATHS: Final = set[str]()


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Refuse a second download to the same path.

    The two would write into the same file.
    """
    try:
        place = os.path.realpath(path)
    except ValueError:  # NUL, or a character that the file system's encoding lacks
        raise DownloadFailed(ascii(str(path))[1:-1], "cannot be the name of a file") from None
    if place in _ACTIVE_PATHS:
        raise DownloadFailed(str(path), "another download to this path is under way")
    _ACTIVE_PATHS.add(place)
    try:
        yield
    finally:
        _ACTIVE_PATHS.discard(place)


async def _attempt(store: Store, url: str, part: PartialFile, on_progress: Progress | None) -> None:
    headers = {"Accept-Encoding": "identity"}
    resumes = bool(part.size and part.etag)
    if resumes:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": str(part.etag)}
    async with store.get(url, headers=headers, endpoint=_ENDPOINT) as answer:
        if answer.status == 416 and resumes:
            if part.size == part.total:
                return  # the part was whole already; only the rename was missing
            _restart(part, "the server has less of it than we do")
        await _check_status(answer)
        _check_encoding(answer)
        if answer.status == 206:
            _check_range(answer, part)
        if answer.status != 206 or not part.size:
            await _check_is_video(answer)
        if answer.status != 206:
            part.restart(answer.headers.get("ETag"), _parse_int(answer.headers.get("Content-Length")))
        await _write(part, answer.chunks(), on_progress)
    if part.total is not None and part.size > part.total:
        _restart(part, "more bytes arrived than there are")
    if part.total is not None and part.size < part.total:
        raise _transfer_error(f"{part.size:,} of {part.total:,} bytes arrived")


async def _check_status(answer: Download) -> None:
    """Raise an error for a response without bytes of the file.

    Raises:
        StoreRefused: The refusal is temporary.
        _UrlRefused: The refusal is permanent.
    """
    if answer.status not in {200, 206}:
        refusal = await answer.refusal(_ENDPOINT)
        if is_retryable_status(refusal.status) or refusal.code in PASSING_CODES:
            raise refusal
        raise _UrlRefused(refusal.reason, refusal.status if refusal.is_verdict else None)


def _check_encoding(answer: Download) -> None:
    """Make sure that the bytes are those of the file itself.

    Ranges and sizes count the bytes that are sent.

    Raises:
        _UrlRefused: The store encoded the bytes, although the request allowed no encoding.
    """
    words = answer.headers.get("Content-Encoding", "").lower().split(",")
    codings = sorted(CODINGS.intersection(word.strip() for word in words))
    if codings:
        raise _UrlRefused(f"the store sent it in an encoding that was not asked for: {', '.join(codings)}")


async def _check_is_video(answer: Download) -> None:
    """Make sure that the body is a video.

    A page, an error or an empty body may come instead, with any status.

    Raises:
        StoreRefused: The refusal is temporary.
        _UrlRefused: The refusal is permanent.
    """
    head = await answer.peek(is_decided)
    kind = kind_of_document(head)
    if kind is None:
        return
    code = error_code(head)
    words = f"the store sent {kind}{f' ({code})' if code else ''} instead of a video, with {answer.status}"
    if code in PASSING_CODES:
        raise StoreRefused(answer.status, endpoint=_ENDPOINT, words=words)
    raise _UrlRefused(words, None if code is None else answer.status)


def _check_range(answer: Download, part: PartialFile) -> None:
    """Make sure that a 206 continues the part, to the end.

    The bytes must belong to the same file and follow those that have arrived.
    """
    unit, _, rest = answer.headers.get("Content-Range", "").partition(" ")
    span, _, total_text = rest.partition("/")
    first, last = (_parse_int(number) for number in (*span.split("-"), "", "")[:2])
    total, etag = _parse_int(total_text), answer.headers.get("ETag", part.etag)
    if unit != "bytes" or first is None or last is None:
        _restart(part, "the server does not say which bytes it sends")
    if etag != part.etag or (total is not None and part.total not in {None, total}):
        _restart(part, "it is another file by now")
    if first != part.size:
        _restart(part, "the server resumed at another place")
    part.total = part.total if total is None else total


def _restart(part: PartialFile, reason: str) -> NoReturn:
    part.restart()
    raise _transfer_error(reason)


def _transfer_error(reason: str) -> TransportError:
    return TransportError(reason, endpoint=_ENDPOINT)


def _parse_int(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,18}", text) else None


async def _write(part: PartialFile, chunks: AsyncIterator[bytes], on_progress: Progress | None) -> None:
    """Append the bytes that arrive.

    If the connection breaks, the bytes before the break are written, too, so that they need not be sent
    again.
    """
    pending, size = list[bytes](), 0
    try:
        await run_in_thread(part, part.open)
        async for chunk in chunks:
            pending.append(chunk)
            size += len(chunk)
            if size >= WRITE_CHUNK:
                full, pending, size = pending, [], 0
                await run_in_thread(part, part.append, full)
                await _report_progress(on_progress, part)
    finally:
        await run_in_thread(part, part.close, pending)
    await _report_progress(on_progress, part)


async def _report_progress(on_progress: Progress | None, part: PartialFile) -> None:
    if on_progress is None:
        return
    try:
        result = on_progress(part.size, part.total)
        if inspect.isawaitable(result):
            await result
    except Exception as error:  # noqa: BLE001 - any exception here is the caller's
        raise _CallbackError(error) from None
