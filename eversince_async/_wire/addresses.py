"""Addresses that the server names: strict parsing and rules for their use.

An address is checked before a request is sent to it or a link to it is shown.
"""

import re
from typing import Final
from urllib.parse import urljoin

import attrs

from eversince_async import _hosts
from eversince_async._redaction import Hidden

_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
"""The characters of an address (RFC 3986): visible ASCII, no blanks."""

_PARTS: Final = re.compile(r"(?i:(?P<scheme>https?)://)(?P<authority>[^/?#]*)(?P<rest>.*)", re.ASCII)

_AUTHORITY: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII
)


class AddressRefused(Exception):
    """An address that must not be used.

    Attributes:
        problem: The fault of the address and the remedy; never the address itself, which may be a secret.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@attrs.frozen(repr=False)
class Address:
    """An http(s) address, spelled as the server sent it.

    Attributes:
        text: The whole address, with no character changed.
        scheme: `http` or `https`.
        host: The host in lower case, without the brackets of IPv6.
        port: The port; 443 or 80 if the address names none.
    """

    text: str
    scheme: str
    host: str
    port: int

    def __repr__(self) -> str:
        return f"<Address {self.origin}>"

    @property
    def origin(self) -> str:
        """The scheme and host, and the port if it is unusual.

        An origin is no secret.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == _PORTS[self.scheme]
        return f"{self.scheme}://{host}" + ("" if usual else f":{self.port}")

    @property
    def is_private(self) -> bool:
        """True if only this machine or its network can reach the host.

        Only the spelling of the host counts.
        """
        return _hosts.is_private(self.host)

    @property
    def is_loopback(self) -> bool:
        """True if the host is certainly this machine itself.

        That holds for every way in which systems read the host.
        """
        return _hosts.is_loopback(self.host)

    @property
    def is_single_label(self) -> bool:
        """True if the host is one bare word, as between containers."""
        return re.fullmatch(r"[^.:]+", self.host.removesuffix(".")) is not None and not self.is_literal

    @property
    def is_literal(self) -> bool:
        """True if the host is an IP address in any spelling."""
        return _hosts.is_literal(self.host)

    def target(self, location: str) -> str:
        """Return the address to which a `Location` from here leads.

        The spelling is kept if possible.

        Args:
            location: The `Location` header of a response from this address.

        Raises:
            AddressRefused: The location leads nowhere.
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
        except ValueError:  # brackets that hold no address
            raise AddressRefused("is no http(s) address") from None


_PORTS: Final = {"http": 80, "https": 443}


def parse(text: object) -> Address:
    """Parse an address.

    Raises:
        AddressRefused: The text is no absolute http(s) address, or no request can be sent to the address as
            it is.
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
    """Return True if `parse` accepts the text."""
    try:
        parse(text)
    except AddressRefused:
        return False
    return True


@attrs.frozen(kw_only=True)
class AddressPolicy:
    """The rules for the addresses that a server names.

    Attributes:
        https_only: True if plain http would be a downgrade, and so is refused.
        allows_private: True if hosts of this machine and of private networks are expected.
    """

    https_only: bool
    allows_private: bool

    @classmethod
    def of(cls, base_url: str, *, allow_private_addresses: bool = False) -> "AddressPolicy":
        """Return the rules for an API at a base URL.

        An API on a private host, or under a bare name, is expected to keep its files on such hosts, too.

        Args:
            base_url: A valid base URL.
            allow_private_addresses: True if private hosts are expected in any case.
        """
        base = parse(base_url)
        at_home = base.is_private or base.is_single_label
        return cls(https_only=base.scheme == "https", allows_private=at_home or allow_private_addresses)

    def check(self, text: object, *, linked_from: Address | None = None) -> Address:
        """Parse an address and return it if it may be used.

        Args:
            text: The address.
            linked_from: The address that redirected to this one; None for none.

        Raises:
            AddressRefused: The address must not be used.
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
    """Describe a redirect of the API, and name the setting to correct.

    The redirect itself is never followed.

    Args:
        base_url: The base URL as it is set.
        target: The path and query that were requested below the base URL.
        location: The `Location` header of the response.
    """
    if not location:
        return f"the API redirects without saying where to; {_CHECK}"
    current = parse(base_url + target)
    try:
        address = parse(current.target(location))
    except AddressRefused as refused:
        return f"the API redirects to an address that {refused.problem}; {_CHECK}"
    if current.scheme == "https" and address.scheme != "https":
        return f"the API redirects to {address.origin}, without encryption; {_CHECK}"
    path, destination = target.partition("?")[0], re.split(r"[?#]", address.text, maxsplit=1)[0]
    moved_to = destination.removesuffix(path)
    if moved_to in {destination, base_url} or len(moved_to) > _hosts.LONGEST_NAME:
        return f"the API redirects to {address.origin}; {_CHECK}"
    return f"the API redirects to {address.origin}; if it has moved, set base_url= to {moved_to}"


_CHECK: Final = "check base_url= or EVERSINCE_BASE_URL, and what is between us and the API"


def _up_to_path(text: str) -> str:
    """Return the scheme and the authority, spelled as the server sent them."""
    return re.match(r"[^/]*//[^/?#]*", text)[0]  # type: ignore[index]  # it was parsed
