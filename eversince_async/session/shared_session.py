"""What users lend to a client: aiohttp sessions of theirs, and certificate authorities that they trust."""

import asyncio
import os
import ssl
from functools import lru_cache
from typing import Final, Literal

import aiohttp

from eversince_async.errors import ConfigurationError, ConnectionFailed

_CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Environment variables of OpenSSL that say whom to trust."""


def check_session(borrowed: object, name: str) -> aiohttp.ClientSession | None:
    """A session that a user gave, if it is one that can be used.

    Args:
        borrowed: What was given; None for none.
        name: The option it was given as.

    Raises:
        ConfigurationError: It is no aiohttp session, or is closed.
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
    """A borrowed session, if it can be used here and now.

    Args:
        borrowed: What `check_session` has returned.
        name: The option it was given as.
        endpoint: What it is to be used for.

    Raises:
        ConnectionFailed: Its owner has closed it meanwhile; nothing was sent.
        ConfigurationError: It is another event loop's; it might send first, and fail then.
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
    """Whom the sessions of a client trust; True: as aiohttp does, which read the environment when imported.

    Raises:
        ConfigurationError: It is no SSL context, or the environment names certificates that cannot be read.
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
        if not os.access(path, os.R_OK):  # OpenSSL would trust nobody then, without a word
            raise ConfigurationError(f"{name} names {path!r}, which cannot be read")
    if not named:
        return True
    try:
        return _named_authorities(*((path, os.stat(path).st_mtime_ns) for path in named.values()))
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError(f"{' and '.join(named)}: cannot be read as certificates ({error})") from None


@lru_cache(maxsize=4)
def _named_authorities(*_: tuple[str, int]) -> ssl.SSLContext:
    """A context by the environment, for these files as they are: to read them takes 50 ms."""
    context = ssl.create_default_context()
    if file := os.environ.get("SSL_CERT_FILE"):
        context.load_verify_locations(cafile=file)  # says so if there is no certificate in it
    return context
