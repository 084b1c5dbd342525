"""Makes harmless what somebody else wrote, before a terminal sees it; escapes what its encoding lacks.

Escapes are those of JSON, so that JSON stays JSON.
"""

import codecs
import unicodedata
from typing import Final

ESCAPING: Final = "eversince_async.escaping"
"""How streams treat what their encoding lacks: as an `errors` handler, once this module is imported."""

_BREAKS: Final = "\n\t"
_JOINERS: Final = "\u200c\u200d"
"""Formats that words in some languages, and emojis, are spelled with; they turn nothing around."""

_FOREIGN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def harmless(text: str) -> str:
    """A text with its control characters, those that turn text around, and half surrogates escaped.

    Line feeds and tabs stay: they are ours as well.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(sign) if _is_harmful(sign) else sign for sign in text)


def on_one_line(text: str) -> str:
    """A harmless text that makes no further lines or cells."""
    return harmless(" ".join(text.split()))


def unbroken(text: str) -> str:
    """A harmless text that stays in its line and its cell: line feeds and tabs are escaped as well."""
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
