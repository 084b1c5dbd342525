"""The one place where API requests meet aiohttp: send bytes, get an `WireResponse` or a `TransportError`."""

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
"""Where the API lives (overview, "Base URL")."""

CONNECT_TIMEOUT: Final = 15.0
"""Seconds to reach the server. Shorter than any attempt, so that running out of it proves that nothing
was sent."""

KEEP_ALIVE: Final = 30.0
"""Seconds an idle connection is kept. Longer saves handshakes between looks, but a write that meets a
connection the server has just closed is a write in doubt."""

READ_BUFFER: Final = 256 * 1024
"""Bytes aiohttp may buffer; timelines and pages of projects are some 60 KB."""


ALLOW_HTTP: Final = "EVERSINCE_ALLOW_HTTP"
"""The environment variable that allows plain http to other machines."""

MAX_HEADER_BYTES: Final = 64 * 1024
"""Bytes of one header of an answer."""

_heard_at: Final = dict[str, pace.Pace]()
"""By base URL, how fast an emulator lived when a client was closed, for the next one to begin with."""

_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
"""What may stand in a request line or a header and cannot end it: visible ASCII, no blanks."""


FINGERPRINT_ROUNDS: Final = 50_000
"""Rounds of PBKDF2; a key is random, and long, so that a few more would make no difference."""


def check_base_url(base_url: str, *, allow_http: bool = False) -> str:
    """The base URL without a trailing slash.

    Args:
        base_url: The URL.
        allow_http: Whether the key may go to another machine without encryption.

    Raises:
        ConfigurationError: It is not an absolute http(s) URL, carries credentials, query or fragment, or
            would have the key sent to another machine without encryption.
    """
    try:
        address = parse(base_url)
    except AddressRefused as refused:
        told = "it" if "@" in str(base_url) else excerpt(repr(base_url))  # perhaps a password
        raise ConfigurationError(
            f"base_url must be an absolute https URL such as {BASE_URL}: {told} {refused.problem}"
        ) from None
    if "?" in base_url or "#" in base_url:
        raise ConfigurationError("base_url must not carry credentials, a query or a fragment")
    if address.scheme == "http" and not address.is_loopback and not (allow_http or is_http_allowed()):
        raise ConfigurationError(
            f"base_url {address.origin} would have the API key sent without encryption: use https; where "
            f"nobody can listen, as between containers, allow it with allow_http=True or {ALLOW_HTTP}=1"
        )
    return base_url.rstrip("/")


def is_http_allowed() -> bool:
    """Whether the environment allows plain http to other machines."""
    return os.environ.get(ALLOW_HTTP, "").strip().lower() in {"1", "true", "yes", "on"}


def check_api_key(api_key: str | None) -> str:
    """The key, if it can be sent at all.

    Raises:
        ConfigurationError: There is none, or it cannot stand in an HTTP header.
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
    """The source, if it can stand in an HTTP header.

    Raises:
        ConfigurationError: It cannot.
    """
    if not _VISIBLE.fullmatch(source.replace(" ", "")) or source != source.strip():
        raise ConfigurationError(f"source must be a plain name, such as my-app: {source!r}")
    return source


def check_max_response_bytes(size: int) -> int:
    """The size, if an answer can have it.

    Raises:
        ConfigurationError: It cannot.
    """
    if type(size) is not int or size < 1:
        raise ConfigurationError(f"max_response_bytes is a number of bytes and must be positive: {size!r}")
    return size


class Transport:
    """Sends requests with the API key to the one base URL, and nowhere else.

    Redirects are not followed, so the key never goes to another origin; cookies are not kept.

    Attributes:
        rate_limit: The rate headers of the latest answer; None before the first.
        close_count: How often it was closed; what began before the last time is to open nothing anew.
        unreadable: Where parts of answers that cannot be read are logged.
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
        """What tells the API key from others without telling anything of it; takes some 25 ms.

        Whoever has the salt and the fingerprint can only try whole keys, one after the other, each as slowly.

        Args:
            salt: Makes it another one elsewhere.
        """
        return pbkdf2_hmac("sha256", self._authorization.encode(), salt.encode(), FINGERPRINT_ROUNDS).hex()

    async def send(self, request: WireRequest, headers: Mapping[str, str] | None = None) -> WireResponse:
        """Send once and read the whole answer.

        Args:
            request: What to send.
            headers: More headers to send along; they replace none of ours.

        Raises:
            TransportError: No whole answer came; its `outcome` says whether the request may have arrived.
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
        if isinstance(answer, TransportError):  # raised where nothing hangs on it: aiohttp's hold the key
            raise answer
        self.rate_limit = answer.receipt.rate_limit
        if "Date" in answer.headers:
            served = server_time(answer.headers)
            if self._is_here:
                pace.adopt_pace(self, answer.headers, served)
            self._served = served, clock.moment()
        return answer

    def server_seconds(self) -> float:
        """What the server's clock shows, in Unix seconds, by its latest answer with a `Date`.

        What has passed since is counted by a clock that nobody sets. Before such an answer it is our clock.
        """
        if self._served is not None:
            served, at = self._served
            passed = clock.elapsed(at)
            if passed is not None:
                return served + passed
        return clock.wall_seconds()

    @property
    def is_open(self) -> bool:
        """Whether there are connections to close."""
        return self._owned.is_open

    async def aclose(self) -> None:
        """Close what this transport opened; a borrowed session stays open."""
        self.close_count += 1
        if self._is_here and (known := pace.pace_of(self)) is not None:
            _heard_at[self.base_url] = known
        pace.leave(self)
        await self._owned.aclose()


def _scale_timeout(timeout: aiohttp.ClientTimeout) -> aiohttp.ClientTimeout:
    """As patient as in real time beside an emulator that lives faster: the machine is no faster for that."""
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
    """Read an answer; of one that is no success only as much as an error takes."""
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
            raise  # else the status alone already says that it was refused
    return WireResponse.read(response.status, response.headers, body, problem=problem, exceeded=exceeded)


def translate_error(error: aiohttp.ClientError | OSError, endpoint: str, timeout: float) -> TransportError:
    """The one border where aiohttp's and the system's exceptions become ours.

    The original is not chained: its text may hold a whole URL, signature included.
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
"""What a parser quotes of what is no HTTP, and all behind it: that may hold a new secret."""


def _describe(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientResponseError):
        return excerpt(f"the answer is no HTTP: {_QUOTED.sub('', error.message)}")
    if isinstance(error, aiohttp.ClientPayloadError):
        return excerpt(_QUOTED.sub("", str(error)))
    return excerpt(str(error)) or type(error).__name__
