"""Transport of API requests over aiohttp.

This is the only module where API requests meet aiohttp. It sends bytes, and returns a `WireResponse` or
raises a `TransportError`.
"""

import os
import re
import ssl
from collections.abc import Mapping
from functools import partial
from hashlib import pbkdf2_hmac
from typing import Final, Literal

import aiohttp
from yarl import URL

from eversince_async import clock, pace
from eversince_async._places import in_words, open_files_error
from eversince_async._redaction import Hidden, excerpt, register_secret
from eversince_async._version import own_version
from eversince_async._wire.addresses import AddressRefused, parse
from eversince_async._wire.requests import WireRequest
from eversince_async._wire.responses import WireResponse, server_time
from eversince_async.errors import ConfigurationError, ConnectionFailed, RequestTimedOut, TransportError
from eversince_async.models.receipt import RateLimit
from eversince_async.session.body import (
    ACCEPT_ENCODING,
    MAX_ERROR_BYTES,
    MAX_RESPONSE_BYTES,
    BodyTooLarge,
    BodyUnreadable,
    read_body,
)
from eversince_async.session.lazy_session import LazySession
from eversince_async.session.proxies import Proxies
from eversince_async.session.shared_session import check_session, trusting, usable_session
from eversince_async.session.single_send import request_once
from eversince_async.session.unreadable_log import UnreadableLog

BASE_URL: Final = "https://eversince.ai/api/v1"
"""The base URL of the API (overview, "Base URL")."""

CONNECT_TIMEOUT: Final = 15.0
"""Seconds to reach the server.

This is shorter than any attempt, so that a timeout here proves that nothing was sent.
"""

KEEP_ALIVE: Final = 30.0
"""Seconds for which an idle connection is kept.

A longer time would save handshakes between polls, but a write that meets a connection which the server has
just closed is a write in doubt.
"""

READ_BUFFER: Final = 256 * 1024
"""Bytes that aiohttp may buffer.

Timelines and pages of projects have some 60 KB.
"""


ALLOW_HTTP: Final = "EVERSINCE_ALLOW_HTTP"
"""The environment variable that allows plain http to other machines."""

MAX_HEADER_BYTES: Final = 64 * 1024
"""The largest size of one response header, in bytes."""

_heard_at: Final = dict[str, pace.Pace]()
"""The speed of an emulator at a client's closing, by base URL.

The next client of that URL begins with this speed.
"""

_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
"""Visible ASCII without blanks.

Such text cannot end a request line or a header.
"""


FINGERPRINT_ROUNDS: Final = 50_000
"""The number of PBKDF2 rounds.

A key is random and long, so a few more rounds would make no difference.
"""


def check_base_url(base_url: str, *, allow_http: bool = False) -> str:
    """Return the base URL without a trailing slash.

    Args:
        base_url: The URL.
        allow_http: True if the key may be sent to another machine without encryption.

    Raises:
        ConfigurationError: The URL is not an absolute http(s) URL, or carries credentials, a query or a
            fragment, or the key would be sent to another machine without encryption.
    """
    try:
        address = parse(base_url)
    except AddressRefused as refused:
        text = "it" if "@" in str(base_url) else excerpt(repr(base_url))  # perhaps a password
        raise ConfigurationError(
            f"base_url must be an absolute https URL such as {BASE_URL}: {text} {refused.problem}"
        ) from None
    if "?" in base_url or "#" in base_url:
        raise ConfigurationError("base_url must not carry credentials, a query or a fragment")
    if address.scheme == "http" and not address.is_loopback and not (allow_http or is_http_allowed()):
        raise ConfigurationError(
            f"base_url {address.origin} would have the API key sent without encryption: use https; if "
            f"no one else can listen, as between containers, allow it with allow_http=True or {ALLOW_HTTP}=1"
        )
    return base_url.rstrip("/")


def is_http_allowed() -> bool:
    """Return True if the environment allows plain http to other machines."""
    return os.environ.get(ALLOW_HTTP, "").strip().lower() in {"1", "true", "yes", "on"}


def check_api_key(api_key: str | None) -> str:
    """Return the API key if it can be sent.

    Raises:
        ConfigurationError: There is no key, or it cannot stand in an HTTP header.
    """
    if not api_key:
        raise ConfigurationError(
            "no API key: set the environment variable EVERSINCE_API_KEY, or pass api_key=…; "
            "keys are made in the account settings and begin with es_live_"
        )
    if not _VISIBLE.fullmatch(api_key):
        raise ConfigurationError("the API key contains white space or other characters no key has")
    return api_key


