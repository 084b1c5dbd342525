"""Addresses that the server names: parsed strictly, and judged before anything is sent or linked there."""

import re
from typing import Final
from urllib.parse import urljoin

import attrs

from eversince_async import _hosts
from eversince_async._redaction import Hidden

_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
"""All that may stand in an address (RFC 3986): visible ASCII, no blanks."""

_PARTS: Final = re.compile(r"(?i:(?P<scheme>https?)://)(?P<authority>[^/?#]*)(?P<rest>.*)", re.ASCII)

_AUTHORITY: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII
)


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
        return _hosts.is_private(self.host)

    @property
    def is_loopback(self) -> bool:
        """Whether it is surely this machine itself, in whichever way systems read the host."""
        return _hosts.is_loopback(self.host)

    @property
    def is_single_label(self) -> bool:
        """Whether the host is one bare word, as in a network of containers."""
        return re.fullmatch(r"[^.:]+", self.host.removesuffix(".")) is not None and not self.is_literal

    @property
    def is_literal(self) -> bool:
        """Whether the host is an IP address in any spelling."""
        return _hosts.is_literal(self.host)

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
    if not _hosts.is_valid(host):
        raise AddressRefused("has no valid host")
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
    if moved_to in {found, base_url} or len(moved_to) > _hosts.LONGEST_NAME:
        return f"the API redirects to {address.origin}; {_CHECK}"
    return f"the API redirects to {address.origin}; if it has moved, set base_url= to {moved_to}"


_CHECK: Final = "check base_url= or EVERSINCE_BASE_URL, and what is between us and the API"


def _up_to_path(text: str) -> str:
    """Scheme and authority as they came."""
    return re.match(r"[^/]*//[^/?#]*", text)[0]  # type: ignore[index]  # it was parsed
