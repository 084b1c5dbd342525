"""The kind of a body, by its first bytes.

Also the error code in the XML with which stores refuse a request.
"""

import re
from typing import Final

HEAD: Final = 1024
"""Bytes after which a body of blanks only is no video."""

_BLANK: Final = b" \t\r\n\x0b\x0c"
_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_LITERAL: Final = re.compile(rb"(?:null|true|false|-?[0-9][0-9.eE+-]*)[ \t\r\n]*")
_HTML: Final = re.compile(rb"(?i)<(?:html|!doctype\s+html)")
_ERROR_CODE: Final = re.compile(rb"<Code>\s{0,64}([A-Za-z0-9._-]{1,64})\s{0,64}</Code>")


def is_decided(head: bytes) -> bool:
    """Return True if `kind_of_document` needs no further bytes.

    Args:
        head: The first bytes of the body.
    """
    text = _text(head)
    return len(head) >= HEAD or (bool(text) and text[:1] not in b'<{["ntf-0123456789')


def kind_of_document(head: bytes) -> str | None:
    """Return the kind of a body that is no video, or None.

    The kinds are `nothing`, `blanks`, `HTML`, `XML` and `JSON`. No container format for videos begins like
    these.

    Args:
        head: The first bytes of the body, as many as `is_decided` needs, or the whole body.
    """
    text = _text(head)
    if not text:
        return "blanks" if head else "nothing"
    if text[:1] == b"<":
        is_xml = text.startswith((b"<?xml", b"<Error")) and not _HTML.search(text)
        return "XML" if is_xml else "HTML"
    return "JSON" if text[:1] in b'{["' or _LITERAL.fullmatch(text) else None


def error_code(head: bytes) -> str | None:
    """Return the code of a store's refusal, such as `AccessDenied`, or None.

    The code is searched for, not parsed: no entity is expanded, and only a plain word counts. The rest of
    such a refusal may hold the signature that was wrong.

    Args:
        head: The first bytes of the response.
    """
    begins = head.find(b"<Error")
    match = None if begins < 0 else _ERROR_CODE.search(head, begins)
    return None if match is None else match[1].decode("ascii")


def _text(head: bytes) -> bytes:
    """Return the first bytes without byte order mark and leading blanks.

    The NUL bytes that UTF-16 puts between letters are removed, too.
    """
    for mark in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            head = head[len(mark) :].replace(b"\0", b"")
    return head.lstrip(_BLANK)
