"""Escapes for text from outside, before a terminal shows it.

Characters that could steer a terminal are escaped, as are those that its encoding lacks. The escapes are
those of JSON, so that JSON stays JSON.
"""

import codecs
import os
import unicodedata
from typing import Final

from eversince_async._redaction import excerpt, without_query
from eversince_async._wire.addresses import AddressPolicy, AddressRefused
from eversince_async.session.transport import BASE_URL, check_base_url

ESCAPING: Final = "eversince_async.escaping"
"""The name of the `errors` handler for streams, which escapes characters that their encoding lacks.

Importing this module registers the handler.
"""

_BREAKS: Final = "\n\t"
_JOINERS: Final = "\u200c\u200d"
"""Format characters that some languages and emojis need; they do not change the direction of text."""

_FOREIGN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def harmless(text: str) -> str:
    """Escape the control characters, direction marks and surrogates of a text.

    Line feeds and tabs stay, because this package prints them as well.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(sign) if _is_harmful(sign) else sign for sign in text)


def on_one_line(text: str) -> str:
    """Return a harmless text on one line, with whitespace as single blanks."""
    return harmless(" ".join(text.split()))


def unbroken(text: str) -> str:
    """Return a harmless text with line feeds and tabs escaped, too.

    So the text stays in its line and its cell.
    """
    return "".join(_escape(sign) if sign in _BREAKS else sign for sign in harmless(text))


def _is_harmful(sign: str) -> bool:
    if sign.isprintable() or sign in _BREAKS or sign in _JOINERS:
        return False
    return unicodedata.category(sign) in _FOREIGN


def _escape(sign: str) -> str:
    code = ord(sign)
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD7C0 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _escape_all(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_escape, error.object[error.start : error.end])), error.end


codecs.register_error(ESCAPING, _escape_all)


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
