"""Addresses that the server names: parsed strictly, and judged before anything is sent or linked there.

A host is judged by how it is written: a literal address, or `localhost`. Names are never resolved here, for
proxies and private DNS may well do that otherwise than we would.
"""

import ipaddress
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urljoin

import attrs

from eversince_async._redaction import Hidden

_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
"""All that may stand in an address (RFC 3986): visible ASCII, no blanks."""

_PARTS: Final = re.compile(r"(?i:(?P<scheme>https?)://)(?P<authority>[^/?#]*)(?P<rest>.*)", re.ASCII)

_AUTHORITY: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII
)

_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)

_NUMBER: Final = re.compile(r"0[xX][0-9A-Fa-f]*|[0-9]+", re.ASCII)

LONGEST_NAME: Final = 253
"""Characters of a host's name (RFC 1035)."""

_PRIVATE_IPV4: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by the customers of a carrier; some clouds keep their metadata there
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, where most clouds keep their metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
"""Where no public server is (IANA's registry of special addresses, its documentation ranges left out)."""

_PRIVATE_IPV6: Final = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "::/127",  # unspecified and loopback
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/32",  # tunnels of Teredo, whose ends are other addresses
        "fc00::/7",
        "fe80::/9",  # link-local, and site-local of old
        "ff00::/8",
    )
)

_EMBEDS_IPV4: Final = tuple(
    (ipaddress.IPv6Network(network), shift)
    for network, shift in (
        ("::/96", 0),
        ("::ffff:0:0/96", 0),
        ("::ffff:0:0:0/96", 0),
        ("64:ff9b::/96", 0),
        ("2002::/16", 80),
    )
)
"""IPv6 networks that lead to an IPv4 address, and by how many bits it is shifted."""


class AddressRefused(Exception):
    """An address that must not be used.

    Attributes:
        problem: What is wrong with it, and what to do; never the address itself, which may be a secret.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@attrs.frozen(repr=False)
class Address:
    """An http(s) address, spelled as it came.

    Attributes:
        text: All of it, not one character changed.
        scheme: `http` or `https`.
        host: In lower case, without the brackets of IPv6.
        port: The port; 443 or 80 where it names none.
    """

    text: str
    scheme: str
    host: str
    port: int

    def __repr__(self) -> str:
        return f"<Address {self.origin}>"

    @property
    def origin(self) -> str:
        """Scheme, host, and the port if it is not the usual one; no secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == _PORTS[self.scheme]
        return f"{self.scheme}://{host}" + ("" if usual else f":{self.port}")

    @property
    def is_private(self) -> bool:
        """Whether it is written as a host that only this machine or its network can reach."""
        return _is_localhost(self.host) or any(map(_is_private, _literals(self.host)))

    @property
    def is_loopback(self) -> bool:
        """Whether it is surely this machine itself, in whichever way systems read the host."""
        literals = list(_literals(self.host))
        return _is_localhost(self.host) or bool(literals and all(map(_is_loopback, literals)))

    @property
    def is_single_label(self) -> bool:
        """Whether the host is one bare word, as in a network of containers."""
        return re.fullmatch(r"[^.:]+", self.host.removesuffix(".")) is not None and not self.is_literal

    @property
    def is_literal(self) -> bool:
        """Whether the host is an IP address in any spelling."""
        return any(True for _ in _literals(self.host))

    def target(self, location: str) -> str:
        """Where a `Location` in an answer from here leads, spelled as it came wherever that is possible.

        Raises:
            AddressRefused: It is nothing that leads anywhere.
        """
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", location):
            return location
        if location.startswith("//"):
            return f"{self.scheme}:{location}"
        if location.startswith("/"):
            return _up_to_path(self.text) + location
        if location.startswith("?"):
            return re.split(r"[?#]", self.text, maxsplit=1)[0] + location
        try:
            return urljoin(re.split(r"[?#]", self.text, maxsplit=1)[0], location)
        except ValueError:  # brackets without an address in them
            raise AddressRefused("is no http(s) address") from None


_PORTS: Final = {"http": 80, "https": 443}


def parse(text: object) -> Address:
    """Take an address apart.

    Raises:
        AddressRefused: It is no absolute http(s) address, or none that can be sent a request as it is.
    """
    if not isinstance(text, str) or not text:
        raise AddressRefused("is empty")
    if not _VISIBLE.fullmatch(text):
        raise AddressRefused("has blanks or other characters that no address has")
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise AddressRefused("is no http(s) address")
    if "@" in parts["authority"]:
        raise AddressRefused("carries a user name or a password")
    authority = _AUTHORITY.fullmatch(parts["authority"])
    if authority is None:
        raise AddressRefused("has no valid host and port")
    scheme, host = parts["scheme"].lower(), authority["host"].lower()
    port = _PORTS[scheme] if authority["port"] is None else int(authority["port"])
    if not 0 < port < 65536:
        raise AddressRefused("has no valid port")
    _check_host(host)
    return Address(Hidden(text), scheme, host.strip("[]"), port)


def is_address(text: object) -> bool:
    """Whether `parse` takes it."""
    try:
        parse(text)
    except AddressRefused:
        return False
    return True


