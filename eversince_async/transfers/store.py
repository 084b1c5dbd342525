"""Transfers over presigned URLs, in an aiohttp session without credentials.

A presigned URL is its own key, on another host: the API key must not go there, and the URL's query must not
leave this module. Transfers have no total timeout, because files may be large. They have a stall timeout
instead: they end when no byte has moved for that many seconds.
"""

import asyncio
import random
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, Literal, Self

import aiohttp
from yarl import URL

from eversince_async import pace
from eversince_async._wire.addresses import Address, AddressPolicy, AddressRefused
from eversince_async._wire.documents import error_code, kind_of_document
from eversince_async._wire.responses import retry_after
from eversince_async.errors import ConnectionFailed, TransportError
from eversince_async.session.body import unpack
from eversince_async.session.lazy_session import LazySession
from eversince_async.session.proxies import Proxies
from eversince_async.session.retry import JITTER, RetryPolicy
from eversince_async.session.shared_session import check_session, trusting, usable_session
from eversince_async.session.single_send import request_once
from eversince_async.session.transport import CONNECT_TIMEOUT, translate_error
from eversince_async.tasks import finish

STALL_TIMEOUT: Final = 60.0
"""Seconds without progress after which a transfer ends."""

TRANSFER_BUFFER: Final = 1024 * 1024
"""Bytes that aiohttp may buffer of a download.

Larger reads cost less.
"""

REDIRECTS: Final = 10
"""The number of redirects that are followed."""

LONGEST_HEADER: Final = 64 * 1024
"""The largest size of one response header, in bytes.

An address that is signed with a session's token is long.
"""

REFUSAL: Final = 16 * 1024
"""Bytes that are read of a refusal."""

REFUSAL_TIMEOUT: Final = 5.0
"""Seconds to read a refusal; the status alone suffices to know it."""

_REDIRECT: Final = frozenset({301, 302, 303, 307, 308})
_REDIRECT_OF_A_PUT: Final = frozenset({307, 308})
"""The redirects that are followed with another PUT.

Any other redirect would turn the PUT into a GET.
"""


_VERDICTS: Final = frozenset({403, 404, 410})
"""Statuses for an expired URL or a missing file.

401, 407 and 511 do not come from the store itself.
"""