def check_source(source: str) -> str:
    """Return the source if it can stand in an HTTP header.

    Raises:
        ConfigurationError: The source cannot stand in an HTTP header.
    """
    if not _VISIBLE.fullmatch(source.replace(" ", "")) or source != source.strip():
        raise ConfigurationError(f"source must be a plain name, such as my-app: {source!r}")
    return source


def check_max_response_bytes(size: int) -> int:
    """Return the largest size of a response if it is valid.

    Raises:
        ConfigurationError: The size is no positive whole number.
    """
    if type(size) is not int or size < 1:
        raise ConfigurationError(f"max_response_bytes is a number of bytes and must be positive: {size!r}")
    return size


class Transport:
    """A transport that sends requests to the one base URL only.

    It sends the API key with them. Redirects are not followed, so the key never goes to another origin.
    Cookies are not kept.

    Attributes:
        rate_limit: The rate headers of the latest response; None before the first.
        close_count: The number of times the transport was closed. A call that began before the latest closing
            must not open a connection.
        unreadable: The log of the parts of responses that cannot be read.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        attempt_timeout: float,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        source: str | None = None,
        http: aiohttp.ClientSession | None = None,
        allow_http: bool = False,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.base_url = check_base_url(base_url, allow_http=allow_http)
        register_secret(check_api_key(api_key), self)
        self.attempt_timeout = attempt_timeout
        self.max_response_bytes = check_max_response_bytes(max_response_bytes)
        self._timeout = aiohttp.ClientTimeout(total=attempt_timeout, sock_connect=CONNECT_TIMEOUT)
        self._authorization = Hidden(f"Bearer {api_key}")
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": ACCEPT_ENCODING,
            "User-Agent": f"eversince-async/{own_version()}",
        }
        if source is not None:
            self._headers["X-Eversince-Source"] = check_source(source)
        self._json_headers = {**self._headers, "Content-Type": "application/json"}
        self.rate_limit: RateLimit | None = None
        self.close_count = 0
        self.unreadable = UnreadableLog()
        self._served: tuple[float, clock.Moment] | None = None
        self._is_here = pace.is_on_this_machine(self.base_url)
        if self._is_here and (known := _heard_at.get(self.base_url)) is not None:
            pace.begin_with(self, known)
        self._borrowed = check_session(http, "http")
        self._proxy = Proxies().options(parse(self.base_url)) if http is None else {}
        self._owned = LazySession(partial(_open_api_session, trusting(ssl_context)))

    def __repr__(self) -> str:
        return f"<Transport {self.base_url}>"

    def fingerprint(self, salt: str) -> str:
        """Return a fingerprint of the API key that does not reveal it.

        A call takes some 25 ms. Anyone who has the salt and the fingerprint can only try whole keys, one
        after the other, each as slowly.

        Args:
            salt: A text that makes the fingerprint differ from those made with other salts.
        """
        return pbkdf2_hmac("sha256", self._authorization.encode(), salt.encode(), FINGERPRINT_ROUNDS).hex()

    async def send(self, request: WireRequest, headers: Mapping[str, str] | None = None) -> WireResponse:
        """Send a request once and read the whole response.

        Args:
            request: The request.
            headers: Further headers; they do not replace the headers of the transport.

        Raises:
            TransportError: No whole response came; its `outcome` says whether the request may have arrived.
            ConfigurationError: The client is in use on another event loop.
        """
        if not self._is_here:
            pace.stay_real(self)
        endpoint = request.endpoint.name
        http = (
            self._owned.get() if self._borrowed is None else usable_session(self._borrowed, "http", endpoint)
        )
        ours = self._headers if request.body is None else self._json_headers
        answer: WireResponse | TransportError
        try:
            async with request_once(
                http,
                request.endpoint.method,
                URL(self.base_url + request.target, encoded=True),
                authorization=self._authorization,
                data=request.body,
                headers={**headers, **ours} if headers else ours,
                allow_redirects=False,
                timeout=_scale_timeout(self._timeout),
                auto_decompress=False,
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
                **self._proxy,
            ) as response:
                answer = await _read(response, self.max_response_bytes)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            answer = translate_error(error, endpoint, self.attempt_timeout)
        if isinstance(answer, TransportError):  # raised here, unchained: aiohttp's errors hold the key
            raise answer
        self.rate_limit = answer.receipt.rate_limit
        if "Date" in answer.headers:
            served = server_time(answer.headers)
            if self._is_here:
                pace.adopt_pace(self, answer.headers, served)
            self._served = served, clock.moment()
        return answer

    def server_seconds(self) -> float:
        """Return the time of the server's clock, in Unix seconds.

        The time is that of the latest response with a `Date`, plus the seconds since then by a clock that is
        never set. Before such a response, the time is that of the local clock.
        """
        if self._served is not None:
            served, at = self._served
            passed = clock.elapsed(at)
            if passed is not None:
                return served + passed
        return clock.wall_seconds()

    @property
    def is_open(self) -> bool:
        """True if there are connections to close."""
        return self._owned.is_open

    async def aclose(self) -> None:
        """Close the transport's own session; a borrowed session stays open."""
        self.close_count += 1
        if self._is_here and (known := pace.pace_of(self)) is not None:
            _heard_at[self.base_url] = known
        pace.leave(self)
        await self._owned.aclose()


