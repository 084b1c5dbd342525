"""The decoder of exported text files.

It detects the encoding, and reports undecodable bytes by line.
"""

import codecs
import io
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from eversince_async.errors import InvalidRequest

Complain = Callable[[int, str], None]
"""A callback for problems, with the line number and the problem."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before the shorter mark that it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MARK: Final = "\ufeff"
_PEEKED: Final = 64
_UNDECODED: Final = re.compile("[\udc80-\udcff]")

_AS_CSV: Final = "save it as CSV UTF-8 from the program that made it, and give that file"
_OTHER_KINDS: Final = (
    (b"PK\x03\x04", f"is a workbook or an archive, not text: {_AS_CSV}"),
    (b"\xd0\xcf\x11\xe0", f"is an old workbook, not text: {_AS_CSV}"),
    (
        b"\x1f\x8b",
        "is compressed: unpack it first, or pipe it in: `gzip -dc FILE | eversince batch -`",
    ),
    (b"BZh", "is compressed with bzip2: unpack it first"),
    (b"\xfd7zXZ\0", "is compressed with xz: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd: unpack it first"),
    (b"SQLite format 3\0", "is a database, perhaps a journal: `eversince resume` goes on with that"),
    (b"%PDF-", f"is a PDF, not text: {_AS_CSV}"),
)


def decode_lines(stream: io.BufferedReader, encoding: str, name: str, complain: Complain) -> Iterator[str]:
    """Yield a file's lines with their ends, and report undecodable bytes.

    A byte order mark in the file is more reliable than the caller's `encoding`, so it takes precedence.

    Raises:
        InvalidRequest: The file is not text at all.
        LookupError: There is no such encoding.
        UnicodeError: The file cannot be decoded from some place on.
    """
    head = stream.peek(_PEEKED)[:_PEEKED]
    for mark, kind in _OTHER_KINDS:
        if head.startswith(mark):
            raise InvalidRequest({name: kind})
    codec = next((codec for mark, codec in _MARKS if head.startswith(mark)), None)
    codec = codec or _without_mark(head) or encoding
    _check_encoding(codec)
    text = io.TextIOWrapper(stream, codec, errors="surrogateescape", newline="")
    return _check_lines(text, codec, complain)


def _check_encoding(codec: str) -> None:
    try:
        codecs.lookup(codec)
    except ValueError:  # a NUL, or half of a surrogate pair
        raise LookupError(f"there is no encoding {codec!r}") from None


def _without_mark(head: bytes) -> str | None:
    """Return the codec of unmarked UTF-16; None for any other text.

    In UTF-16, every other byte of most texts is zero.
    """
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) < len(head) // 4 or len(head) < 4 or min(even, odd):
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


def _check_lines(text: io.TextIOWrapper, codec: str, complain: Complain) -> Iterator[str]:
    hint = f"; {_hint(codec)}"
    with text:
        first = next(text, "").removeprefix(_MARK)
        for number, line in enumerate(chain([first], text) if first else text, 1):
            clean = line
            if not line.isascii() and (odd := _UNDECODED.search(line)):
                before = line[: odd.start()][-20:]
                byte = ord(odd[0]) - 0xDC00
                complain(number, f"is not {codec.upper()}: byte 0x{byte:02X} after {before!r}{hint}")
                hint = ""  # one hint for the whole file is enough
                clean = _UNDECODED.sub("\N{REPLACEMENT CHARACTER}", line)
            if "\0" in line:
                complain(number, "has a NUL character, which no text has")
            yield clean


def _hint(codec: str) -> str:
    if codecs.lookup(codec).name != "utf-8":
        return "say which it is with --encoding, or save the file as UTF-8"
    return "saved by Excel on Windows? try --encoding cp1252, or save the file as CSV UTF-8"