class StoreRefused(TransportError):
    """A response of the store with a status that is no success.

    Attributes:
        status: The HTTP status.
        code: The code in the XML of the response, such as `AccessDenied`; None for none.
        is_verdict: True if the response proves that this URL is of no use any more; False if a gateway may
            have refused.
        retry_after: The wait that the store asked for, in seconds; None for none.
    """

    def __init__(
        self,
        status: int,
        *,
        endpoint: str,
        words: str | None = None,
        code: str | None = None,
        is_verdict: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(words or f"the store answered {status}", endpoint=endpoint, outcome="unknown")
        self.status = status
        self.code = code
        self.is_verdict = is_verdict
        self.retry_after = retry_after


def in_words(failure: TransportError, retry: RetryPolicy) -> str:
    """Describe why a transfer is given up."""
    wait = failure.retry_after if isinstance(failure, StoreRefused) else None
    if wait is None or wait <= retry.longest_wait:
        return failure.reason
    return f"{failure.reason} and asks for a wait of {wait:,.0f} s, longer than the retry policy's"


def wait_after(failure: TransportError, retry: RetryPolicy, delays: Iterator[float]) -> float | None:
    """Return the seconds until the next attempt, or None.

    None means that the store asks for a longer wait than the retry policy allows.
    """
    wait = failure.retry_after if isinstance(failure, StoreRefused) else None
    if wait is None:
        return next(delays)
    return None if wait > retry.longest_wait else wait + random.uniform(0.0, JITTER)


class Store:
    """Uploads and downloads at presigned URLs.

    Args:
        addresses: The rules for addresses that the server names and to which a store redirects.
        stall_timeout: Seconds without progress after which a transfer ends.
        http: The user's session; None opens a session of our own.
        ssl_context: The certificates that our own session trusts; None for those that the system trusts.
    """

    def __init__(
        self,
        addresses: AddressPolicy,
        *,
        stall_timeout: float = STALL_TIMEOUT,
        http: aiohttp.ClientSession | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.addresses = addresses
        self.stall_timeout = stall_timeout
        self._borrowed = check_session(http, "transfers")
        self._proxies = Proxies()
        self._owned = LazySession(partial(_open_store_session, trusting(ssl_context)))

    async def put(
        self,
        url: str,
        content: Callable[[], AsyncIterator[bytes]],
        *,
        size: int,
        content_type: str,
        endpoint: str,
        replayable: bool = True,
    ) -> None:
        """Send `size` bytes to a presigned URL.

        Args:
            url: The presigned URL.
            content: A function that returns an iterator over exactly `size` bytes.
            size: The number of bytes; sent as Content-Length, which stores require.
            content_type: The content type for which the URL was requested.
            endpoint: The name of the operation in errors.
            replayable: True if `content` may be called again, to follow a redirect.

        Raises:
            AddressRefused: The address, or one to which it redirects, must not be used.
            StoreRefused: The store does not accept the upload, e.g. because the URL has expired.
            TransportError: The connection failed or stalled.
        """
        headers = {"Content-Type": content_type, "Content-Length": str(size), "Accept-Encoding": "identity"}
        journey = _Journey(self.addresses, url)
        while True:
            location = await self._put(journey.address, _UploadBody(content()), headers, endpoint)
            if location is None:
                return
            if not replayable:
                raise AddressRefused("redirects, and a stream can be sent only once")
            journey.go_on(location)

    async def _put(
        self, address: Address, body: "_UploadBody", headers: dict[str, str], endpoint: str
    ) -> str | None:
        """Send a body once; return the location of a redirect, or None."""
        try:
            async with (
                self._stall_guard(endpoint) as body.progressed,
                self._request("PUT", address, endpoint, data=body, headers=headers) as response,
            ):
                answer = Download(response, body.progressed)
                del response  # its repr shows the whole URL, if the locals of this frame are printed
                if answer.status in _REDIRECT_OF_A_PUT:
                    return answer.headers.get("Location", "")
                if answer.status not in {200, 201, 204}:
                    raise await answer.refusal(endpoint)
                await _check_taken(answer, endpoint)
        except TransportError as failure:
            if body.failure is None:
                failure.__context__ = None  # aiohttp's own error holds the whole URL
                raise
        finally:
            await finish(body.aclose())
        if body.failure is not None:
            raise body.failure  # the source broke, not the connection
        return None

    @asynccontextmanager
    async def get(
        self, url: str, *, headers: dict[str, str], endpoint: str
    ) -> AsyncGenerator["Download", None]:
        """Open a presigned URL for reading, and follow redirects.

        The caller judges any other status.

        Raises:
            AddressRefused: The address, or one to which it redirects, must not be used.
            TransportError: The connection failed or stalled, here or while the block was reading.
        """
        journey = _Journey(self.addresses, url)
        try:
            async with (
                self._stall_guard(endpoint) as progress,
                await self._arrive(journey, headers, endpoint) as response,
            ):
                answer = Download(response, progress)
                del response  # for the same reason
                yield answer
        except TransportError as failure:
            failure.__context__ = None  # aiohttp's own error holds the whole URL
            raise

    async def _arrive(
        self, journey: "_Journey", headers: dict[str, str], endpoint: str
    ) -> aiohttp.ClientResponse:
        """Follow redirects; return the first response that is none.

        aiohttp's own redirects would respell the address, and its signature would not match any more.
        """
        while True:
            response: aiohttp.ClientResponse = await self._request(
                "GET", journey.address, endpoint, headers=headers
            )
            if response.status not in _REDIRECT:
                return response
            response.release()
            journey.go_on(response.headers.get("Location", ""))

    def _request(self, method: str, address: Address, endpoint: str, **options: Any) -> Any:
        """Send one request to a store.

        The options are the same for the user's session and for our own.
        """
        borrowed = self._borrowed
        return request_once(
            self._owned.get() if borrowed is None else usable_session(borrowed, "transfers", endpoint),
            method,
            _parse_url(address),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT * max(1.0, pace.speed())),
            read_bufsize=TRANSFER_BUFFER,
            auto_decompress=False,
            max_field_size=LONGEST_HEADER,
            **options,
            **(self._proxies.options(address) if borrowed is None else {}),
        )

    @property
    def is_open(self) -> bool:
        """True if there are connections to close."""
        return self._owned.is_open

    async def aclose(self) -> None:
        """Close the store's own session, if it was opened."""
        await self._owned.aclose()

    @asynccontextmanager
    async def _stall_guard(self, endpoint: str) -> AsyncGenerator[Callable[[], None], None]:
        """End the block if no byte moves for the stall timeout.

        Yields a function that the block calls whenever a byte has moved.
        """
        stall = _StallTimeout(self.stall_timeout * max(1.0, pace.speed()))
        try:
            async with stall.scope:
                with stall:
                    yield stall.progressed
        except StoreRefused:
            raise
        except TimeoutError:
            raise ConnectionFailed(f"nothing moved for {self.stall_timeout:g} s", endpoint=endpoint) from None
        except (aiohttp.ClientError, OSError) as error:
            raise translate_error(error, endpoint, self.stall_timeout) from None


class _Journey:
    """The way from the address that was named to the final one."""

    def __init__(self, policy: AddressPolicy, url: str) -> None:
        self._policy = policy
        self.address = policy.check(url)
        self._visited = {self.address.text}

    def go_on(self, location: str) -> None:
        """Follow a redirect.

        Raises:
            AddressRefused: The redirect leads nowhere, in a circle, or to an address that must not be used.
        """
        if not location:
            raise AddressRefused("redirects without saying where to")
        try:
            address = self._policy.check(self.address.target(location), linked_from=self.address)
        except AddressRefused as refused:
            problem = f"redirects to an address that {refused.problem}"
        else:
            if address.text not in self._visited and len(self._visited) <= REDIRECTS:
                self._visited.add(address.text)
                self.address = address
                return
            is_circle = address.text in self._visited
            problem = "redirects in a circle" if is_circle else f"redirects more than {REDIRECTS} times"
        raise AddressRefused(problem)


async def _check_taken(answer: "Download", endpoint: str) -> None:
    """Make sure that a successful response comes from the store itself.

    A store's response to a PUT is empty, or nearly so.

    Raises:
        StoreRefused: An error came, or a web page, which some gateways send instead of carrying out a
            request.
    """
    head = await answer.first(REFUSAL)
    if (code := error_code(head)) is not None:
        words = f"the store answered {answer.status}, and yet {code}"
        raise StoreRefused(answer.status, endpoint=endpoint, words=words)
    if kind_of_document(head) == "HTML":
        words = f"a web page came instead of the store's answer ({answer.status})"
        raise StoreRefused(answer.status, endpoint=endpoint, words=words)


class _StallTimeout:
    """A timeout that ends a scope when nothing moves.

    To report progress is cheap.
    """

    def __init__(self, seconds: float) -> None:
        self.scope = asyncio.timeout(None)
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._moved_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def progressed(self) -> None:
        """Record that a byte has moved."""
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
    """A download that is open.

    Attributes:
        status: The HTTP status.
        headers: The response headers.
    """

    def __init__(self, response: aiohttp.ClientResponse, progress: Callable[[], None]) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._progress = progress
        self._head = b""

    async def peek(self, is_enough: Callable[[bytes], bool]) -> bytes:
        """Return the first bytes of the body, or all of it.

        `chunks` yields these bytes once more.

        Args:
            is_enough: A function that returns True if the bytes so far are enough.
        """
        while not is_enough(self._head):
            chunk = await self._response.content.readany()
            if not chunk:
                break
            self._progress()
            self._head += chunk
        return self._head

    async def first(self, most: int) -> bytes:
        """Return the first bytes of an unwanted body, decoded.

        If reading fails or takes too long, the bytes so far are returned. The bytes are decoded because not
        every server heeds that no encoding was requested.

        Args:
            most: The largest number of bytes.
        """
        try:
            async with asyncio.timeout(REFUSAL_TIMEOUT * max(1.0, pace.speed())):
                await self.peek(lambda head: len(head) >= most)
        except (TimeoutError, aiohttp.ClientError, OSError):
            pass  # the status already says the most important
        return unpack(self._head[:most], self.headers.get("Content-Encoding", ""), most)

    async def refusal(self, endpoint: str) -> StoreRefused:
        """Return the error for a status that is no success.

        The error holds the code that the store gives in XML.
        """
        head = await self.first(REFUSAL)
        code = error_code(head)
        return StoreRefused(
            self.status,
            endpoint=endpoint,
            words=f"the store answered {self.status}" + (f" {code}" if code else ""),
            code=code,
            is_verdict=code is not None or (self.status in _VERDICTS and _may_be_a_stores(head)),
            retry_after=retry_after(self.headers),
        )

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, in pieces of any size."""
        if self._head:
            yield self._head
        async for chunk in self._response.content.iter_any():
            self._progress()
            yield chunk


class _UploadBody:
    """An iterator that passes the bytes of a source to aiohttp.

    It reports progress, and records the exception that the source raises.

    Attributes:
        progressed: The function that is called when a piece is on its way.
        failure: The exception that the source raised, which aiohttp renames.
    """

    def __init__(self, content: AsyncIterator[bytes]) -> None:
        self.progressed: Callable[[], object] = bool
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
        self.progressed()
        return chunk

    async def aclose(self) -> None:
        """Close the source, even if a cancelled request still reads it.

        aiohttp reads in a task of its own, and does not wait for that task's end when the request is
        cancelled.
        """
        reader = self._reader
        if reader is not None:
            if not reader.cancelling():
                reader.cancel()
            await asyncio.wait([reader])
        if isinstance(self._content, AsyncGenerator):
            await self._content.aclose()


def _may_be_a_stores(head: bytes) -> bool:
    """Return True if a refusal without a code may be the store's.

    Such a refusal is readable and no web page.
    """
    try:
        head[:-3].decode()  # the last character may have been cut
    except UnicodeDecodeError:
        return False
    return kind_of_document(head) != "HTML"


def _parse_url(address: Address) -> URL:
    """Return the URL with no character of its signature normalised."""
    return URL(address.text, encoded=True)


def _open_store_session(trusted: ssl.SSLContext | Literal[True]) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trusted), cookie_jar=aiohttp.DummyCookieJar()
    )
