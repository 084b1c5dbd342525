"""The aiohttp sessions and certificate authorities that users provide."""

import asyncio
import os
import ssl
from functools import lru_cache
from typing import Final, Literal

import aiohttp

from eversince_async.errors import ConfigurationError, ConnectionFailed

_CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""The environment variables of OpenSSL that name trusted certificates."""


def check_session(borrowed: object, name: str) -> aiohttp.ClientSession | None:
    """Return the session that the user gave, or None for none.

    Args:
        borrowed: The value of the option; None for none.
        name: The name of the option.

    Raises:
        ConfigurationError: The value is no aiohttp session, or the session is closed.
    """
    if borrowed is None:
        return None
    if not isinstance(borrowed, aiohttp.ClientSession):
        kind = f"{type(borrowed).__module__}.{type(borrowed).__qualname__}"
        raise ConfigurationError(f"{name}= takes an open aiohttp.ClientSession, not a {kind}")
    if borrowed.closed:
        raise ConfigurationError(f"the aiohttp session given as {name}= is closed; give one that is open")
    return borrowed


def usable_session(borrowed: aiohttp.ClientSession, name: str, endpoint: str) -> aiohttp.ClientSession:
    """Return a borrowed session if the running loop can use it.

    Args:
        borrowed: The session that `check_session` returned.
        name: The name of the option that gave the session.
        endpoint: The operation that needs the session.

    Raises:
        ConnectionFailed: The owner has closed the session meanwhile; nothing was sent.
        ConfigurationError: The session belongs to another event loop. It might send a request first, and fail
            only then.
    """
    if borrowed.closed:
        reason = f"the aiohttp session given as {name}= is closed; keep it open for as long as the client"
        raise ConnectionFailed(reason, endpoint=endpoint, outcome="never_sent")
    if getattr(borrowed, "_loop", None) not in {None, asyncio.get_running_loop()}:
        raise ConfigurationError(
            f"the aiohttp session given as {name}= belongs to another event loop; make one for each loop"
        )
    return borrowed


def trusting(context: object) -> ssl.SSLContext | Literal[True]:
    """Return the SSL setting for the sessions of a client.

    True stands for aiohttp's default, for which aiohttp read the environment when it was imported.

    Raises:
        ConfigurationError: The argument is no SSL context, or the environment names certificates that cannot
            be read.
    """
    if isinstance(context, ssl.SSLContext):
        return context
    if context is not None:
        raise ConfigurationError(
            f"ssl_context= takes an ssl.SSLContext, such as ssl.create_default_context(cafile='ca.pem'), "
            f"not {type(context).__name__}"
        )
    named = {name: os.environ[name] for name in _CERTIFICATES if os.environ.get(name)}
    for name, path in named.items():
        if not os.access(path, os.R_OK):  # OpenSSL would then trust no authority, without an error
            raise ConfigurationError(f"{name} names {path!r}, which cannot be read")
    if not named:
        return True
    try:
        return _named_authorities(*((path, os.stat(path).st_mtime_ns) for path in named.values()))
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError(f"{' and '.join(named)}: cannot be read as certificates ({error})") from None


@lru_cache(maxsize=4)
def _named_authorities(*_: tuple[str, int]) -> ssl.SSLContext:
    """Return the SSL context for the certificates that the environment names.

    The arguments make the cache depend on the files and their times of change: reading the files takes 50 ms.
    """
    context = ssl.create_default_context()
    if file := os.environ.get("SSL_CERT_FILE"):
        context.load_verify_locations(cafile=file)  # raises an error if the file holds no certificate
    return context
