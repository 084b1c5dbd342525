"""Escapes for text from outside, before a terminal shows it.

Characters that could steer a terminal are escaped, as are those that its encoding lacks. The escapes are
those of JSON, so that JSON stays JSON.
"""

import codecs
import unicodedata
from typing import Final

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
