"""Moving files over presigned URLs: a second aiohttp session that carries no credentials.

A presigned URL is its own key, on another host: the API key must not go there, and what the URL's query
says must not come out of here. Transfers have no total timeout, for files may be large, but a stall
timeout: so many seconds without one byte moving end them.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Self

import aiohttp
from yarl import URL

from eversince_async.errors import ConnectionFailed, TransportError
from eversince_async.session.loop_bound import LoopBound
from eversince_async.session.single_send import request_once
from eversince_async.session.transport import CONNECT_TIMEOUT, translated

STALL_TIMEOUT: Final = 60.0
"""Seconds without progress after which a transfer is given up."""

TRANSFER_BUFFER: Final = 1024 * 1024
"""Bytes aiohttp may buffer of a download: larger reads cost less."""


class StoreRefused(TransportError):
    """The store answered with a status that is not a success.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, status: int, *, endpoint: str) -> None:
        super().__init__(f"the store answered {status}", endpoint=endpoint, outcome="unknown")
        self.status = status


class Store:
    """Puts and gets bytes at presigned URLs."""

    def __init__(self, *, stall_timeout: float = STALL_TIMEOUT) -> None:
        self.stall_timeout = stall_timeout
        self._owned = LoopBound(_open_store_session)

    async def put(
        self, url: str, content: AsyncIterator[bytes], *, size: int, content_type: str, endpoint: str
    ) -> None:
        """Send `size` bytes to a presigned URL.

        Args:
            url: The presigned URL.
            content: Yields exactly `size` bytes in all.
            size: Bytes; sent as Content-Length, which stores insist on.
            content_type: The same as was asked for with the URL.
            endpoint: What to call this in errors.

        Raises:
            StoreRefused: The store does not take it, e.g. as the URL has expired.
            TransportError: The connection failed or stalled.
        """
        headers = {"Content-Type": content_type, "Content-Length": str(size)}
        body = _Body(content)
        try:
            async with (
                self._moving(endpoint) as body.moved,
                request_once(
                    self._owned.get(),
                    "PUT",
                    _exact(url, endpoint),
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                ) as response,
            ):
                if response.status not in {200, 201, 204}:
                    raise StoreRefused(response.status, endpoint=endpoint)
        except TransportError:
            if body.failure is None:
                raise
            raise body.failure from None  # our own source broke, not the connection
        finally:
            await body.aclose()

    @asynccontextmanager
    async def get(
        self, url: str, *, headers: dict[str, str], endpoint: str
    ) -> AsyncGenerator["Download", None]:
        """Open a presigned URL for reading; whatever its status is, the caller judges.

        Raises:
            TransportError: The connection failed or stalled, here or while reading in the block.
        """
        async with (
            self._moving(endpoint) as progress,
            request_once(
                self._owned.get(), "GET", _exact(url, endpoint), headers=headers, allow_redirects=True
            ) as response,
        ):
            yield Download(response, progress)

    @property
    def is_open(self) -> bool:
        """Whether there are connections to close."""
        return self._owned.is_open

    async def aclose(self) -> None:
        """Close the session, if it was opened."""
        await self._owned.aclose()

    @asynccontextmanager
    async def _moving(self, endpoint: str) -> AsyncGenerator[Callable[[], None], None]:
        """Give up when nothing moves; the function it yields says that something did."""
        stall = _Stall(self.stall_timeout)
        try:
            async with stall.scope:
                with stall:
                    yield stall.moved
        except StoreRefused:
            raise
        except TimeoutError:
            raise ConnectionFailed(f"nothing moved for {self.stall_timeout:g} s", endpoint=endpoint) from None
        except (aiohttp.ClientError, OSError) as error:
            raise translated(error, endpoint, self.stall_timeout) from None


class _Stall:
    """Ends a scope when nothing has moved for a while; telling that something has is cheap."""

    def __init__(self, seconds: float) -> None:
        self.scope = asyncio.timeout(None)
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._moved_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def moved(self) -> None:
        """A byte has moved."""
        self._moved_at = self._loop.time()

    def __enter__(self) -> None:
        self._check()

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        gives_up_at = self._moved_at + self._seconds
        if self._loop.time() >= gives_up_at:
            self.scope.reschedule(self._loop.time())
        else:
            self._timer = self._loop.call_at(gives_up_at, self._check)


class Download:
    """An opened download.

    Attributes:
        status: The HTTP status.
        headers: The response headers.
    """

    def __init__(self, response: aiohttp.ClientResponse, progress: Callable[[], None]) -> None:
        self.status = response.status
        self.headers = response.headers
        self._response = response
        self._progress = progress

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, in pieces of whatever size the network brings."""
        async for chunk in self._response.content.iter_any():
            self._progress()
            yield chunk


class _Body:
    """Passes a source on to aiohttp: tells of progress, and notes what the source raises.

    Attributes:
        moved: Called when a piece is on its way.
        failure: What the source raised, which aiohttp renames.
    """

    def __init__(self, content: AsyncIterator[bytes]) -> None:
        self.moved: Callable[[], object] = bool
        self.failure: Exception | None = None
        self._content = content
        self._reader: asyncio.Task[object] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self._reader = asyncio.current_task()
        try:
            chunk = await anext(self._content)
        except StopAsyncIteration:
            raise
        except Exception as error:
            self.failure = error
            raise
        finally:
            self._reader = None
        self.moved()
        return chunk

    async def aclose(self) -> None:
        """Close the source, also when a request that was cut short is still reading from it.

        aiohttp reads in a task of its own, and does not wait for its end when the request is cancelled.
        """
        reader = self._reader
        if reader is not None:
            if not reader.cancelling():
                reader.cancel()
            await asyncio.wait([reader])
        if isinstance(self._content, AsyncGenerator):
            await self._content.aclose()


def _exact(url: str, endpoint: str) -> URL:
    """The URL with not one character of its signature normalised."""
    try:
        parsed = URL(url, encoded=True)
    except ValueError:
        parsed = URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConnectionFailed("the URL is not an http(s) URL", endpoint=endpoint, outcome="never_sent")
    return parsed


def _open_store_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
        read_bufsize=TRANSFER_BUFFER,
        auto_decompress=False,
    )
