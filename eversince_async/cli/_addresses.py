"""Addresses as commands print them: terminals make links of what looks like one, and people open it."""

import os
from typing import Final

from eversince_async._redaction import excerpt, without_query
from eversince_async._wire.addresses import AddressPolicy, AddressRefused
from eversince_async.session.transport import BASE_URL, check_base_url

LONGEST: Final = 100
"""Characters that are shown of an address that must not be opened."""


def address(field: str, url: str | None) -> str | None:
    """An address to print: as it came if it may be opened, else what is wrong with it, and its beginning.

    Args:
        field: What names it, e.g. `share_url`.
        url: The address; None for none, which stays so.
    """
    try:
        return None if url is None else _policy().check(url).text
    except AddressRefused as refused:
        return f"{field} {refused.problem}: {excerpt(without_query(ascii(url)[1:-1]), LONGEST)}"


def may_be_opened(url: str | None) -> bool:
    """Whether the API may name such an address."""
    return url is not None and address("", url) == url


def _policy() -> AddressPolicy:
    """That of the client the commands use."""
    return AddressPolicy.of(check_base_url(os.environ.get("EVERSINCE_BASE_URL") or BASE_URL))
