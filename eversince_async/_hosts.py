"""Hosts, judged by their spelling: a literal address, or `localhost`.

Names are never resolved here: proxies and private DNS may resolve them differently than we would.
"""

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)

_NUMBER: Final = re.compile(r"0[xX][0-9A-Fa-f]*|[0-9]+", re.ASCII)

LONGEST_NAME: Final = 253
"""Characters of the longest host name (RFC 1035)."""

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
"""The networks in which no public server is.

Source: IANA's registry of special addresses, without its documentation ranges."""

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
"""IPv6 networks that lead to an IPv4 address, with their shifts.

The shift is the number of bits by which the address is shifted."""


def is_valid(host: str) -> bool:
    """Return True if a text can be the host of a URL.

    It may be a name, an IPv4 address, or an IPv6 address in brackets.
    """
    if host.startswith("["):
        return _ipv6(host.strip("[]")) is not None
    if _looks_numeric(host):
        return is_literal(host)
    name = host.removesuffix(".")
    return len(name) <= LONGEST_NAME and all(map(_LABEL.fullmatch, name.split(".")))


def is_literal(host: str) -> bool:
    """Return True if a host is an IP address in any spelling."""
    return any(True for _ in _literals(host))


def is_private(host: str) -> bool:
    """Return True if only this machine's network can reach a host.

    The machine itself counts, too. The host is judged by its spelling.
    """
    return _is_localhost(host) or any(map(_is_private, _literals(host)))


def is_loopback(host: str) -> bool:
    """Return True if a host is surely this machine itself.

    This holds for every way in which systems read the host.
    """
    literals = list(_literals(host))
    return _is_localhost(host) or bool(literals and all(map(_is_loopback, literals)))


def _looks_numeric(host: str) -> bool:
    """Return True if a host can only be an IPv4 address.

    In every spelling the last label of such an address is a number.
    """
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
    """Yield the IP addresses that a host may be read as.

    A name has none.

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
    """Return the number of an IPv4 address in any accepted spelling.

    Systems accept `127.1`, `0x7f.1`, `2130706433`. None if it is no address.
    """
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
