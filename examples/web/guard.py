"""What a request has to be before anything is done for it, and for whom it is. No framework is needed.

An order costs money, so another site must not be able to place one through a customer's browser: not by a
form, not by a script, not under a name of its own that leads here (DNS rebinding).
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
WEBHOOKS: Final = "/webhooks/eversince"  # has a signature instead
HEADERS: Final = {  # of every answer; the address of a film is for whoever has it, not for other sites
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
}  # fmt: skip
COOKIE: Final = "customer"
_COOKIE: Final = re.compile(rf"(?:^|;)\s*{COOKIE}=([0-9a-f]{{32}})\s*(?:;|$)")


class Refused(Exception):
    """A request is refused.

    Attributes:
        status: The HTTP status.
        text: Why, in words of ours that anybody may read.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text

    def to_json(self) -> dict[str, str]:
        """The body of the answer."""
        return {"error": self.text}


def check(method: str, path: str, headers: Mapping[str, str]) -> None:
    """Let a request pass, judged by its headers (names in lower case, or a mapping that does not mind).

    Raises:
        Refused: It is called by a foreign name, comes from a foreign page, or is no JSON of a known size.
    """
    if path == WEBHOOKS:
        return
    host = headers.get("host", "").lower()
    if re.sub(r":\d+$", "", host) not in _own_names():
        raise Refused(400, "this application has another name; whoever runs it sets ALLOWED_HOSTS")
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
    """Who a request is for: what caps and keys go by.

    In a product this is the account that is signed in, and the one place to say so. Here it is a cookie; a
    caller without one goes by the network address. Neither is a login: whoever likes can be several.
    """
    found = _COOKIE.search(cookies or "")
    return hashlib.sha256((found[1] if found else _network(address)).encode()).hexdigest()[:16]


def new_cookie(cookies: str | None) -> dict[str, str]:
    """The header that makes a browser a customer; none if it is one."""
    if _COOKIE.search(cookies or ""):
        return {}
    secure = "; Secure" if os.environ.get("PUBLIC_URL", "").startswith("https:") else ""
    value = f"{COOKIE}={secrets.token_hex(16)}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax{secure}"
    return {"Set-Cookie": value}


def key_of(customer: str, wanted: str) -> str:
    """A customer's idempotency key: nobody gets another one's film by naming its key.

    Raises:
        Refused: It is no key.
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
    """A network address; of IPv6 the part that one customer has all of."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    found = getattr(found, "ipv4_mapped", None) or found  # as a server that listens to both sees IPv4
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))
