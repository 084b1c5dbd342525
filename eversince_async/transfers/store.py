"""Moving files over presigned URLs: a second aiohttp session that carries no credentials.

A presigned URL is its own key, on another host: the API key must not go there, and what the URL's query
says must not come out of here. Transfers have no total timeout, for files may be large, but a stall
timeout: so many seconds without one byte moving end them.
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
"""Seconds without progress after which a transfer is given up."""

TRANSFER_BUFFER: Final = 1024 * 1024
"""Bytes aiohttp may buffer of a download: larger reads cost less."""

REDIRECTS: Final = 10
"""How often a store may send us on."""

LONGEST_HEADER: Final = 64 * 1024
"""Bytes of one header: an address that is signed with a session's token is long."""

REFUSAL: Final = 16 * 1024
"""Bytes of a refusal that are looked at."""

REFUSAL_TIMEOUT: Final = 5.0
"""Seconds to read them: the status alone says that it is one."""

_REDIRECT: Final = frozenset({301, 302, 303, 307, 308})
_REDIRECT_OF_A_PUT: Final = frozenset({307, 308})
"""The others would make a read of it."""


_VERDICTS: Final = frozenset({403, 404, 410})
"""What stores answer for a URL that has expired or a file that is gone; 401, 407, 511 are another's."""


class StoreRefused(TransportError):
    """The store answered with a status that is not a success.

    Attributes:
        status: The HTTP status.
        code: The code it gives in XML, such as `AccessDenied`; None when it gives none.
        is_verdict: Whether the store says by it that this URL is of no use for good; not when it may be some
            gateway that refused.
        retry_after: Seconds the store asked to wait; None when it did not say.
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
    """Why a transfer is given up."""
    asked = failure.retry_after if isinstance(failure, StoreRefused) else None
    if asked is None or asked <= retry.longest_wait:
        return failure.reason
    return f"{failure.reason} and asks for a wait of {asked:,.0f} s, longer than the retry policy's"


def wait_after(failure: TransportError, retry: RetryPolicy, delays: Iterator[float]) -> float | None:
    """Seconds to wait before a transfer is tried again; None when the store asks for too long a wait."""
    asked = failure.retry_after if isinstance(failure, StoreRefused) else None
    if asked is None:
        return next(delays)
    return None if asked > retry.longest_wait else asked + random.uniform(0.0, JITTER)


class Store:
    """Puts and gets bytes at presigned URLs.

    Args:
        addresses: Which addresses may be used, of those the server names and those a store redirects to.
        stall_timeout: Seconds without progress after which a transfer is given up.
        http: A session of the user's to use; None opens one of our own.
        ssl_context: Whom our own trusts; None for those whom the system trusts.
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
            content: Begins what yields exactly `size` bytes in all.
            size: Bytes; sent as Content-Length, which stores insist on.
            content_type: The same as was asked for with the URL.
            endpoint: What to call this in errors.
            replayable: Whether `content` may be called again, to follow a redirect.

        Raises:
            AddressRefused: The address, or one it redirects to, must not be used.
            StoreRefused: The store does not take it, e.g. as the URL has expired.
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
        """Send a body once; returns where the store wants it instead."""
        try:
            async with (
                self._stall_guard(endpoint) as body.progressed,
                self._request("PUT", address, endpoint, data=body, headers=headers) as response,
            ):
                answer = Download(response, body.progressed)
                del response  # its repr shows the whole URL, wherever this frame's locals are printed
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
            raise body.failure  # our own source broke, not the connection
        return None

    @asynccontextmanager
    async def get(
        self, url: str, *, headers: dict[str, str], endpoint: str
    ) -> AsyncGenerator["Download", None]:
        """Open a presigned URL for reading, following redirects; what else its status is, the caller judges.

        Raises:
            AddressRefused: The address, or one it redirects to, must not be used.
            TransportError: The connection failed or stalled, here or while reading in the block.
        """
        journey = _Journey(self.addresses, url)
        try:
            async with (
                self._stall_guard(endpoint) as progress,
                await self._arrive(journey, headers, endpoint) as response,
            ):
                answer = Download(response, progress)
                del response  # likewise
                yield answer
        except TransportError as failure:
            failure.__context__ = None  # aiohttp's own error holds the whole URL
            raise

    async def _arrive(
        self, journey: "_Journey", headers: dict[str, str], endpoint: str
    ) -> aiohttp.ClientResponse:
        """The first answer that is no redirect.

        aiohttp would spell a redirect's target anew, and then its signature does not fit any more.
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
        """Send one request to a store; with the same options whosever session it is."""
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
        """Whether there are connections to close."""
        return self._owned.is_open

    async def aclose(self) -> None:
        """Close the session, if it was opened."""
        await self._owned.aclose()

    @asynccontextmanager
    async def _stall_guard(self, endpoint: str) -> AsyncGenerator[Callable[[], None], None]:
        """Give up when nothing moves; the function it yields says that something did."""
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
    """The way from the address that was named to the one that answers."""

    def __init__(self, policy: AddressPolicy, url: str) -> None:
        self._policy = policy
        self.address = policy.check(url)
        self._visited = {self.address.text}

    def go_on(self, location: str) -> None:
        """Follow a redirect.

        Raises:
            AddressRefused: It leads nowhere, in a circle, or where it must not.
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
    """Make sure that a success is the store's own: it answers a PUT with nothing, or hardly anything.

    Raises:
        StoreRefused: A page came, which some gateway answers for whatever is not carried out, or an error.
    """
    head = await answer.first(REFUSAL)
    if (code := error_code(head)) is not None:
        words = f"the store answered {answer.status}, and yet {code}"
        raise StoreRefused(answer.status, endpoint=endpoint, words=words)
    if kind_of_document(head) == "HTML":
        words = f"a web page came instead of the store's answer ({answer.status})"
        raise StoreRefused(answer.status, endpoint=endpoint, words=words)


