"""Checks that precede all work on a request, and its customer.

No framework is needed. An order costs money, so another site must not be able to place one through a
customer's browser: not by a form, not by a script, not under a name of the site's own that leads here (DNS
rebinding).
"""

import hashlib
import ipaddress
import os
import re
import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

LARGEST: Final = 64 * 1024  # bytes of an order
WEBHOOKS: Final = "/webhooks/eversince"  # webhooks have a signature instead
HEADERS: Final = {  # of every response; other sites must not learn a film's address
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
}  # fmt: skip
COOKIE: Final = "customer"
_COOKIE: Final = re.compile(rf"(?:^|;)\s*{COOKIE}=([0-9a-f]{{32}})\s*(?:;|$)")


class Refused(Exception):
    """The application refuses a request.

    Attributes:
        status: The HTTP status.
        text: The reason, in the application's own words, safe for everyone to read.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text

    def to_json(self) -> dict[str, str]:
        """Return the body of the response."""
        return {"error": self.text}


def check(method: str, path: str, headers: Mapping[str, str]) -> None:
    """Accept a request by its headers, or raise.

    Header names are in lower case, or the mapping ignores case.

    Raises:
        Refused: The request uses a foreign host name, comes from a foreign page, or is not JSON of a known
            size.
    """
    if path == WEBHOOKS:
        return
    host = headers.get("host", "").lower()
    if re.sub(r":\d+$", "", host) not in _own_names():
        raise Refused(400, "this application has another name; its operator sets ALLOWED_HOSTS")
    if method in {"GET", "HEAD"}:
        return
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Refused(403, "orders come from this application's own page")
    origin = headers.get("origin")  # scripts and curl send none
    if origin is not None and _host_of(origin) != host:
        raise Refused(403, "orders come from this application's own page")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "orders are JSON: Content-Type: application/json")
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdecimal()):
        raise Refused(411, "an order says its length")
    if len(length) > 9 or int(length) > LARGEST:
        raise Refused(413, f"an order has at most {LARGEST} bytes")


def customer_of(cookies: str | None, address: str | None) -> str:
    """Return the customer of a request, for caps and keys.

    In a product this is the account that is signed in, and this is the only function to change. Here it is a
    cookie; a caller without one is identified by the network address. Neither is a login: one person can be
    several customers.
    """
    found = _COOKIE.search(cookies or "")
    return hashlib.sha256((found[1] if found else _network(address)).encode()).hexdigest()[:16]


def new_cookie(cookies: str | None) -> dict[str, str]:
    """Return the header that makes a browser a customer, if needed."""
    if _COOKIE.search(cookies or ""):
        return {}
    secure = "; Secure" if os.environ.get("PUBLIC_URL", "").startswith("https:") else ""
    value = f"{COOKIE}={secrets.token_hex(16)}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax{secure}"
    return {"Set-Cookie": value}


def key_of(customer: str, wanted: str) -> str:
    """Return a customer's idempotency key.

    It starts with the customer, so that no customer gets another one's film by naming its key.

    Raises:
        Refused: The key is invalid.
    """
    if not re.fullmatch(r"[!-~]([ -~]{0,98}[!-~])?", wanted):
        raise Refused(400, "a key has 1 to 100 visible ASCII characters")
    return f"{customer}-{wanted}"


def _own_names() -> set[str]:
    named = [each.strip() for each in os.environ.get("ALLOWED_HOSTS", "").lower().split(",")]
    public = re.sub(r":\d+$", "", _host_of(os.environ.get("PUBLIC_URL", "")))
    return {"localhost", "127.0.0.1", "[::1]", public, *named} - {""}


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _network(address: str | None) -> str:
    """Return a network address; of IPv6 the part that one customer owns."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    found = getattr(found, "ipv4_mapped", None) or found  # the form of IPv4 on a server that listens to both
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))