def _scale_timeout(timeout: aiohttp.ClientTimeout) -> aiohttp.ClientTimeout:
    """Return the timeout, in seconds of the emulator's clock.

    If an emulator runs faster than real time, the timeout still lasts as long in real time, because the
    machine is no faster.
    """
    speed = max(1.0, pace.speed())
    if speed == 1:
        return timeout
    assert timeout.total is not None
    assert timeout.sock_connect is not None
    return aiohttp.ClientTimeout(total=timeout.total * speed, sock_connect=timeout.sock_connect * speed)


def _open_api_session(trusted: ssl.SSLContext | Literal[True]) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        # The governor queues before aiohttp does, so a request never spends its timeout on a full pool.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE, ssl=trusted),
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=READ_BUFFER,
    )


async def _read(response: aiohttp.ClientResponse, limit: int) -> WireResponse:
    """Read a response; of an error read only its first bytes.

    The limit for an error is `MAX_ERROR_BYTES`.
    """
    is_success = 200 <= response.status < 300
    body, problem, exceeded = b"", None, None
    try:
        body = await read_body(response, limit if is_success else MAX_ERROR_BYTES)
    except BodyTooLarge as larger:
        body, exceeded = larger.start, limit
    except BodyUnreadable as unreadable:
        problem = str(unreadable)
    except aiohttp.ClientPayloadError:
        if response.status < 400:
            raise  # otherwise the status alone says that the request was refused
    return WireResponse.read(response.status, response.headers, body, problem=problem, exceeded=exceeded)


def translate_error(error: aiohttp.ClientError | OSError, endpoint: str, timeout: float) -> TransportError:
    """Translate an error of aiohttp or the system into this package's.

    All such errors are translated here. The original is not chained, because its text may hold a whole URL,
    signature included.
    """
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        words = f"cannot connect: {_describe(error)}; {_PRIVATE_AUTHORITY}"
        return ConnectionFailed(words, endpoint=endpoint, outcome="never_sent")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        words = f"cannot connect: the proxy answered {error.status}"
        return ConnectionFailed(words, endpoint=endpoint, outcome="never_sent")
    if isinstance(error, aiohttp.ClientConnectorError) and (lacking := open_files_error()) is not None:
        words = f"cannot connect: {in_words(lacking)}"
        return ConnectionFailed(words, endpoint=endpoint, outcome="never_sent", is_local=True)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return ConnectionFailed(
            f"cannot connect: {_describe(error)}", endpoint=endpoint, outcome="never_sent"
        )
    if isinstance(error, TimeoutError):
        return RequestTimedOut(f"no answer within {timeout:g} s", endpoint=endpoint)
    return ConnectionFailed(f"the connection broke: {_describe(error)}", endpoint=endpoint)


_PRIVATE_AUTHORITY: Final = (
    "if a private authority signs here, name its certificates in SSL_CERT_FILE or give ssl_context="
)


_QUOTED: Final = re.compile(r"""(?::|\s)?\s*(?:\\+n|\n|(?<=[a-z:]\s)['"]|\bb\\*['"]).*""", re.DOTALL)
"""The quotation in a parser's message, and everything after it.

The parser quotes what is no HTTP; that may hold a new secret.
"""


def _describe(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientResponseError):
        return excerpt(f"the answer is no HTTP: {_QUOTED.sub('', error.message)}")
    if isinstance(error, aiohttp.ClientPayloadError):
        return excerpt(_QUOTED.sub("", str(error)))
    return excerpt(str(error)) or type(error).__name__
