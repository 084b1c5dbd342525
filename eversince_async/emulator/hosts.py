"""By which names the emulator may be called.

A web page elsewhere can make a browser call this machine under a name of the page's own (DNS rebinding), and
then read the answers. Such a call says that name in its Host header.
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
    """The names it may be called by: IP addresses, localhost, and what was named.

    Attributes:
        names: What was named, in lower case.
    """

    names: frozenset[str]

    @classmethod
    def of(cls, listening: str, allowed: Iterable[str]) -> "Hosts":
        """Those of an emulator.

        Args:
            listening: What it listens on.
            allowed: Further names.

        Raises:
            SettingRefused: One of these is no name of a host.
        """
        return cls(frozenset({listening.lower(), *(host_name(each, "allow_hosts") for each in allowed)}))

    def problem(self, host: str | None, target: str) -> str | None:
        """Why a request is not for this emulator; None if it is.

        Args:
            host: Its Host header; no browser leaves it out.
            target: The target in its request line, which names a host as well if it is a whole URL.
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
    """Where a URL leads.

    Attributes:
        scheme: `http` or `https`.
        host: In lower case, without the brackets of IPv6.
        port: The port.
    """

    scheme: str
    host: str
    port: int

    @property
    def is_literal(self) -> bool:
        """Whether the host is an IP address in any spelling."""
        return _hosts.is_literal(self.host)

    @property
    def is_private(self) -> bool:
        """Whether only this machine or its network can reach the host."""
        return _hosts.is_private(self.host)

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine itself."""
        return _hosts.is_loopback(self.host)


def address_of(url: str) -> Address | None:
    """The scheme, host and port of a URL as aiohttp reads it; None if it has none that are valid."""
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
    """A name of a host, in lower case.

    Raises:
        SettingRefused: It is none.
    """
    name = text.strip().lower().removesuffix(".")
    if not _NAME.fullmatch(name):
        raise SettingRefused(f"{option}: {text!r} is no name of a host, such as emulator or studio.test")
    return name
