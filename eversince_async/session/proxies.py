"""The proxies that the environment names, in variables of any case.

The variables are HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY. aiohttp's `trust_env` is not used, because
it would also search `.netrc` for credentials. On systems that keep such settings elsewhere (Windows, macOS),
those settings apply as they do in Python's standard library.
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
"""The kinds of proxy that aiohttp can use."""

_REMEMBERED: Final = 100
"""The number of origins whose proxy is remembered."""


class Proxies:
    """The proxy for each address, read from the environment once, on creation."""

    def __init__(self) -> None:
        env = getproxies()
        self._proxies = {name: Hidden(env[name]) for name in ("http", "https", "all") if env.get(name)}
        self._exceptions = _networks(env.get("no", ""))
        self._cache: dict[str, Mapping[str, Any]] = {}

    def options(self, address: Address) -> Mapping[str, Any]:
        """Return the proxy options for `aiohttp.ClientSession.request`.

        The options are empty if no proxy is to be used. This machine itself is never reached through a proxy.

        Raises:
            ConfigurationError: The proxy cannot be used.
        """
        options = self._cache.get(address.origin)
        if options is None:
            if len(self._cache) >= _REMEMBERED:
                self._cache.clear()
            options = self._cache[address.origin] = self._look_up(address)
        return options

    def _look_up(self, address: Address) -> Mapping[str, Any]:
        name = address.scheme if address.scheme in self._proxies else "all"
        if name not in self._proxies or address.is_loopback or self._is_exception(address):
            return {}
        proxy = self._proxies[name]
        try:
            url = URL(str(proxy) if "://" in proxy else f"http://{proxy}")
            usable = url.scheme in _USUAL and bool(url.host) and bool(url.port)
        except ValueError:
            usable, url = False, URL()
        if not usable:
            url = URL()  # raised outside of the handler: yarl's error may hold the password
            raise ConfigurationError(
                f"the proxy that the environment names for {address.scheme} ({name.upper()}_PROXY) cannot be "
                f"used: give it as http://host:port, or put {address.host} into NO_PROXY"
            )
        if url.user is None and url.password is None:
            return {"proxy": url}
        register_secret(url.password or "", self)
        credentials = b64encode(f"{url.user or ''}:{url.password or ''}".encode()).decode()
        register_secret(credentials, self)
        # aiohttp sends it as Proxy-Authorization, to the proxy and no further.
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
    """Return the networks in NO_PROXY, such as `10.0.0.0/8`.

    Python's standard library ignores these entries.
    """
    networks = []
    for each in text.split(","):
        try:
            networks.append(ipaddress.ip_network(each.strip(), strict=False))
        except ValueError:
            continue
    return networks
