"""Texts for display: free of secrets, printable, and limited in length."""

import re
from datetime import UTC, datetime
from typing import Final

from eversince_async._redaction import redact, without_query
from eversince_async._wire.addresses import AddressPolicy, AddressRefused, parse
from eversince_async.journal.redaction import is_unredacted, redact_for_resend

_UNSHOWABLE: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufff9-\ufffb\ufffe\uffff"
    r"\u202a-\u202e\u2060-\u206f]"  # these reverse whole texts, or are invisible; mere marks may stay
)
_RETURN: Final = re.compile(r"\r\n?|[\x85\u2028\u2029]")


def printable(text: str, length: int | None = None) -> str:
    """Return a text that is safe to show.

    API keys, credentials and queries of URLs are hidden. Some characters become replacement characters:
    control characters and halves of surrogate pairs, which neither a page nor a UTF-8 file can hold;
    characters that reverse the direction of text; and characters that control the terminal in which a report
    is printed.

    Args:
        text: Any text.
        length: The most characters to keep; None keeps all.
    """
    clean = _UNSHOWABLE.sub("\ufffd", _RETURN.sub("\n", redact(text)))
    return clean if length is None or len(clean) <= length else clean[: length - 1].rstrip() + "…"


def link_url(url: str | None) -> str | None:
    """Return a web address that is safe to link to, or None.

    The result is None if there is no address, or if a browser cannot use it. A signature or a credential in
    the query would give each reader access, so such a query is left out.
    """
    if not url or odd_url("", url) is not None:
        return None
    if is_unredacted(redact_for_resend(url)):
        return url
    bare = re.split("[?#]", url, maxsplit=1)[0]
    return bare if is_unredacted(redact_for_resend(bare)) else None


def odd_url(field: str, url: str | None, addresses: AddressPolicy | None = None) -> str | None:
    """Return the reason why an address cannot be linked to.

    The text includes the address. The result is None if the address can be linked to, or if there is none.

    Args:
        field: The name of the address, e.g. `share_url`.
        url: The address.
        addresses: The policy for addresses that may be linked to; None allows all valid addresses.
    """
    if not url:
        return None
    try:
        parse(url) if addresses is None else addresses.check(url)
    except AddressRefused as refused:
        return f"{field} {refused.problem}: {printable(' '.join(without_query(url).split()), 80)}"
    return None


def format_duration(seconds: float) -> str:
    """Format a duration for people, in two units: `4 min 10 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole // 60, "min", whole % 60, "s")
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return _two(minutes // 60, "h", minutes % 60, "min")
    hours = round(seconds / 3600)
    return _two(hours // 24, "d", hours % 24, "h")


def _two(much: int, unit: str, little: int, smaller: str) -> str:
    return f"{much} {unit} {little} {smaller}" if little else f"{much} {unit}"


def plural(count: int, one: str, several: str | None = None) -> str:
    """Format a number with its noun: `1 video`, `2,000 videos`."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def clock_time(moment: datetime) -> str:
    """Format a date and time in UTC, to the minute."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