@attrs.frozen(kw_only=True)
class AddressPolicy:
    """Which of the addresses that a server names may be used.

    Attributes:
        https_only: Whether plain http is a downgrade, and so refused.
        allows_private: Whether hosts of this machine and of private networks are expected.
    """

    https_only: bool
    allows_private: bool

    @classmethod
    def of(cls, base_url: str, *, allow_private_addresses: bool = False) -> "AddressPolicy":
        """What may be expected of the API at a base URL.

        Whoever serves the API from a private host, or under a bare name, keeps its files there, too.

        Args:
            base_url: A valid one.
            allow_private_addresses: Whether private hosts are expected all the same.
        """
        base = parse(base_url)
        at_home = base.is_private or base.is_single_label
        return cls(https_only=base.scheme == "https", allows_private=at_home or allow_private_addresses)

    def check(self, text: object, *, linked_from: Address | None = None) -> Address:
        """The address, if it may be used.

        Args:
            text: The address.
            linked_from: Where a redirect to it came from.

        Raises:
            AddressRefused: It may not.
        """
        address = parse(text)
        secure = self.https_only or (linked_from is not None and linked_from.scheme == "https")
        if secure and address.scheme != "https":
            raise AddressRefused(f"leads from https to plain http, at {address.host}")
        if address.is_private and not self.allows_private:
            raise AddressRefused(
                f"leads to {address.host}, which only this machine or its network can reach; if that is "
                "right, make the client with allow_private_addresses=True"
            )
        return address


# -- Redirects of the API itself --------------------------------------------------------------------------


def describe_redirect(base_url: str, target: str, location: str) -> str:
    """Where the API sends us, and what to set if that is right; it is never followed.

    Args:
        base_url: What was set so far.
        target: What was asked for below it.
        location: The answer's `Location`.
    """
    if not location:
        return f"the API redirects without saying where to; {_CHECK}"
    asked = parse(base_url + target)
    try:
        address = parse(asked.target(location))
    except AddressRefused as refused:
        return f"the API redirects to an address that {refused.problem}; {_CHECK}"
    if asked.scheme == "https" and address.scheme != "https":
        return f"the API redirects to {address.origin}, without encryption; {_CHECK}"
    path, found = target.partition("?")[0], re.split(r"[?#]", address.text, maxsplit=1)[0]
    moved_to = found.removesuffix(path)
    if moved_to in {found, base_url} or len(moved_to) > LONGEST_NAME:
        return f"the API redirects to {address.origin}; {_CHECK}"
    return f"the API redirects to {address.origin}; if it has moved, set base_url= to {moved_to}"


_CHECK: Final = "check base_url= or EVERSINCE_BASE_URL, and what is between us and the API"


# -- Hosts ------------------------------------------------------------------------------------------------


def _check_host(host: str) -> None:
    if host.startswith("["):
        valid = _ipv6(host.strip("[]")) is not None
    elif _looks_numeric(host):
        valid = any(True for _ in _literals(host))
    else:
        name = host.removesuffix(".")
        valid = len(name) <= LONGEST_NAME and all(map(_LABEL.fullmatch, name.split(".")))
    if not valid:
        raise AddressRefused("has no valid host")


def _looks_numeric(host: str) -> bool:
    """Whether a host can only be an IPv4 address, however spelled: its last label is a number."""
    return _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]) is not None


def _is_localhost(host: str) -> bool:
    name = host.removesuffix(".")
    return name == "localhost" or name.endswith(".localhost")


def _is_private(literal: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(literal, ipaddress.IPv4Address):
        return any(literal in network for network in _PRIVATE_IPV4)
    if any(literal in network for network in _PRIVATE_IPV6):
        return True
    return any(
        _is_private(ipaddress.IPv4Address(int(literal) >> shift & 0xFFFFFFFF))
        for network, shift in _EMBEDS_IPV4
        if literal in network
    )


def _is_loopback(literal: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped = getattr(literal, "ipv4_mapped", None)
    return (literal if mapped is None else mapped).is_loopback


def _literals(host: str) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The IP addresses a host may be read as; none for a name.

    Systems differ about `010.0.0.1`: to some a leading zero means octal. Such a host is each of these.
    """
    if ":" in host:
        literal = _ipv6(host)
        if literal is not None:
            yield literal
    elif _looks_numeric(host):
        for octal in (True, False):
            number = _ipv4(host.removesuffix("."), octal=octal)
            if number is not None:
                yield ipaddress.IPv4Address(number)


def _ipv6(text: str) -> ipaddress.IPv6Address | None:
    try:
        return ipaddress.IPv6Address(text)
    except ValueError:
        return None


def _ipv4(text: str, *, octal: bool) -> int | None:
    """The number of an IPv4 address in any spelling that systems take: `127.1`, `0x7f.1`, `2130706433`."""
    labels = text.split(".")
    if len(labels) > 4 or not all(map(_NUMBER.fullmatch, labels)) or len(text) > LONGEST_NAME:
        return None
    try:
        *first, last = [_number(label, octal=octal) for label in labels]
    except ValueError:  # an 8 in an octal number
        return None
    if any(number > 0xFF for number in first) or last >= 256 ** (4 - len(first)):
        return None
    return sum(number << 8 * (3 - place) for place, number in enumerate(first)) + last


def _number(label: str, *, octal: bool) -> int:
    if label[:2] in {"0x", "0X"}:
        return int(label[2:] or "0", 16)
    return int(label, 8 if octal and label.startswith("0") else 10)


def _up_to_path(text: str) -> str:
    """Scheme and authority as they came."""
    return re.match(r"[^/]*//[^/?#]*", text)[0]  # type: ignore[index]  # it was parsed
