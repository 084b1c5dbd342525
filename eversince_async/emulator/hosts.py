"""The host names under which clients may call the emulator.

A foreign web page can make a browser call this machine under a name of the page's own (DNS rebinding) and
then read the responses. Such a call gives that name in its Host header.
"""

import re
from collections.abc import Iterable
from typing import Final

import attrs
from yarl import URL

from eversince_async import _hosts
from eversince_async.emulator.setting_errors import SettingRefused

_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,252}[a-z0-9_])?", re.ASCII)
_SHOWN: Final = 100


@attrs.frozen
class Hosts:
    """The accepted host names: IP addresses, localhost, and configured names.

    Attributes:
        names: The configured names, in lower case.
    """

    names: frozenset[str]

    @classmethod
    def of(cls, listening: str, allowed: Iterable[str]) -> "Hosts":
        """Build the accepted names of an emulator.

        Args:
            listening: Address on which the emulator listens.
            allowed: Further names.

        Raises:
            SettingRefused: One of these is not a valid host name.
        """
        return cls(frozenset({listening.lower(), *(host_name(each, "allow_hosts") for each in allowed)}))

    def problem(self, host: str | None, target: str) -> str | None:
        """Return the reason to refuse a request, or None to accept it.

        Args:
            host: The Host header of the request; no browser omits it.
            target: The target in the request line, which also names a host if it is a whole URL.
        """
        called = [] if host is None else [host]
        if not target.startswith("/") and "://" in target:
            called.append(re.split(r"[/?#]", target.partition("://")[2], maxsplit=1)[0])
        odd = next((each for each in called if not self._is_ours(each)), None)
        if odd is None:
            return None
        name = ascii(odd[:_SHOWN])[1:-1]
        return (
            f"This emulator is not called {name}: use the address it printed, or start it with "
            f"--allow-host NAME (allow_hosts=)"
        )

    def _is_ours(self, host: str) -> bool:
        address = None if re.search(r"[@/?#\\]", host) else address_of(f"http://{host}")
        if address is None:
            return False
        name = address.host.removesuffix(".")
        return address.is_literal or name == "localhost" or name.endswith(".localhost") or name in self.names


@attrs.frozen
class Address:
    """The host that a URL leads to.

    Attributes:
        scheme: `http` or `https`.
        host: The host in lower case, without the brackets of IPv6.
        port: The port.
    """

    scheme: str
    host: str
    port: int

    @property
    def is_literal(self) -> bool:
        """True if the host is an IP address in any spelling."""
        return _hosts.is_literal(self.host)

    @property
    def is_private(self) -> bool:
        """True if only this machine or its network can reach the host."""
        return _hosts.is_private(self.host)

    @property
    def is_loopback(self) -> bool:
        """True if the host is this machine itself."""
        return _hosts.is_loopback(self.host)


def address_of(url: str) -> Address | None:
    """Return the scheme, host and port of a URL, or None.

    The URL is parsed as aiohttp does. None means that one of the three is invalid.
    """
    try:
        parts = URL(url)
        host, port = (parts.host or "").lower(), parts.port or 0
    except ValueError:
        return None
    bracketed = f"[{host}]" if ":" in host else host
    if parts.scheme not in {"http", "https"} or not 0 < port < 65536 or not _hosts.is_valid(bracketed):
        return None
    return Address(parts.scheme, host, port)


def host_name(text: str, option: str) -> str:
    """Return a host name in lower case.

    Raises:
        SettingRefused: The text is not a valid host name.
    """
    name = text.strip().lower().removesuffix(".")
    if not _NAME.fullmatch(name):
        raise SettingRefused(f"{option}: {text!r} is no name of a host, such as emulator or studio.test")
    return name
