"""Where webhooks may go: not to internal hosts, or whoever orders a project could reach these through us."""

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
    """A webhook would have gone to a host that is not to be had from outside."""


@attrs.frozen(kw_only=True)
class Destinations:
    """Which hosts webhooks may go to.

    Public ones, and those that were named. This machine as well if the emulator listens to nobody else: then
    whoever can ask it for a webhook can send the same by themselves.

    Attributes:
        listens_to_itself: Whether the emulator listens on loopback only.
        plain_loopback: Whether plain HTTP to this machine will do, too.
        names: Names of hosts that were allowed.
        networks: Networks that were allowed.
    """

    listens_to_itself: bool
    plain_loopback: bool
    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, listening: str, *, plain_loopback: bool, allowed: Iterable[str]) -> "Destinations":
        """Those of an emulator.

        Args:
            listening: What it listens on.
            plain_loopback: Whether plain HTTP to this machine will do, too.
            allowed: Names of hosts, IP addresses, and networks such as 10.0.0.0/8.

        Raises:
            SettingRefused: One of these is nothing of the kind.
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
        """Whether plain HTTP will do for this address."""
        address = address_of(url)
        if address is None:
            return False
        return (self.plain_loopback and address.is_loopback) or self._is_named(address.host)

    def hint(self, url: str) -> str:
        """How an address that is not HTTPS could be allowed; empty if it could not."""
        address = address_of(url)
        if address is None or not address.is_private:
            return ""
        if address.is_loopback:
            return "this emulator takes http to this machine with --allow-loopback-webhooks"
        return f"this emulator takes http to {address.host} with --allow-webhooks-to {address.host}"

    def problem(self, url: str) -> str | None:
        """Why an address is none to send to, as far as can be told without asking a name server."""
        address = address_of(url)
        if address is None:
            return "it names no valid host"
        if self.takes(address.host):
            return None
        return f"{address.host} is internal; start the emulator with --allow-webhooks-to {address.host}"

    def takes(self, host: str) -> bool:
        """Whether to send to a host: a name whose addresses are still to be found, or an IP address."""
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
        """Finds addresses, and only such as may be sent to."""
        return CheckedResolver(self)


class CheckedResolver(AbstractResolver):
    """Finds the addresses of a host for a connection, and refuses internal ones.

    What was checked is what is connected to: a name that leads elsewhere the next time gains nothing.
    """

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        self._resolver = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host.

        Raises:
            InternalTarget: One of them is internal, and was not allowed.
        """
        found = await self._resolver.resolve(host, port, family)
        destinations = self._destinations
        if host.lower().removesuffix(".") not in destinations.names:
            odd = [each["host"] for each in found if not destinations.takes(each["host"])]
            if odd:
                raise InternalTarget(f"{host} leads to {odd[0]}")
        return found

    async def close(self) -> None:
        """Let go of what finds them."""
        await self._resolver.close()


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        if "/" in text:
            raise SettingRefused(f"allow_webhooks_to: {text!r} is no network, such as 10.0.0.0/8") from None
        return None
