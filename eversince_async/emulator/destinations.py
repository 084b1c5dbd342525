"""The hosts that webhooks may go to.

Internal hosts are refused: a client that creates a project could otherwise reach them through the emulator.
"""

import ipaddress
import socket
from collections.abc import Iterable

import attrs
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from eversince_async.emulator.hosts import address_of, host_name
from eversince_async.emulator.setting_errors import SettingRefused

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class InternalTarget(OSError):
    """A webhook was addressed to an internal host."""


@attrs.frozen(kw_only=True)
class Destinations:
    """The hosts that webhooks may go to.

    Allowed are public hosts and configured ones. This machine is allowed as well if the emulator listens on
    loopback only: a client that can ask for a webhook can then send the same request itself.

    Attributes:
        listens_to_itself: True if the emulator listens on loopback only.
        plain_loopback: True if plain HTTP to this machine is allowed too.
        names: Allowed host names.
        networks: Allowed networks.
    """

    listens_to_itself: bool
    plain_loopback: bool
    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, listening: str, *, plain_loopback: bool, allowed: Iterable[str]) -> "Destinations":
        """Build the destinations of an emulator.

        Args:
            listening: Address on which the emulator listens.
            plain_loopback: True if plain HTTP to this machine is allowed too.
            allowed: Host names, IP addresses, and networks such as 10.0.0.0/8.

        Raises:
            SettingRefused: One of these is not a valid name, address or network.
        """
        names, networks = set[str](), list[Network]()
        for each in allowed:
            if (network := _network(each)) is not None:
                networks.append(network)
            else:
                names.add(host_name(each, "allow_webhooks_to"))
        own = address_of(f"http://[{listening}]" if ":" in listening else f"http://{listening}")
        return cls(
            listens_to_itself=own is not None and own.is_loopback,
            plain_loopback=plain_loopback,
            names=frozenset(names),
            networks=tuple(networks),
        )

    def takes_plain(self, url: str) -> bool:
        """Return True if this address may use plain HTTP."""
        address = address_of(url)
        if address is None:
            return False
        return (self.plain_loopback and address.is_loopback) or self._is_named(address.host)

    def hint(self, url: str) -> str:
        """Return a hint on allowing a plain HTTP address, or ""."""
        address = address_of(url)
        if address is None or not address.is_private:
            return ""
        if address.is_loopback:
            return "this emulator takes http to this machine with --allow-loopback-webhooks"
        return f"this emulator takes http to {address.host} with --allow-webhooks-to {address.host}"

    def problem(self, url: str) -> str | None:
        """Return the reason not to send to an address, or None.

        No name server is asked.
        """
        address = address_of(url)
        if address is None:
            return "it names no valid host"
        if self.takes(address.host):
            return None
        return f"{address.host} is internal; start the emulator with --allow-webhooks-to {address.host}"

    def takes(self, host: str) -> bool:
        """Return True if webhooks may go to a host.

        The host is a name that is not resolved yet, or an IP address.
        """
        address = address_of(f"http://[{host}]" if ":" in host else f"http://{host}")
        if address is None:
            return False
        if self._is_named(host) or not address.is_private:
            return True
        return address.is_loopback and (self.listens_to_itself or self.plain_loopback)

    def _is_named(self, host: str) -> bool:
        if host.lower().removesuffix(".") in self.names:
            return True
        try:
            literal = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(literal in network for network in self.networks)

    def resolver(self) -> "CheckedResolver":
        """Create a resolver that returns only allowed addresses."""
        return CheckedResolver(self)


class CheckedResolver(AbstractResolver):
    """Resolves the host of a connection, and refuses internal addresses.

    The checked addresses are those that the connection uses: a name that resolves differently the next time
    gains nothing.
    """

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        self._resolver = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            InternalTarget: One of the addresses is internal and not allowed.
        """
        found = await self._resolver.resolve(host, port, family)
        destinations = self._destinations
        if host.lower().removesuffix(".") not in destinations.names:
            odd = [each["host"] for each in found if not destinations.takes(each["host"])]
            if odd:
                raise InternalTarget(f"{host} leads to {odd[0]}")
        return found

    async def close(self) -> None:
        """Close the underlying resolver."""
        await self._resolver.close()


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        if "/" in text:
            raise SettingRefused(f"allow_webhooks_to: {text!r} is no network, such as 10.0.0.0/8") from None
        return None
