"""Addresses in the output of commands.

Terminals turn text that looks like an address into a link, and people open it.
"""

import os
from typing import Final

from eversince_async._redaction import excerpt, without_query
from eversince_async._wire.addresses import AddressPolicy, AddressRefused
from eversince_async.session.transport import BASE_URL, check_base_url

LONGEST: Final = 100
"""Number of characters printed of an address that must not be opened."""


def address(field: str, url: str | None) -> str | None:
    """Return an address unchanged if it may be opened.

    Otherwise return a text with the problem and the beginning of the address.

    Args:
        field: The name of the field that holds the address, e.g. `share_url`.
        url: The address; for None, None is returned.
    """
    try:
        return None if url is None else _policy().check(url).text
    except AddressRefused as refused:
        return f"{field} {refused.problem}: {excerpt(without_query(ascii(url)[1:-1]), LONGEST)}"


def may_be_opened(url: str | None) -> bool:
    """Return True if the address policy allows this address."""
    return url is not None and address("", url) == url


def _policy() -> AddressPolicy:
    """Return the address policy of the client that the commands use."""
    return AddressPolicy.of(check_base_url(os.environ.get("EVERSINCE_BASE_URL") or BASE_URL))
