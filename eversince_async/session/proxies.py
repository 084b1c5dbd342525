"""The proxies that the environment names: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in any case.

They are looked up here, and not by aiohttp's `trust_env`, which would also look for credentials in `.netrc`.
Where the system keeps such settings elsewhere (Windows, macOS), those are heeded as Python does.
"""

import ipaddress
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from eversince_async._redaction import Hidden, register_secret
from eversince_async._wire.addresses import Address
from eversince_async.errors import ConfigurationError

_USUAL: Final = frozenset({"http", "https"})
"""Kinds of proxies that aiohttp can use."""

_REMEMBERED: Final = 100
"""Hosts whose proxy is remembered."""


class Proxies:
    """Which proxy each address is reached by. The environment is read once, when this is made."""

    def __init__(self) -> None:
        named = getproxies()
        self._named = {name: Hidden(named[name]) for name in ("http", "https", "all") if named.get(name)}
        self._exceptions = _networks(named.get("no", ""))
        self._known: dict[str, Mapping[str, Any]] = {}

    def options(self, address: Address) -> Mapping[str, Any]:
        """What to give to `aiohttp.ClientSession.request`; nothing where no proxy is to be used.

        This machine itself is never reached by a proxy.

        Raises:
            ConfigurationError: The proxy cannot be used.
        """
        known = self._known.get(address.origin)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[address.origin] = self._look_up(address)
        return known

    def _look_up(self, address: Address) -> Mapping[str, Any]:
        name = address.scheme if address.scheme in self._named else "all"
        if name not in self._named or address.is_loopback or self._is_exception(address):
            return {}
        named = self._named[name]
        try:
            url = URL(str(named) if "://" in named else f"http://{named}")
            usable = url.scheme in _USUAL and bool(url.host) and bool(url.port)
        except ValueError:
            usable, url = False, URL()
        if not usable:
            url = URL()  # said outside of the handler: an error of yarl's may hold the password
            raise ConfigurationError(
                f"the proxy that the environment names for {address.scheme} ({name.upper()}_PROXY) cannot be "
                f"used: give it as http://host:port, or put {address.host} into NO_PROXY"
            )
        if url.user is None and url.password is None:
            return {"proxy": url}
        register_secret(url.password or "", self)
        credentials = b64encode(f"{url.user or ''}:{url.password or ''}".encode()).decode()
        register_secret(credentials, self)
        # aiohttp makes a Proxy-Authorization of it, which goes to the proxy and no further.
        return {
            "proxy": url.with_user(None),
            "proxy_headers": {"Authorization": Hidden(f"Basic {credentials}")},
        }

    def _is_exception(self, address: Address) -> bool:
        if any(map(proxy_bypass, (address.host, f"{address.host}:{address.port}", f"[{address.host}]"))):
            return True
        try:
            literal = ipaddress.ip_address(address.host)
        except ValueError:
            return False
        return any(literal in network for network in self._exceptions)


def _networks(text: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """The networks in NO_PROXY, such as `10.0.0.0/8`, which Python itself does not heed."""
    found = []
    for each in text.split(","):
        try:
            found.append(ipaddress.ip_network(each.strip(), strict=False))
        except ValueError:
            continue
    return found