class _StallTimeout:
    """Ends a scope when nothing has moved for a while; telling that something has is cheap."""

    def __init__(self, seconds: float) -> None:
        self.scope = asyncio.timeout(None)
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._moved_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def progressed(self) -> None:
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
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._progress = progress
        self._head = b""

    async def peek(self, is_enough: Callable[[bytes], bool]) -> bytes:
        """The first bytes of the body, as many as are enough, or all; `chunks` brings them once more."""
        while not is_enough(self._head):
            chunk = await self._response.content.readany()
            if not chunk:
                break
            self._progress()
            self._head += chunk
        return self._head

    async def first(self, most: int) -> bytes:
        """About so many bytes of a body that is not what was wanted; what cannot be read is let go.

        They are unpacked, for not everybody heeds that nothing packed was asked for.
        """
        try:
            async with asyncio.timeout(REFUSAL_TIMEOUT * max(1.0, pace.speed())):
                await self.peek(lambda head: len(head) >= most)
        except (TimeoutError, aiohttp.ClientError, OSError):
            pass  # the status has told the most important
        return unpack(self._head[:most], self.headers.get("Content-Encoding", ""), most)

    async def refusal(self, endpoint: str) -> StoreRefused:
        """What to raise for a status that is no success, with the code that a store gives in XML."""
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
        """The body as it arrives, in pieces of whatever size the network brings."""
        if self._head:
            yield self._head
        async for chunk in self._response.content.iter_any():
            self._progress()
            yield chunk


class _UploadBody:
    """Passes a source on to aiohttp: tells of progress, and notes what the source raises.

    Attributes:
        progressed: Called when a piece is on its way.
        failure: What the source raised, which aiohttp renames.
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


def _may_be_a_stores(head: bytes) -> bool:
    """Whether a refusal that gives no code in XML may be a store's own: no web page, and readable."""
    try:
        head[:-3].decode()  # the last character may have been cut
    except UnicodeDecodeError:
        return False
    return kind_of_document(head) != "HTML"


def _parse_url(address: Address) -> URL:
    """The URL with not one character of its signature normalised."""
    return URL(address.text, encoded=True)


def _open_store_session(trusted: ssl.SSLContext | Literal[True]) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trusted), cookie_jar=aiohttp.DummyCookieJar()
    )
